/** One item in a mailbox. It is also the event that the XState actor gets, hence `type`. */
import type { Pid } from './pid.ts'

/** Names that begin with `@` belong to the runtime; a user's message is never called so. */
export const CALL = '@call'
export const REPLY = '@reply'
export const LINK = '@link'
export const UNLINK = '@unlink'
export const MONITOR = '@monitor'
export const DEMONITOR = '@demonitor'
export const EXIT = '@exit'
export const DOWN = '@down'
export const STOPPING = '@stopping'

export class Envelope {
  readonly type: string
  readonly body: unknown
  /** Sender, exact; empty if it came from outside the runtime. */
  readonly from: Pid
  readonly to: Pid
  /** Identifies the request among the sender's; 0 = no answer is expected. */
  readonly ask: number
  /** Set instead of `body` when it goes to another node: the envelope as bytes. */
  readonly wire: Uint8Array | undefined
  /** Whether it came from another node, so that its body is to be checked. */
  readonly remote: boolean
  /** Whether it goes before those that are not. */
  readonly urgent: boolean

  constructor(
    type: string,
    body: unknown,
    from: Pid,
    to: Pid,
    ask: number,
    wire?: Uint8Array,
    remote = false,
    urgent = false,
  ) {
    this.type = type
    this.body = body
    this.from = from
    this.to = to
    this.ask = ask
    this.wire = wire
    this.remote = remote
    this.urgent = urgent
  }
}

/** A turn of `to`: a function of the runtime, a timer or a job. */
export function call(run: () => void, to: Pid, urgent = false): Envelope {
  return new Envelope(CALL, run, '' as Pid, to, 0, undefined, false, urgent)
}

/** How an ask ended. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: AskError }

/**
 * A refusal by the other side, or by the runtime: TIMEOUT, NO_ACTOR, ACTOR_DIED, DISCONNECTED,
 * MAILBOX_FULL, NOT_UNDERSTOOD, NOT_ACCEPTED, INVALID_MESSAGE.
 */
export interface AskError {
  readonly code: string
  readonly message: string
  readonly details?: unknown
}

/** Whether what another node calls an answer is one. */
export function isOutcome(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { ok, error } = value as { ok?: unknown; error?: { code?: unknown } | null }
  return ok === true || (ok === false && typeof error?.code === 'string')
}
