/**
 * Ground truth and what clients were told, and the rules that only need these. Each rule names the row of
 * simulation.md §9; a broken one throws `Violation`. Task histories need linear scans only (§11).
 */
import type { Offer } from '../../protocol/v1/offer.ts'
import {
  type OperationStatus,
  type TaskStatus,
  terminalTaskStates,
} from '../../protocol/v1/status.ts'

/** A rule was broken. */
export class Violation extends Error {
  readonly rule: string
  constructor(rule: string, reason: string) {
    super(reason)
    this.name = 'Violation'
    this.rule = rule
  }
}

/** How a task ended, and why. */
interface TaskEnd {
  readonly state: string
  readonly reason?: string
  /** Of the status that said so; empty if it came without one. */
  readonly uuid: string
  /** Which instance was told. */
  readonly instance?: object
}

export interface TaskHistory {
  readonly id: string
  readonly framework: string
  readonly agentId: string
  readonly cpus: number
  readonly mem: number
  readonly port: number | undefined
  /** Processes that were started for it, in the whole cluster. */
  starts: number
  end: TaskEnd | undefined
  lastState: string
  /** Uuids of the statuses that were told. */
  readonly heard: Set<string>
}

/** What a task is called whose launch, or agent, was lost: by the master, which knows less, and the agent. */
const lost: ReadonlySet<string> = new Set(['TASK_GONE', 'TASK_LOST', 'TASK_DROPPED'])

export class History {
  readonly tasks = new Map<string, TaskHistory>()
  /** Those that have not ended. */
  readonly #open = new Set<TaskHistory>()
  /** To whom each offer was made, and which instance was told. */
  readonly #offers = new Map<string, readonly [framework: string, instance: object]>()
  readonly #removed = new Set<string>()
  /** Instances of frameworks, numbered as they began. */
  readonly #instances = new WeakMap<object, number>()
  #begun = 0
  /** Called with each noteworthy thing. */
  readonly #mark: (situation: string) => void

  /** Called with each task that a framework launches, and each status that it is told. */
  readonly #note: (framework: string, kind: 'launches' | 'hears', text: string) => void

  constructor(
    mark: (situation: string) => void,
    note: (framework: string, kind: 'launches' | 'hears', text: string) => void = () => {},
  ) {
    this.#mark = mark
    this.#note = note
  }

  get unended(): TaskHistory[] {
    return [...this.#open]
  }

  /** Another instance of a framework, which is going to replace those before it. */
  begins(instance: object): void {
    this.#instances.set(instance, this.#begun++)
  }

  launched(task: Omit<TaskHistory, 'starts' | 'end' | 'lastState' | 'heard'>): void {
    const launched: TaskHistory = {
      ...task,
      starts: 0,
      end: undefined,
      lastState: 'TASK_STAGING',
      heard: new Set(),
    }
    this.#note(task.framework, 'launches', task.id)
    this.tasks.set(task.id, launched)
    this.#open.add(launched)
  }

  /** A framework has ended itself: its tasks end with it, and nobody is told how. */
  tornDown(framework: string): void {
    for (const task of this.unended)
      if (task.framework === framework) this.#end(task, { state: 'TORN DOWN', uuid: '' })
  }

  /** An agent leaves the registry for maintenance; it may come back under its id. */
  removed(agentId: string): void {
    this.#removed.add(agentId)
  }

  /** Whether a task was given up with its agent. */
  #isGivenUp({ agentId, end }: TaskHistory): boolean {
    return end?.reason === 'REASON_AGENT_REMOVED' || this.#removed.has(agentId)
  }

  /**
   * A4: ids of offers are unique for ever; the broker may deliver one twice. M2: of the instances of a
   * framework one is told.
   */
  offered(framework: string, instance: object, offers: readonly Offer[]): void {
    for (const { id } of offers) {
      const [other = framework, told = instance] = this.#offers.get(id.value) ?? []
      if (other !== framework)
        throw new Violation('A4', `offer ${id.value} was made to ${other}, and to ${framework}`)
      if (told !== instance)
        throw new Violation('M2', `offer ${id.value} is told to two instances of ${framework}`)
      if (this.#offers.has(id.value)) this.#mark('an offer delivered again')
      else this.#offers.set(id.value, [framework, instance])
    }
  }

  /** T1: a task starts at most one process in the whole cluster. */
  started(taskId: string, host: string): void {
    const task = this.tasks.get(taskId)
    if (task === undefined)
      throw new Violation('T1', `${taskId} runs on ${host}, launched by nobody`)
    task.starts++
    if (task.starts > 1)
      throw new Violation('T1', `${taskId} was started a second time, on ${host}`)
    if (task.end?.state === 'TASK_DROPPED')
      throw new Violation('T2', `${taskId} was said to be dropped, and starts on ${host}`)
  }

  /**
   * T2: one terminal state per launch; nothing after it but the same status again. An instance that has been
   * replaced may hear what was said to it before only after its successor has asked, and was told the end.
   */
  told(framework: string, instance: object, status: TaskStatus): void {
    const id = status.task_id.value
    const uuid = Buffer.from(status.uuid ?? []).toString('hex')
    this.#note(framework, 'hears', `${id} ${status.state} ${status.reason ?? ''} ${uuid}`)
    const task = this.tasks.get(id)
    // Whoever asks about what is not its own is told that there is no such task.
    if (uuid === '' && task?.framework !== framework) return
    if (task === undefined)
      throw new Violation('M2', `${framework} is told of ${id}, which nobody launched`)
    if (task.framework !== framework)
      throw new Violation('M2', `${framework} is told of ${id} of ${task.framework}`)
    this.#mark(status.state)
    if (status.reason !== undefined) this.#mark(status.reason)
    if (task.heard.has(uuid)) {
      this.#mark('a status delivered again')
      return
    }
    if (uuid !== '') task.heard.add(uuid)
    if (task.end?.uuid === '' && uuid !== '' && this.#isGivenUp(task)) {
      // Its agent has come back: from now on its word counts (failover.md §2.5).
      this.#mark('a task of a removed agent told again')
      task.end = undefined
      this.#open.add(task)
    }
    if (this.#isOlder(task, instance, uuid)) this.#mark('an older state told to a former instance')
    else if (terminalTaskStates.has(status.state)) this.#ended(task, instance, status, uuid)
    else if (task.end !== undefined) {
      // What no agent vouches for has no uuid: an answer of a master that has not heard of the end yet.
      if (uuid !== '') throw new Violation('T2', `${id} is ${status.state} after ${task.end.state}`)
      this.#mark('an older state told by reconciliation')
    }
    task.lastState = status.state
  }

  /** Whether an agent's word comes after a master's, to a later instance, that the agent is lost. */
  #isOlder({ end }: TaskHistory, instance: object, uuid: string): boolean {
    if (uuid === '' || end?.uuid !== '' || end.instance === undefined) return false
    return this.#numberOf(instance) < this.#numberOf(end.instance)
  }

  #numberOf(instance: object): number {
    return this.#instances.get(instance) ?? 0
  }

  toldOfOperation(framework: string, { operation_id, state, message }: OperationStatus): void {
    this.#note(framework, 'hears', `${operation_id?.value} ${state} ${message ?? ''}`)
    this.#mark(state)
  }

  #end(task: TaskHistory, end: TaskEnd): void {
    task.end = end
    this.#open.delete(task)
  }

  #ended(task: TaskHistory, instance: object, { state, reason }: TaskStatus, uuid: string): void {
    const before = task.end
    if (before === undefined) {
      this.#end(task, { state, uuid, instance, ...(reason && { reason }) })
      if (state === 'TASK_FINISHED' && task.starts === 0)
        throw new Violation('T2', `${task.id} finished and never ran`)
      if (state === 'TASK_DROPPED' && task.starts > 0)
        throw new Violation('T2', `${task.id} was dropped, and ran`)
      return
    }
    const isLostTwice = before.uuid === '' && lost.has(before.state) && lost.has(state)
    // An answer to what was asked before the end was known: the master has forgotten the task since.
    if (uuid === '') this.#mark('a forgotten task told by reconciliation')
    else if (isLostTwice) this.#mark('told lost in two ways')
    else if (before.state !== state)
      throw new Violation('T2', `${task.id} is ${state} after ${before.state}`)
    else if (before.uuid !== '')
      throw new Violation('T2', `${task.id} has two statuses ${state}: ${before.uuid}, ${uuid}`)
  }
}
