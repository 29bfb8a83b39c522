/**
 * The program of a custom executor, on the host of its agent: it runs many tasks at once, keeps each task and
 * update until it is acknowledged, and comes and goes on a connection of its own, whatever becomes of the
 * agent. Spec: executor-api.md §2-5, §8; simulation.md §6.
 */
import { decode, encode } from '../../protocol/codec.ts'
import type { Call, Event } from '../../protocol/executor.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Clock, Connection, Random, TimerHandle, Transport } from '../../src/runtime/ports.ts'

/**
 * How an executor behaves: `mute` never subscribes, `deaf` neither obeys SHUTDOWN nor subscribes again when
 * it is asked to, `brief` crashes soon, `hostile` speaks for others too.
 */
export const executorManners = ['kind', 'kind', 'mute', 'deaf', 'brief', 'hostile'] as const
export type ExecutorManners = (typeof executorManners)[number]

/** A call without who makes it. */
type Said<Each extends Call> = Each extends Call
  ? Omit<Each, 'executor_id' | 'framework_id'>
  : never

export interface ExecutorOptions {
  readonly manners: ExecutorManners
  /** What its agent has told it. */
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly transport: Transport
  readonly draw: Random
  /** For how long a SUBSCRIBE is held on its way to the broker, and what it says after it; asked each time. */
  readonly heldMs: () => number
  /** Told of each task that it begins. */
  readonly started: (task: string) => void
  readonly mark: (situation: string) => void
  readonly exit: (code: number) => void
}

/** How long it waits for an answer to SUBSCRIBE, and for the acknowledgement of an update, ms. */
const subscribeMs = 1000
const retryMs = 3000
const connectMs = 500
/** After how long without anything to do it exits, ms. */
const idleMs = 5000
const briefMsMax = 8000
/** A task of somebody else's, perhaps. */
const foreign = { framework: 'framework-1-id', task: 'framework-1.0' }

export class SimulatedExecutor {
  readonly #options: ExecutorOptions
  #connection: Connection | undefined
  /** Tasks that run, with what ends them. */
  readonly #running = new Map<string, TimerHandle>()
  readonly #unacknowledgedTasks = new Map<string, TaskInfo>()
  /** By uuid in hex, oldest first. */
  readonly #unacknowledgedUpdates = new Map<string, TaskStatus>()
  readonly #timers = new Set<TimerHandle>()
  /**
   * False from SUBSCRIBE to SUBSCRIBED: a task that comes meanwhile was sent before the agent knew what
   * this executor has, and is dropped by the agent.
   */
  #isSubscribed = false
  /** Calls that are held, in order, and until when, by monotonic time. */
  readonly #held: Uint8Array[] = []
  #heldUntil = 0
  /** That of the last event. */
  #mark: string | undefined
  #idle: TimerHandle
  #isOver = false

  constructor(options: ExecutorOptions) {
    this.#options = options
    if (options.manners === 'brief')
      this.#after(options.draw.int(briefMsMax), () => options.exit(1))
    void this.#connect()
  }

  /** Its process has ended. */
  end(): void {
    this.#isOver = true
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer)
    void this.#connection?.close()
  }

  async #connect(): Promise<void> {
    const { transport, env } = this.#options
    const name = env.MESOS_EXECUTOR_ID ?? ''
    try {
      const connection = await transport.connect({ name })
      if (this.#isOver) return void connection.close()
      this.#connection = connection
    } catch {
      if (this.#isOver) return
      this.#after(connectMs, () => void this.#connect())
      return
    }
    this.#connection.subscribe(env.MESETA_EXECUTOR_EVENT ?? '', ({ data }) => {
      const decoded = decode(data)
      if (decoded.ok && !this.#isOver) this.#hear(decoded.value.value as Event)
    })
    this.#connection.onStatus(({ type }) => {
      if (type === 'reconnected') this.#subscribe()
    })
    this.#subscribe()
  }

  #subscribe(): void {
    if (this.#isOver || this.#options.manners === 'mute') return
    this.#isSubscribed = false
    this.#hold()
    const updates = [...this.#unacknowledgedUpdates.values()]
    this.#call({
      type: 'SUBSCRIBE',
      subscribe: {
        unacknowledged_tasks: [...this.#unacknowledgedTasks.values()],
        unacknowledged_updates: updates.map((status) => ({ status })),
        ...(this.#mark !== undefined && { mark: this.#mark }),
      },
    })
    this.#after(subscribeMs, () => this.#isSubscribed || this.#subscribe())
  }

  #hear(event: Event): void {
    const { mark, manners, exit } = this.#options
    this.#mark = event.mark
    switch (event.type) {
      case 'SUBSCRIBED':
        mark('an executor is subscribed')
        this.#isSubscribed = true
        this.#restIfIdle()
        break
      case 'LAUNCH':
        this.#launch([event.launch.task])
        break
      case 'LAUNCH_GROUP':
        mark('a group comes to its executor')
        this.#launch(event.launch_group.task_group.tasks ?? [])
        break
      case 'KILL': {
        const { task_id } = event.kill
        this.#after(this.#options.draw.int(500), () => this.#finish(task_id.value, 'TASK_KILLED'))
        break
      }
      case 'ACKNOWLEDGED':
        this.#unacknowledgedUpdates.delete(hex(event.acknowledged.uuid))
        this.#unacknowledgedTasks.delete(event.acknowledged.task_id.value)
        this.#restIfIdle()
        break
      case 'HEARTBEAT':
        if (event.subscribed !== false) break
        mark('an executor is asked to subscribe again')
        if (this.#isSubscribed && manners !== 'deaf') this.#subscribe()
        break
      case 'MESSAGE':
        mark('an executor is told something by its framework')
        break
      case 'SHUTDOWN':
        mark('an executor is told to shut down')
        if (manners === 'deaf') break
        for (const task of [...this.#running.keys()]) this.#finish(task, 'TASK_KILLED')
        this.#after(100, () => exit(0))
    }
  }

  #launch(tasks: readonly TaskInfo[]): void {
    const { started, draw, manners, mark } = this.#options
    if (!this.#isSubscribed) {
      mark('a task comes to an executor that is subscribing')
      return
    }
    for (const task of tasks) {
      const id = task.task_id.value
      started(id)
      this.#unacknowledgedTasks.set(id, task)
      const [runMs, code] = new TextDecoder().decode(task.data).split(' ').map(Number)
      if (draw.int(2) === 0) this.#tell(id, 'TASK_STARTING')
      this.#tell(id, 'TASK_RUNNING')
      const end = code === 0 ? 'TASK_FINISHED' : 'TASK_FAILED'
      this.#running.set(
        id,
        this.#after(runMs ?? 0, () => this.#finish(id, end)),
      )
      if (draw.int(4) === 0) this.#call({ type: 'MESSAGE', message: { data: draw.bytes(8) } })
      if (manners === 'hostile') this.#abuse()
    }
  }

  #finish(task: string, state: TaskState): void {
    this.#options.clock.clearTimeout(this.#running.get(task))
    if (this.#running.delete(task)) this.#tell(task, state)
  }

  #tell(task: string, state: TaskState): void {
    const status = this.#status(task, state)
    this.#unacknowledgedUpdates.set(hex(status.uuid), status)
    this.#repeat(status)
  }

  /** Until it is acknowledged. */
  #repeat(status: TaskStatus): void {
    if (!this.#unacknowledgedUpdates.has(hex(status.uuid))) return
    if (this.#isSubscribed) this.#call({ type: 'UPDATE', update: { status } })
    this.#after(retryMs, () => this.#repeat(status))
  }

  #status(task: string, state: TaskState) {
    const uuid = this.#options.draw.bytes(16)
    return { task_id: { value: task }, state, uuid, source: 'SOURCE_EXECUTOR' as const }
  }

  /** What does not concern it, under its own name and under another's. */
  #abuse(): void {
    const update = { status: this.#status(foreign.task, 'TASK_FINISHED') }
    this.#call({ type: 'UPDATE', update })
    this.#call({ type: 'UPDATE', update }, foreign.framework)
  }

  #restIfIdle(): void {
    const { clock, exit } = this.#options
    clock.clearTimeout(this.#idle)
    this.#idle = this.#after(idleMs, () => {
      if (this.#running.size + this.#unacknowledgedUpdates.size === 0) exit(0)
    })
  }

  #call(body: Said<Call>, framework = this.#options.env.MESOS_FRAMEWORK_ID ?? ''): void {
    const { env, clock } = this.#options
    const executor_id = { value: env.MESOS_EXECUTOR_ID ?? '' }
    const call = encode({ ...body, executor_id, framework_id: { value: framework } })
    this.#held.push(call)
    const waitMs = this.#heldUntil - clock.monotonic()
    if (waitMs > 0 || this.#held.length > 1) this.#after(waitMs, () => this.#publish())
    else this.#publish()
  }

  /** The one of its calls that waits longest. */
  #publish(): void {
    const call = this.#held.shift()
    if (call !== undefined)
      this.#connection?.publish(this.#options.env.MESETA_EXECUTOR_CALL ?? '', call)
  }

  /** It hears its agent meanwhile, and goes on. */
  #hold(): void {
    const { heldMs, clock, mark } = this.#options
    const forMs = heldMs()
    if (forMs > 0) mark('an executor is heard late')
    this.#heldUntil = Math.max(this.#heldUntil, clock.monotonic() + forMs)
  }

  #after(ms: number, run: () => void): TimerHandle {
    const { clock } = this.#options
    const timer = clock.setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
    return timer
  }
}

function hex(uuid: Uint8Array = new Uint8Array()): string {
  return Buffer.from(uuid.buffer, uuid.byteOffset, uuid.byteLength).toString('hex')
}
