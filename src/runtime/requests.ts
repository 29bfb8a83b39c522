/**
 * Requests on raw broker subjects, for talking to those who are no actors. One inbox subscription serves
 * all requests of a node; an answer that comes late finds nobody and is dropped.
 */
import type { Outcome } from './envelope.ts'
import type { Clock, Connection, Delivery, Subscription, TimerHandle } from './ports.ts'

interface Pending {
  readonly settle: (outcome: Outcome<Uint8Array>) => void
  readonly timer: TimerHandle
  readonly subject: string
}

export class Requests {
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #prefix: string
  readonly #pending = new Map<string, Pending>()
  #subscription: Subscription | undefined
  #count = 0

  /** @param incarnation makes the inbox this node's alone */
  constructor(connection: Connection, clock: Clock, incarnation: string) {
    this.#connection = connection
    this.#clock = clock
    this.#prefix = `_INBOX.${incarnation}`
  }

  get pending(): number {
    return this.#pending.size
  }

  /**
   * `settle` is called once: with the answer's bytes, or NO_RESPONDERS, TIMEOUT, SEND_FAILED.
   * @returns a function that forgets the request
   */
  request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    settle: (outcome: Outcome<Uint8Array>) => void,
  ): () => void {
    this.#subscription ??= this.#connection.subscribe(`${this.#prefix}.*`, (delivery) =>
      this.#receive(delivery),
    )
    const inbox = `${this.#prefix}.${++this.#count}`
    const fail = (code: string, message: string) =>
      this.#settle(inbox, { ok: false, error: { code, message } })
    const timer = this.#clock.setTimeout(
      () => fail('TIMEOUT', `no answer on ${subject} within ${timeoutMs} ms`),
      timeoutMs,
    )
    this.#pending.set(inbox, { settle, timer, subject })
    try {
      this.#connection.publish(subject, data, inbox)
    } catch (error) {
      // Not within the call: who asks gets its handle first.
      const message = error instanceof Error ? error.message : String(error)
      this.#clock.defer(() => fail('SEND_FAILED', message))
    }
    return () => {
      this.#clock.clearTimeout(timer)
      this.#pending.delete(inbox)
    }
  }

  close(): void {
    this.#subscription?.close()
    for (const { timer } of this.#pending.values()) this.#clock.clearTimeout(timer)
    this.#pending.clear()
  }

  #receive(delivery: Delivery): void {
    const pending = this.#pending.get(delivery.subject)
    if (pending === undefined) return
    const { subject } = delivery
    if (delivery.noResponders) {
      const error = { code: 'NO_RESPONDERS', message: `nobody listens on ${pending.subject}` }
      this.#settle(subject, { ok: false, error })
    } else this.#settle(subject, { ok: true, value: new Uint8Array(delivery.data) })
  }

  #settle(inbox: string, outcome: Outcome<Uint8Array>): void {
    const pending = this.#pending.get(inbox)
    if (pending === undefined) return
    this.#pending.delete(inbox)
    this.#clock.clearTimeout(pending.timer)
    pending.settle(outcome)
  }
}
