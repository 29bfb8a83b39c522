/** Messages that nobody took: all are counted, the last ones are kept for whoever looks. */
import type { Envelope } from './envelope.ts'
import type { Pid } from './pid.ts'
import type { Log } from './ports.ts'

const KEPT = 100

export interface DeadLetter {
  readonly type: string
  readonly from: Pid
  readonly to: Pid
  /** NO_ACTOR, MAILBOX_FULL, LATE_REPLY, FORGED, NOT_UNDERSTOOD, NOT_ACCEPTED or INVALID_MESSAGE. */
  readonly why: string
}

export class DeadLetters {
  readonly #log: Log
  readonly #last: DeadLetter[] = []
  #count = 0

  constructor(log: Log) {
    this.#log = log
  }

  get count(): number {
    return this.#count
  }

  /** Oldest first. */
  get last(): readonly DeadLetter[] {
    return this.#last
  }

  add({ type, from, to }: Envelope, why: string): void {
    this.#count++
    this.#last.push({ type, from, to, why })
    if (this.#last.length > KEPT) this.#last.shift()
    this.#log.write('debug', 'dead letter', { type, from, to, why })
  }
}
