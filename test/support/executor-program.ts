/**
 * A custom executor in a test's hands: it calls and listens on the subjects of the executor API as a
 * program of any language would. The process that its agent watches is another, scripted one.
 */
import {
  type executor as api,
  decode,
  encode,
  type Format,
  subjects,
} from '../../protocol/index.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Node } from '../../src/runtime/index.ts'
import type { Probe, World } from './nodes.ts'
import { commandTask } from './scripted-master.ts'
import { assert } from './suite.ts'

/** The executor as frameworks name it; its process lives until it is killed. */
export function executorInfo(id: string, more: Partial<ExecutorInfo> = {}): ExecutorInfo {
  return { executor_id: { value: id }, command: { value: `sleep infinity; ${id}` }, ...more }
}

/** A task for such an executor. */
export function executorTask(id: string, executor: ExecutorInfo): TaskInfo {
  const { command: _, ...rest } = commandTask(id, '')
  return { ...rest, executor }
}

export class ExecutorProgram {
  /** What it heard, oldest first. */
  readonly events: api.Event[] = []
  /** That of the last event it heard. */
  mark: string | undefined
  /** That of its calls. */
  format: Format = 'msgpack'
  readonly #world: World
  readonly #probe: Probe
  readonly #ids = { framework_id: { value: 'F1' }, executor_id: { value: '' } }
  #uuid = 0
  /** Where it calls, once it has. */
  #calls: string | undefined

  /** Listens, but does not call yet. */
  static async start(world: World, node: Node, id: string): Promise<ExecutorProgram> {
    const program = new ExecutorProgram(world, await world.probe(node), id)
    await program.#probe.turn((cx) =>
      cx.subscribe(program.#events, ({ data }) => {
        const decoded = decode(data)
        assert.ok(decoded.ok)
        const { mark, ...event } = decoded.value.value as api.Event
        program.mark = mark
        program.events.push(event)
      }),
    )
    return program
  }

  private constructor(world: World, probe: Probe, id: string) {
    this.#world = world
    this.#probe = probe
    this.#ids.executor_id.value = id
  }

  /** Those of any container: it listens before its process is there. */
  get #events(): string {
    const { executor_id } = this.#ids
    const address = { agent: 'A1', framework: 'F1', executor: executor_id.value, container: 'any' }
    return subjects('meseta').executorEvent(address).replace('.any.', '.*.')
  }

  /** What the newest process was told when the program called first. */
  #callSubject(): string {
    const { value } = this.#ids.executor_id
    const all = this.#world.ports('a').processes.running()
    const newest = all.findLast(({ options }) => options.env.MESOS_EXECUTOR_ID === value)
    this.#calls ??= newest?.options.env.MESETA_EXECUTOR_CALL
    return this.#calls ?? 'nobody'
  }

  get #marked() {
    return this.mark === undefined ? {} : { mark: this.mark }
  }

  /** Names of the events heard since the last look; those of LAUNCH and KILL with their tasks. */
  take(): string[] {
    return this.events.splice(0).map((event) => {
      if (event.type === 'LAUNCH') return `LAUNCH ${event.launch.task.task_id.value}`
      if (event.type === 'KILL') return `KILL ${event.kill.task_id.value}`
      if (event.type !== 'LAUNCH_GROUP') return event.type
      const { tasks = [] } = event.launch_group.task_group
      const ids = tasks.map(({ task_id }) => task_id.value)
      return `LAUNCH_GROUP ${ids.join(' ')}`
    })
  }

  /** Calls the agent; returns the code of its refusal, or undefined. */
  async call(body: object): Promise<string | undefined> {
    const answers: string[] = []
    const bytes = encode({ ...this.#ids, ...body }, this.format)
    const subject = this.#callSubject()
    await this.#probe.turn((cx) =>
      cx.request(subject, bytes, { timeoutMs: 1000 }, (outcome) => {
        if (!outcome.ok) answers.push(outcome.error.code)
        else {
          const decoded = decode(outcome.value)
          assert.ok(decoded.ok)
          assert.is(decoded.value.format, this.format)
          answers.push((decoded.value.value as { error?: { code: string } }).error?.code ?? '')
        }
      }),
    )
    await this.#world.until(() => answers.length > 0, 2000)
    await this.#world.settle()
    return answers[0] === '' ? undefined : answers[0]
  }

  subscribe(
    unacknowledged_tasks: readonly TaskInfo[] = [],
    updates: readonly TaskStatus[] = [],
  ): Promise<string | undefined> {
    const unacknowledged_updates = updates.map((status) => ({ status }))
    return this.call({
      type: 'SUBSCRIBE',
      subscribe: { unacknowledged_tasks, unacknowledged_updates, ...this.#marked },
    })
  }

  /** A status with a uuid of its own. */
  status(task: string, state: TaskState, more: Partial<TaskStatus> = {}): TaskStatus {
    const uuid = new Uint8Array(16).fill(++this.#uuid)
    return { task_id: { value: task }, state, uuid, source: 'SOURCE_EXECUTOR', ...more }
  }

  /** Tells a state; returns the status that it sent. */
  async update(task: string, state: TaskState, more: Partial<TaskStatus> = {}) {
    const status = this.status(task, state, more)
    assert.is(await this.call({ type: 'UPDATE', update: { status } }), undefined)
    return status
  }

  /** Sends a call and asks for no answer. */
  publish(body: object): Promise<void> {
    const bytes = encode({ ...this.#ids, ...body }, this.format)
    const subject = this.#callSubject()
    return this.#probe.turn((cx) => cx.publish(subject, bytes))
  }

  /** It does not listen any more. */
  leave(): Promise<void> {
    return this.#probe.turn((cx) => cx.unsubscribe(this.#events))
  }
}
