/** Why actors end, and what those who watched them are told. */
import type { Pid } from './pid.ts'

/**
 * - `normal`: it was done. `shutdown`: it was told to stop. `killed`: it did not stop in time.
 * - `crashed`: it threw. `noproc`: there was no such actor.
 * - `noconnection`: the other node cannot be relied on any more (`detail`: gap, heartbeat, incarnation,
 *   absent, closed). The actor itself may live.
 * - `overloaded`: a message between the two was refused by a full mailbox.
 * - `fenced`: it had a turn after the time for which it might act (`Context.fence`).
 * - `intensity`: a supervisor's children died too often.
 */
export type ExitKind =
  | 'normal'
  | 'shutdown'
  | 'killed'
  | 'crashed'
  | 'noproc'
  | 'noconnection'
  | 'overloaded'
  | 'fenced'
  | 'intensity'

export interface ExitReason {
  readonly kind: ExitKind
  readonly detail?: string
}

export const NORMAL: ExitReason = Object.freeze({ kind: 'normal' })
export const SHUTDOWN: ExitReason = Object.freeze({ kind: 'shutdown' })
export const KILLED: ExitReason = Object.freeze({ kind: 'killed' })
export const FENCED: ExitReason = Object.freeze({ kind: 'fenced' })
export const NOPROC: ExitReason = Object.freeze({ kind: 'noproc' })

/** To the two ends of a link, once: the other end is gone, or messages between them were lost. */
export interface ExitNotice {
  readonly pid: Pid
  readonly reason: ExitReason
}

/** To the holder of a monitor, once. */
export interface DownNotice {
  readonly ref: number
  readonly pid: Pid
  readonly reason: ExitReason
}

/** Whether a transient child stays down, and whether one that does not trap exits lives on. */
export function isOrderly(reason: ExitReason): boolean {
  return reason.kind === 'normal' || reason.kind === 'shutdown'
}

export function crashed(error: unknown): ExitReason {
  return {
    kind: 'crashed',
    detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  }
}

export function describe(reason: ExitReason): string {
  return reason.detail === undefined ? reason.kind : `${reason.kind} (${reason.detail})`
}
