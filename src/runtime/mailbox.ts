/**
 * What waits for one actor: urgent messages in a queue of their own, which goes first, and all others. The
 * bound is the owner's business.
 */
import type { Envelope } from './envelope.ts'
import { Ring } from './ring.ts'

export class Mailbox {
  readonly #others = new Ring<Envelope>()
  /** Few actors ever have one. */
  #urgent: Ring<Envelope> | undefined

  /** Of both queues. */
  get size(): number {
    return this.#others.size + (this.#urgent?.size ?? 0)
  }

  /** Whether anything waits in a queue. */
  has(urgent: boolean): boolean {
    return (urgent ? (this.#urgent?.size ?? 0) : this.#others.size) > 0
  }

  push(envelope: Envelope): void {
    if (envelope.urgent) {
      this.#urgent ??= new Ring()
      this.#urgent.push(envelope)
    } else this.#others.push(envelope)
  }

  /** Puts one that is not urgent before all others that are not. */
  unshift(envelope: Envelope): void {
    this.#others.unshift(envelope)
  }

  /** Takes the next one of a queue. */
  shift(urgent: boolean): Envelope | undefined {
    return urgent ? this.#urgent?.shift() : this.#others.shift()
  }

  /** Takes the next one of both. */
  take(): Envelope | undefined {
    return this.#urgent?.shift() ?? this.#others.shift()
  }
}
