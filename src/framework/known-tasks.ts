/**
 * The tasks that a scheduler waits for, and what it still has to ask about them. Spec: states.md §7,
 * "Recommended client loop": explicit reconciliation of all that are not terminal, asked again with
 * truncated exponential back-off until each was answered.
 */
import { type TaskState, type TaskStatus, terminalTaskStates } from '../../protocol/v1/status.ts'

/**
 * States that do not last. TASK_UNKNOWN and TASK_UNREACHABLE are also said of tasks of which the master
 * only knows the agent: when that is back nobody tells of a task that never arrived there.
 */
const passing: ReadonlySet<TaskState> = new Set([
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_UNKNOWN',
  'TASK_UNREACHABLE',
])

interface Known {
  readonly agentId: string
  state: TaskState
  /** Monotonic time of the launch or the last word about it. */
  heardMs: number
  /** Reconciliation has asked, and no word has come since. */
  asked: boolean
}

/** Bounded by what its owner has launched and has not seen end. */
export class KnownTasks {
  readonly #tasks = new Map<string, Known>()

  get size(): number {
    return this.#tasks.size
  }

  stateOf(taskId: string): TaskState | undefined {
    return this.#tasks.get(taskId)?.state
  }

  launched(taskId: string, agentId: string, nowMs: number): void {
    this.#tasks.set(taskId, { agentId, state: 'TASK_STAGING', heardMs: nowMs, asked: false })
  }

  /** Takes note of a status; a terminal one ends the interest in the task. */
  heard(status: TaskStatus, nowMs: number): void {
    const taskId = status.task_id.value
    if (terminalTaskStates.has(status.state)) {
      this.#tasks.delete(taskId)
      return
    }
    const known = this.#tasks.get(taskId)
    if (known !== undefined) {
      known.state = status.state
      known.heardMs = nowMs
      known.asked = false
    } else if (status.agent_id !== undefined) {
      const agentId = status.agent_id.value
      this.#tasks.set(taskId, { agentId, state: status.state, heardMs: nowMs, asked: false })
    }
  }

  /** All of them are to be asked about. */
  doubtAll(): void {
    for (const known of this.#tasks.values()) known.asked = true
  }

  /** Those in a state that should not last, without a word for `silenceMs`, are to be asked about. */
  doubtSilent(nowMs: number, silenceMs: number): void {
    for (const known of this.#tasks.values()) {
      if (passing.has(known.state) && nowMs - known.heardMs >= silenceMs) known.asked = true
    }
  }

  /** What reconciliation has to ask about, as the call wants it. */
  doubtful(): Array<{ task_id: { value: string }; agent_id: { value: string } }> {
    const asked = []
    for (const [taskId, known] of this.#tasks) {
      if (known.asked)
        asked.push({ task_id: { value: taskId }, agent_id: { value: known.agentId } })
    }
    return asked
  }
}
