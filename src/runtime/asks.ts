/**
 * The requests of one actor: those it has made and waits for, and those it has been sent and has not
 * answered. When it dies, the first are forgotten and the second are refused with ACTOR_DIED.
 */
import type { ReplyTo } from './context.ts'
import type { AskError, Envelope, Outcome } from './envelope.ts'
import type { Clock, TimerHandle } from './ports.ts'

/** Unanswered requests beyond this are forgotten, the oldest first: those who wait get TIMEOUT. */
const UNANSWERED_MAX = 100_000

/** A request on its way. Whoever can tell that no answer will come calls `fail`. */
export interface PendingAsk {
  fail(error: AskError): void
}

interface Pending extends PendingAsk {
  readonly then: (outcome: Outcome<never>) => void
  readonly timer: TimerHandle
  /** Requests of the same peer node, of which this is one. */
  readonly group: Set<PendingAsk> | undefined
  /** An outcome is in the mailbox; there is no second one. */
  ended: boolean
}

export class Asks {
  readonly #clock: Clock
  /** Puts an outcome into the actor's mailbox. */
  readonly #deliver: (ask: number, outcome: Outcome<never>) => void
  readonly #pending = new Map<number, Pending>()
  readonly #unanswered = new Map<string, ReplyTo>()

  constructor(clock: Clock, deliver: (ask: number, outcome: Outcome<never>) => void) {
    this.#clock = clock
    this.#deliver = deliver
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Waits for the outcome of a request that is about to be sent. */
  expect(
    ask: number,
    timeoutMs: number,
    what: string,
    then: (outcome: Outcome<never>) => void,
    group: Set<PendingAsk> | undefined,
  ): void {
    const fail = (error: AskError) => {
      if (pending.ended) return
      pending.ended = true
      this.#deliver(ask, { ok: false, error })
    }
    const timer = this.#clock.setTimeout(
      () => fail({ code: 'TIMEOUT', message: `no answer to ${what} in ${timeoutMs} ms` }),
      timeoutMs,
    )
    const pending: Pending = { then, timer, group, ended: false, fail }
    this.#pending.set(ask, pending)
    group?.add(pending)
  }

  /** Whether an answer that has arrived is awaited. True once for each request. */
  admit(ask: number): boolean {
    const pending = this.#pending.get(ask)
    if (pending === undefined || pending.ended) return false
    pending.ended = true
    return true
  }

  /** Ends a request whose outcome is being served. */
  take(ask: number): ((outcome: Outcome<never>) => void) | undefined {
    const pending = this.#pending.get(ask)
    if (pending === undefined) return undefined
    this.#forget(ask, pending)
    return pending.then
  }

  #forget(ask: number, pending: Pending): void {
    this.#pending.delete(ask)
    pending.group?.delete(pending)
    this.#clock.clearTimeout(pending.timer)
  }

  /** A request is in service. */
  received({ from, ask }: Envelope): void {
    if (this.#unanswered.size >= UNANSWERED_MAX) {
      for (const oldest of this.#unanswered.keys()) {
        this.#unanswered.delete(oldest)
        break
      }
    }
    this.#unanswered.set(`${ask} ${from}`, { to: from, ask })
  }

  /** An answer is being sent. */
  answered({ to, ask }: Envelope): void {
    this.#unanswered.delete(`${ask} ${to}`)
  }

  /** Requests that will not be answered any more, as the actor is dead. */
  abandon(): ReplyTo[] {
    for (const [ask, pending] of this.#pending) this.#forget(ask, pending)
    const left = [...this.#unanswered.values()]
    this.#unanswered.clear()
    return left
  }
}
