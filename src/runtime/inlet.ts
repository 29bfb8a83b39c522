/**
 * What other nodes send, on its way to the mailboxes. A socket may bring megabytes at once, and to decode
 * them takes longer than near nodes can wait for their turn: so after some milliseconds in one round of the
 * event loop the rest waits, in order, for the next ones.
 */
import type { Clock, Delivery } from './ports.ts'
import { Ring } from './ring.ts'

/** Decoding in one round of the event loop. */
const ROUND_MS = 2
/** What may wait; beyond it decoding goes on at once, and the sockets wait. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024

export interface InletOptions {
  readonly clock: Clock
  readonly decode: (delivery: Delivery) => void
  /** Has `round` called soon. */
  readonly schedule: () => void
}

export class Inlet {
  readonly #options: InletOptions
  readonly #waiting = new Ring<Delivery>(64)
  #bytes = 0
  #spentMs = 0

  constructor(options: InletOptions) {
    this.#options = options
  }

  /** Whether something waits: whoever seems silent may have spoken. */
  get isBehind(): boolean {
    return this.#waiting.size > 0
  }

  receive(delivery: Delivery): void {
    const busy = this.#waiting.size > 0 || this.#spentMs >= ROUND_MS
    if (!busy) {
      this.#decode(delivery)
      return
    }
    this.#waiting.push(delivery)
    this.#bytes += delivery.data.length
    this.#options.schedule()
    while (this.#bytes > WAITING_BYTES_MAX) this.#decodeNext()
  }

  /** Another round of the event loop; returns whether something waits for one more. */
  round(): boolean {
    this.#spentMs = 0
    while (this.#waiting.size > 0 && this.#spentMs < ROUND_MS) this.#decodeNext()
    return this.#waiting.size > 0
  }

  /** Nothing more is decoded of what waits. */
  close(): void {
    while (this.#waiting.size > 0) this.#waiting.shift()
    this.#bytes = 0
  }

  #decodeNext(): void {
    const delivery = this.#waiting.shift()!
    this.#bytes -= delivery.data.length
    this.#decode(delivery)
  }

  #decode(delivery: Delivery): void {
    const { clock, decode } = this.#options
    const begin = clock.monotonic()
    decode(delivery)
    this.#spentMs += clock.monotonic() - begin
  }
}
