/**
 * The operations that a scheduler gave an id and has not seen end. Unlike for tasks, every question about
 * one is answered; one that never arrived is unknown to its agent. Spec: states.md §8.
 */
import type { OperationState, OperationStatus } from '../../protocol/v1/status.ts'

interface Known {
  readonly agentId: string
  /** Monotonic time of the call or the last word about it. */
  heardMs: number
  /** Reconciliation has asked, and no word has come since. */
  asked: boolean
}

/** After these nothing more is to be expected of an operation. */
const OVER: ReadonlySet<OperationState> = new Set<OperationState>([
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_UNKNOWN',
])

/** Bounded by what its owner has asked for and has not seen end. */
export class KnownOperations {
  readonly #operations = new Map<string, Known>()

  sent(operationId: string, agentId: string, nowMs: number): void {
    this.#operations.set(operationId, { agentId, heardMs: nowMs, asked: false })
  }

  heard({ operation_id, state }: OperationStatus, nowMs: number): void {
    const known = this.#operations.get(operation_id?.value ?? '')
    if (known === undefined) return
    known.asked = false
    known.heardMs = nowMs
    if (OVER.has(state)) this.#operations.delete(operation_id?.value ?? '')
  }

  /** All of them are to be asked about. */
  doubtAll(): void {
    for (const known of this.#operations.values()) known.asked = true
  }

  /** Those without a word for `silenceMs` are to be asked about: the call, or what came of it, may be lost. */
  doubtSilent(nowMs: number, silenceMs: number): void {
    for (const known of this.#operations.values()) {
      if (nowMs - known.heardMs >= silenceMs) known.asked = true
    }
  }

  /** What reconciliation has to ask about, as the call wants it. */
  doubtful(): Array<{ operation_id: { value: string }; agent_id: { value: string } }> {
    const asked = []
    for (const [value, known] of this.#operations) {
      if (known.asked) asked.push({ operation_id: { value }, agent_id: { value: known.agentId } })
    }
    return asked
  }
}
