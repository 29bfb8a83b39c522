/** How busy an actor is: messages and working time over the last seconds, without a timer of its own. */

/** Two windows are kept: the one that fills, and the one before. */
const WINDOW_MS = 5000

export interface Load {
  /** Messages a second. */
  readonly rate: number
  /** Share of the time spent in its turns, 0 to 1. */
  readonly busy: number
}

export class Meter {
  #since: number
  #handled = 0
  #busyMs = 0
  #before = { sinceMs: 0, handled: 0, busyMs: 0 }

  constructor(nowMs: number) {
    this.#since = nowMs
    this.#before.sinceMs = nowMs
  }

  /** Counts one turn that ended at `nowMs`. */
  add(nowMs: number, handled: number, busyMs: number): void {
    if (nowMs - this.#since > WINDOW_MS) this.#turnOver(nowMs)
    this.#handled += handled
    this.#busyMs += busyMs
  }

  read(nowMs: number): Load {
    if (nowMs - this.#since > WINDOW_MS) this.#turnOver(nowMs)
    const spanMs = Math.max(1, nowMs - this.#before.sinceMs)
    return {
      rate: ((this.#handled + this.#before.handled) * 1000) / spanMs,
      busy: Math.min(1, (this.#busyMs + this.#before.busyMs) / spanMs),
    }
  }

  #turnOver(nowMs: number): void {
    // After two windows without a turn there is nothing recent to tell of.
    const idle = nowMs - this.#since > 2 * WINDOW_MS
    this.#before = idle
      ? { sinceMs: nowMs - WINDOW_MS, handled: 0, busyMs: 0 }
      : { sinceMs: this.#since, handled: this.#handled, busyMs: this.#busyMs }
    this.#since = nowMs
    this.#handled = 0
    this.#busyMs = 0
  }
}
