/**
 * Statuses on their way from an agent to its master (T3, T4), and what masters make of them (T5).
 * Spec: simulation.md §9; agent.md §7.
 */
import type { Task } from '../../protocol/v1/index.ts'
import { isTerminal } from '../../protocol/v1/status.ts'
import { Violation } from './history.ts'

/** What was seen of the stream of one task. */
interface Stream {
  /** Host of the agent whose stream it is. */
  agent: string
  /** It was given up: what is forwarded next begins another. */
  isOver: boolean
  /** Uuids that were forwarded, in hex and in order, each once. */
  readonly forwarded: string[]
  /** Those whose acknowledgement has come to the agent. */
  readonly acknowledged: Set<string>
}

export class UpdateHistory {
  /** By framework and task. */
  readonly #streams = new Map<string, Stream>()
  readonly #ended = new WeakSet<Task>()

  /** An agent is told to send a status to its master; `copies`: how often it stands on the agent's disk. */
  forwarded(agent: string, task: string, uuid: string, copies: number): void {
    const stream = this.#stream(task)
    const { forwarded, acknowledged } = stream
    stream.agent = agent
    // What has been acknowledged may be on its way once more while it leaves the disk.
    if (copies === 0 && !acknowledged.has(uuid))
      throw new Violation('T4', `status ${uuid} of ${task} is sent and not on disk`)
    if (copies > 1) throw new Violation('T4', `status ${uuid} of ${task} is stored ${copies} times`)
    if (stream.isOver && !forwarded.includes(uuid)) {
      stream.isOver = false
      forwarded.length = 0
    }
    const last = forwarded.at(-1)
    if (last === uuid) return
    if (forwarded.includes(uuid))
      throw new Violation('T3', `status ${uuid} of ${task} comes again after ${last}`)
    if (last !== undefined && !acknowledged.has(last))
      throw new Violation('T3', `${uuid} of ${task} comes before ${last} is acknowledged`)
    forwarded.push(uuid)
  }

  /** An acknowledgement comes to the agent. Whoever invents one changes nothing by it. */
  acknowledged(task: string, uuid: string): void {
    const { forwarded, acknowledged } = this.#stream(task)
    if (forwarded.includes(uuid)) acknowledged.add(uuid)
  }

  /**
   * An agent forgets the streams of a framework, as it ends it. Should it be ended itself before it has
   * forgotten the tasks, their next streams begin anew.
   */
  abandoned(agent: string, framework: string): void {
    for (const [task, stream] of this.#streams)
      if (stream.agent === agent && task.startsWith(`${framework}/`)) stream.isOver = true
  }

  /** T5: a master that knows that a task has ended does not forget it. */
  known(tasks: Iterable<Task>): void {
    for (const task of tasks) {
      if (isTerminal(task.state)) this.#ended.add(task)
      else if (this.#ended.has(task))
        throw new Violation('T5', `${task.task_id.value} had ended, and is ${task.state} again`)
    }
  }

  #stream(task: string): Stream {
    const known = this.#streams.get(task)
    if (known !== undefined) return known
    const stream = { agent: '', isOver: false, forwarded: [], acknowledged: new Set<string>() }
    this.#streams.set(task, stream)
    return stream
  }
}
