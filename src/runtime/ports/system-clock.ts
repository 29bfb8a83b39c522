/** The real clock: Node's timers. */
import type { Clock } from '../ports.ts'

/** Node turns longer delays into 1 ms. */
const nodeDelayMsMax = 2 ** 31 - 1

/** A timer that is armed again and again until its time has come. */
class LongTimeout {
  #timer: NodeJS.Timeout | undefined

  constructor(run: () => void, delayMs: number) {
    this.#arm(run, delayMs)
  }

  #arm(run: () => void, remainingMs: number): void {
    if (remainingMs === Number.POSITIVE_INFINITY) return
    this.#timer =
      remainingMs > nodeDelayMsMax
        ? setTimeout(() => this.#arm(run, remainingMs - nodeDelayMsMax), nodeDelayMsMax)
        : setTimeout(run, remainingMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

/** Node's timers behind the clock port. Delays may be of any length; an infinite one never fires. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(run, delayMs) {
    if (Number.isNaN(delayMs)) throw new RangeError('the delay of a timer is not a number')
    // Node counts in whole milliseconds from a rounded-down start and so may fire up to one early,
    // which would make a deadline look not yet due to the very timer that guards it.
    const wholeMs = delayMs > 0 ? Math.ceil(delayMs) + 1 : 0
    return wholeMs > nodeDelayMsMax ? new LongTimeout(run, wholeMs) : setTimeout(run, wholeMs)
  },
  clearTimeout(handle) {
    if (handle instanceof LongTimeout) handle.clear()
    else clearTimeout(handle as NodeJS.Timeout | undefined)
  },
  defer(run) {
    setImmediate(run)
  },
}
