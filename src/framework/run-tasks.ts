/**
 * Runs a list of commands as tasks, each on the first offer with room, until all have ended. For programs
 * that want work done rather than to schedule: `meseta run` is one of them.
 *
 * A task that was never launched is launched again under a new id (`wasNeverLaunched`); one whose fate
 * is uncertain is not, so that no command runs twice.
 */
import type { Environment } from '../../protocol/v1/command.ts'
import type { Offer } from '../../protocol/v1/offer.ts'
import { type TaskState, type TaskStatus, terminalTaskStates } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { Ring } from '../runtime/ring.ts'
import type { Driver } from './driver.ts'
import { type Request, Room } from './placement.ts'
import type { SchedulerCallbacks } from './scheduler.ts'

/** One command to run. */
export interface TaskSpec extends Request {
  /** Unique in the list; the task's id begins with it. */
  readonly name: string
  /** With `shell` a line for `sh -c`, else the program (then `args` begins with its name). */
  readonly command: string
  readonly args?: readonly string[]
  readonly shell?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly user?: string
  readonly killGraceSeconds?: number
}

/** What became of one command so far. */
export interface TaskProgress {
  readonly spec: TaskSpec
  /** Undefined while it waits for an offer. */
  readonly taskId: string | undefined
  readonly agentId: string | undefined
  readonly hostname: string | undefined
  readonly state: TaskState | 'WAITING'
  readonly status: TaskStatus | undefined
  readonly done: boolean
}

export interface RunTasksOptions {
  readonly tasks: readonly TaskSpec[]
  /** Called at every change of a task's state. */
  readonly onProgress?: (progress: TaskProgress) => void
  /** Called once, when all have ended. */
  readonly onDone?: (all: readonly TaskProgress[]) => void
  /** Which offers may be used. Default: all. */
  readonly accepts?: (offer: Offer) => boolean
}

type Entry = { -readonly [K in keyof TaskProgress]: TaskProgress[K] } & { attempts: number }

/** States after which nothing is to be expected although they are not terminal (states.md §1). */
const GIVEN_UP: ReadonlySet<TaskState> = new Set<TaskState>(['TASK_UNKNOWN'])
/** Offers that are of no use are refused for so long; a finished task's resources come as a new offer. */
const REFUSE_SECONDS = 5
const ATTEMPTS_MAX = 20

/** Runs tasks over a scheduler: give `callbacks` to `connectScheduler` or `scheduler`. */
export class TaskRun {
  readonly callbacks: SchedulerCallbacks
  readonly #options: RunTasksOptions
  readonly #all: Entry[]
  readonly #waiting = new Ring<Entry>()
  readonly #byId = new Map<string, Entry>()
  #left: number
  #suppressed = false
  #stopping = false

  constructor(options: RunTasksOptions) {
    this.#options = options
    this.#all = options.tasks.map((spec) => ({
      spec,
      taskId: undefined,
      agentId: undefined,
      hostname: undefined,
      state: 'WAITING',
      status: undefined,
      done: false,
      attempts: 0,
    }))
    for (const entry of this.#all) this.#waiting.push(entry)
    this.#left = this.#all.length
    this.callbacks = {
      subscribed: (_info, driver) => {
        this.#suppressed = false
        this.#restOrWork(driver)
      },
      offers: (offers, driver) => this.#offers(offers, driver),
      update: (status, driver) => this.#update(status, driver),
    }
  }

  get progress(): readonly TaskProgress[] {
    return this.#all
  }

  /** Launches nothing more and kills what runs. Those that never ran are done as they are. */
  stop(driver: Driver): void {
    this.#stopping = true
    for (let entry = this.#waiting.shift(); entry; entry = this.#waiting.shift()) {
      this.#finish(entry, driver)
    }
    for (const [taskId, { done, agentId }] of this.#byId) {
      if (!done) driver.kill(taskId, agentId === undefined ? {} : { agentId })
    }
  }

  #offers(offers: readonly Offer[], driver: Driver): void {
    const unused: Offer[] = []
    for (const offer of offers) {
      const usable = this.#waiting.size > 0 && (this.#options.accepts?.(offer) ?? true)
      const tasks = usable ? this.#fill(offer) : []
      if (tasks.length === 0) unused.push(offer)
      // What is left over is wanted at once if tasks still wait.
      else
        driver.launch([offer], tasks, {
          refuse_seconds: this.#waiting.size > 0 ? 0 : REFUSE_SECONDS,
        })
    }
    driver.decline(unused, { refuse_seconds: REFUSE_SECONDS })
    this.#restOrWork(driver)
  }

  #fill(offer: Offer): TaskInfo[] {
    const room = new Room(offer)
    const tasks: TaskInfo[] = []
    const passed: Entry[] = []
    let entry = this.#waiting.shift()
    for (; entry !== undefined; entry = this.#waiting.shift()) {
      if (room.lacks(entry.spec).length > 0) {
        passed.push(entry)
        // Usually all want the same: what did not fit once will not fit further on.
        if (passed.length >= 32) break
        continue
      }
      tasks.push(this.#launch(entry, offer, room))
    }
    for (const each of passed.reverse()) this.#waiting.unshift(each)
    return tasks
  }

  #launch(entry: Entry, offer: Offer, room: Room): TaskInfo {
    const { spec } = entry
    entry.attempts++
    entry.taskId = entry.attempts === 1 ? spec.name : `${spec.name}.${entry.attempts}`
    entry.agentId = offer.agent_id.value
    entry.hostname = offer.hostname
    entry.state = 'TASK_STAGING'
    this.#byId.set(entry.taskId, entry)
    this.#options.onProgress?.(entry)
    return {
      name: spec.name,
      task_id: { value: entry.taskId },
      agent_id: offer.agent_id,
      resources: room.take(spec),
      command: {
        value: spec.command,
        shell: spec.shell ?? spec.args === undefined,
        ...(spec.args && { arguments: [...spec.args] }),
        ...(spec.env && { environment: environmentOf(spec.env) }),
        ...(spec.user !== undefined && { user: spec.user }),
      },
      ...(spec.killGraceSeconds !== undefined && {
        kill_policy: { grace_period: { nanoseconds: Math.round(spec.killGraceSeconds * 1e9) } },
      }),
    }
  }

  #update(status: TaskStatus, driver: Driver): void {
    const entry = this.#byId.get(status.task_id.value)
    if (entry === undefined || entry.done || entry.taskId !== status.task_id.value) return
    if (wasNeverLaunched(entry, status) && entry.attempts < ATTEMPTS_MAX && !this.#stopping) {
      entry.state = 'WAITING'
      this.#waiting.push(entry)
      this.#restOrWork(driver)
      return
    }
    entry.state = status.state
    entry.status = status
    if (terminalTaskStates.has(status.state) || GIVEN_UP.has(status.state))
      this.#finish(entry, driver)
    else this.#options.onProgress?.(entry)
  }

  #finish(entry: Entry, driver: Driver): void {
    entry.done = true
    this.#options.onProgress?.(entry)
    if (--this.#left > 0) return
    this.#restOrWork(driver)
    this.#options.onDone?.(this.#all)
  }

  /** Offers are wanted only while something waits. */
  #restOrWork(driver: Driver): void {
    const rest = this.#waiting.size === 0
    if (rest === this.#suppressed) return
    this.#suppressed = rest
    if (rest) driver.suppress()
    else driver.revive()
  }
}

/**
 * Refused before it started, or lost on its way with a master or the broker: the agent that it was for is
 * there and does not know it, and no status of it ever came. (An agent forgets a task only after its end
 * was acknowledged, and a launch by a former master is refused.)
 */
function wasNeverLaunched({ state }: Entry, status: TaskStatus): boolean {
  if (status.state === 'TASK_DROPPED') return true
  const unknownToAgent = status.state === 'TASK_GONE' && status.reason === 'REASON_RECONCILIATION'
  return unknownToAgent && state === 'TASK_STAGING'
}

function environmentOf(env: Readonly<Record<string, string>>): Environment {
  return { variables: Object.entries(env).map(([name, value]) => ({ name, type: 'VALUE', value })) }
}
