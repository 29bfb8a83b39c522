/** What a scheduler does that keeps so many tasks in flight, and what it sees of them. */
import type { Offer } from '../../protocol/v1/offer.ts'
import { isTerminal, type TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { type Request, Room } from '../../src/framework/placement.ts'
import type { LightScheduler } from './light-scheduler.ts'

export interface TaskStreamOptions {
  /** First part of the ids. */
  readonly name: string
  readonly inFlight: number
  /** At most so many on one offer. */
  readonly perOffer: number
  readonly each: Request
  readonly command: string | (() => string)
  /** For offers that are not used. */
  readonly refuseSeconds: number
}

/** Launches tasks on what is offered until it is stopped. A task that does not finish ends the process. */
export class TaskStream {
  finished = 0
  /** From publishing an ACCEPT to its task's TASK_RUNNING, ms. */
  readonly runningMs: number[] = []
  readonly #options: TaskStreamOptions
  readonly #acceptedAt = new Map<string, number>()
  #inFlight = 0
  #next = 0
  #stopped: (() => void) | undefined

  constructor(options: TaskStreamOptions) {
    this.#options = options
  }

  readonly offers = (offers: readonly Offer[], scheduler: LightScheduler): void => {
    const unused: Offer[] = []
    for (const offer of offers) {
      const tasks = this.#fill(offer)
      if (tasks.length === 0) unused.push(offer)
      else scheduler.accept([offer], [{ type: 'LAUNCH', launch: { task_infos: tasks } }], 0)
    }
    if (unused.length > 0) scheduler.decline(unused, this.#options.refuseSeconds)
  }

  readonly update = ({ task_id, state, message }: TaskStatus): void => {
    const id = task_id.value
    if (state === 'TASK_RUNNING') {
      const at = this.#acceptedAt.get(id)
      if (at !== undefined) this.runningMs.push(performance.now() - at)
      this.#acceptedAt.delete(id)
    }
    if (!isTerminal(state)) return
    if (state !== 'TASK_FINISHED') {
      process.stderr.write(`task ${id} is ${state}: ${message}\n`)
      process.exit(1)
    }
    this.finished++
    this.#inFlight--
    if (this.#inFlight === 0) this.#stopped?.()
  }

  /** Launched and not ended. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Launches no more; resolves when the last task has ended. */
  async stop(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#stopped = resolve
    })
    if (this.#inFlight > 0) await idle
  }

  #fill(offer: Offer): TaskInfo[] {
    const { name, inFlight, perOffer, each, command } = this.#options
    const room = new Room(offer)
    const tasks: TaskInfo[] = []
    const free = this.#stopped === undefined ? Math.min(perOffer, inFlight - this.#inFlight) : 0
    while (tasks.length < free && room.lacks(each).length === 0) {
      const id = `${name}-${this.#next++}`
      tasks.push({
        name: id,
        task_id: { value: id },
        agent_id: offer.agent_id,
        resources: room.take(each),
        command: { value: typeof command === 'string' ? command : command() },
      })
      this.#acceptedAt.set(id, performance.now())
      this.#inFlight++
    }
    return tasks
  }
}
