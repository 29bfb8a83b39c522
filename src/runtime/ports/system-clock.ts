/** The real clock: Node's timers, and a monotonic time that goes on while the machine sleeps. */
import { uptime } from 'node:os'
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

/** The two clocks have parted by more than a correction of the time would explain; ms. */
const PARTED_MS = 200

/**
 * A monotonic clock that counts the time for which the machine was suspended, which Node's own leaves out:
 * a lease ends meanwhile. To look at the time since boot costs a system call, so that is done only when
 * the wall clock has moved otherwise than the monotonic one; both may also part because the wall clock was
 * set, and then the time since boot says so.
 * @param sources all in ms: that stands still during a suspension, that does not, and the wall clock
 */
export function suspendAware(sources: {
  readonly awake: () => number
  readonly sinceBoot: () => number
  readonly wall: () => number
}): () => number {
  const { awake, sinceBoot, wall } = sources
  const bootOffset = sinceBoot() - awake()
  let wallOffset = wall() - awake()
  let suspendedMs = 0
  return () => {
    const now = awake()
    const offset = wall() - now
    if (Math.abs(offset - wallOffset) > PARTED_MS) {
      wallOffset = offset
      suspendedMs = Math.max(suspendedMs, sinceBoot() - now - bootOffset)
    }
    return now + suspendedMs
  }
}

/** Node's timers behind the clock port. Delays may be of any length; an infinite one never fires. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: suspendAware({
    awake: () => performance.now(),
    sinceBoot: () => uptime() * 1000,
    wall: Date.now,
  }),
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
