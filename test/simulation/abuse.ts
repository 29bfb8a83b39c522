/** What no framework may do; none of it may hurt anyone. Spec: simulation.md §7, §9 (X1). */
import type { Call } from '../../protocol/scheduler.ts'
import type { Offer } from '../../protocol/v1/offer.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Driver } from '../../src/framework/index.ts'
import type { Random } from '../../src/runtime/ports.ts'

/** Calls at once. */
const storm = 50
/** Offers that were used, and are used again later. */
const staleMax = 20

export class Abuser {
  readonly #draw: Random
  /** Makes another task of one, known to the framework's history. */
  readonly #copyOf: (task: TaskInfo) => TaskInfo
  readonly #stale: Array<readonly [offer: Offer, task: TaskInfo]> = []

  constructor(draw: Random, copyOf: (task: TaskInfo) => TaskInfo) {
    this.#draw = draw
    this.#copyOf = copyOf
  }

  /** After an offer was used for tasks, or declined. */
  abuse(offer: Offer, tasks: readonly TaskInfo[], driver: Driver): void {
    const framework_id = { value: driver.frameworkId }
    const [task] = tasks
    if (task !== undefined) this.#stale.push([offer, task])
    if (this.#stale.length > staleMax) this.#stale.shift()
    switch (this.#draw.int(11)) {
      case 0:
        // The same offer once more.
        if (task !== undefined) driver.launch([offer], [this.#copyOf(task)])
        break
      case 1:
        driver.decline([{ ...offer, id: { value: 'no such offer' } }])
        break
      case 2:
        driver.call({ type: 'KILL', framework_id, kill: { task_id: { value: 'framework-1.0' } } })
        break
      case 3: {
        const [old] = this.#stale
        if (old !== undefined) driver.launch([old[0]], [this.#copyOf(old[1])])
        break
      }
      case 4:
        for (let i = 0; i < storm; i++) driver.revive()
        break
      case 5:
        for (let i = 0; i < storm; i++) driver.reconcile()
        break
      case 6: {
        const uuid = this.#draw.bytes(16)
        const of = { uuid, agent_id: offer.agent_id, task_id: { value: 'framework-1.0' } }
        driver.call({ type: 'ACKNOWLEDGE', framework_id, acknowledge: of })
        break
      }
      case 7:
        // Nothing of what the protocol knows.
        driver.call({ type: 'LAUNCH', framework_id, launch: [null] } as unknown as Call)
        break
      case 8:
        // Perhaps there is such an offer, and it is another framework's.
        driver.accept([{ ...offer, id: { value: this.#near(offer.id.value) } }], [])
        break
      case 9:
        this.#impersonate(driver)
        break
      default:
        driver.reconcile()
    }
  }

  /** On its own subject, as if it were another. */
  #impersonate(driver: Driver): void {
    const framework_id = { value: 'framework-1-id' }
    const task_id = { value: 'framework-1.0' }
    if (this.#draw.int(2) === 0) driver.call({ type: 'TEARDOWN', framework_id })
    else driver.call({ type: 'KILL', framework_id, kill: { task_id } })
  }

  /** An id that a master has given shortly before or after: it numbers its offers. */
  #near(id: string): string {
    return id.replace(/\d+$/, (number) => String(Number(number) + this.#draw.int(9) - 4))
  }
}
