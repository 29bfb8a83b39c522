/** The custom executors to which a framework gives its tasks, one after the other. Spec: simulation.md §6. */
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { Offer, OfferOperation } from '../../protocol/v1/offer.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Random } from '../../src/runtime/ports.ts'
import { pick } from './chance.ts'
import { executorManners } from './executor.ts'

/** What an executor takes beside its tasks; one that gets groups must have some of each. */
export const executorShare = { cpus: 0.1, mem: 32, disk: 16 }

/** Says to the program which of its manners it has. */
export const mannersVariable = 'SIMULATED_EXECUTOR'

/** Launches that one executor gets at most, on all agents together. */
const launchesMax = 8

export class Executors {
  readonly #name: string
  readonly #draw: Random
  #current: ExecutorInfo | undefined
  #made = 0
  #left = 0

  constructor(name: string, draw: Random) {
    this.#name = name
    this.#draw = draw
  }

  /** Launches tasks, each by itself or as a group, at an executor that may run on the offer's agent already. */
  launch({ allocation_info }: Offer, tasks: readonly TaskInfo[]): OfferOperation {
    const executor = this.#next(allocation_info?.role ?? '*')
    if (this.#draw.int(2) === 0)
      return {
        type: 'LAUNCH_GROUP',
        launch_group: { executor, task_group: { tasks: [...tasks] } },
      }
    const task_infos = tasks.map((task) => ({ ...task, executor }))
    return { type: 'LAUNCH', launch: { task_infos } }
  }

  /** Id of the executor of the newest tasks. */
  get newest(): string | undefined {
    return this.#current?.executor_id.value
  }

  #next(role: string): ExecutorInfo {
    if (this.#current === undefined || this.#left-- === 0) {
      this.#left = this.#draw.int(launchesMax)
      this.#current = this.#make(role)
    }
    return this.#current
  }

  #make(role: string): ExecutorInfo {
    const value = pick(this.#draw, executorManners)
    const amount = (name: keyof typeof executorShare) => ({
      name,
      type: 'SCALAR' as const,
      scalar: { value: executorShare[name] },
      allocation_info: { role },
    })
    return {
      type: 'CUSTOM',
      executor_id: { value: `${this.#name}-executor-${this.#made++}` },
      command: {
        value: 'simulated executor',
        environment: { variables: [{ name: mannersVariable, value }] },
      },
      resources: [amount('cpus'), amount('mem'), amount('disk')],
    }
  }
}
