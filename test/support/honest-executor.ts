/**
 * A program that keeps the rules of the executor API (executor-api.md §10), one for each process of an
 * executor: it tells states, keeps tasks and updates until they are acknowledged, says all that again when
 * its agent is back, and exits when it is told to.
 */
import { type executor as api, decode, encode } from '../../protocol/index.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Context, Node } from '../../src/runtime/index.ts'
import type { Probe, World } from './nodes.ts'

export interface HonestExecutorOptions {
  /** That of its process. */
  readonly pid: number
  /** What its agent has told it. */
  readonly env: Readonly<Record<string, string>>
  /** Ends its process. */
  readonly exit: () => void
}

export class HonestExecutor {
  readonly id: string
  /** That of its process. */
  readonly pid: number
  /** Tasks that run. */
  readonly running = new Set<string>()
  readonly #env: HonestExecutorOptions['env']
  readonly #probe: Probe
  readonly #exit: () => void
  readonly #tasks = new Map<string, TaskInfo>()
  readonly #updates = new Map<string, TaskStatus>()
  /** That of the last event. */
  #mark: string | undefined

  /** Starts on a node and subscribes. */
  static async start(
    world: World,
    node: Node,
    { pid, env, exit }: HonestExecutorOptions,
  ): Promise<HonestExecutor> {
    const executor = new HonestExecutor(pid, env, exit, await world.probe(node))
    await executor.#probe.turn((cx) => {
      cx.subscribe(executor.#env.MESETA_EXECUTOR_EVENT ?? '', ({ data }) =>
        executor.#hear(data, cx),
      )
      executor.#subscribe(cx)
    })
    return executor
  }

  private constructor(
    pid: number,
    env: HonestExecutorOptions['env'],
    exit: () => void,
    probe: Probe,
  ) {
    this.id = env.MESOS_EXECUTOR_ID ?? ''
    this.pid = pid
    this.#env = env
    this.#exit = exit
    this.#probe = probe
  }

  /** Ends a task by itself. */
  finish(task: string): Promise<void> {
    return this.#probe.turn((cx) => this.#end(task, 'TASK_FINISHED', cx))
  }

  /** Its process is gone. */
  leave(): Promise<void> {
    return this.#probe.turn((cx) => cx.unsubscribe(this.#env.MESETA_EXECUTOR_EVENT ?? ''))
  }

  #hear(data: Uint8Array, cx: Context): void {
    const decoded = decode(data)
    if (!decoded.ok) throw new Error(decoded.error)
    const event = decoded.value.value as api.Event
    this.#mark = event.mark
    if (event.type === 'LAUNCH') this.#launch(event.launch.task, cx)
    else if (event.type === 'LAUNCH_GROUP') {
      for (const task of event.launch_group.task_group.tasks ?? []) this.#launch(task, cx)
    } else if (event.type === 'KILL') this.#end(event.kill.task_id.value, 'TASK_KILLED', cx)
    else if (event.type === 'ACKNOWLEDGED') {
      this.#updates.delete(hex(event.acknowledged.uuid))
      this.#tasks.delete(event.acknowledged.task_id.value)
    } else if (event.type === 'HEARTBEAT' && event.subscribed === false) this.#subscribe(cx)
    else if (event.type === 'SHUTDOWN') {
      for (const task of [...this.running]) this.#end(task, 'TASK_KILLED', cx)
      cx.after('exit', 0, this.#exit)
    }
  }

  #launch(task: TaskInfo, cx: Context): void {
    this.#tasks.set(task.task_id.value, task)
    this.running.add(task.task_id.value)
    this.#update(task.task_id.value, 'TASK_RUNNING', cx)
  }

  #end(task: string, state: TaskState, cx: Context): void {
    if (this.running.delete(task)) this.#update(task, state, cx)
  }

  #update(task: string, state: TaskState, cx: Context): void {
    const uuid = new Uint8Array(Buffer.from(cx.newId().replaceAll('-', ''), 'hex'))
    const status = { task_id: { value: task }, state, uuid, source: 'SOURCE_EXECUTOR' } as const
    this.#updates.set(hex(uuid), status)
    this.#call({ type: 'UPDATE', update: { status } }, cx)
  }

  #subscribe(cx: Context): void {
    const unacknowledged_tasks = [...this.#tasks.values()]
    const unacknowledged_updates = [...this.#updates.values()].map((status) => ({ status }))
    const marked = this.#mark === undefined ? {} : { mark: this.#mark }
    const subscribe = { unacknowledged_tasks, unacknowledged_updates, ...marked }
    this.#call({ type: 'SUBSCRIBE', subscribe }, cx)
  }

  #call(body: object, cx: Context): void {
    const ids = { framework_id: { value: 'F1' }, executor_id: { value: this.id } }
    cx.publish(this.#env.MESETA_EXECUTOR_CALL ?? '', encode({ ...ids, ...body }))
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
