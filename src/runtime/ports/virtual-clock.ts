/**
 * The clock of tests and simulations: time moves only when told to, and what happens, happens in one
 * order (`spec/simulation.md` §2, §3). It is XState-compatible: pass it to `createActor(…, {clock})`.
 *
 * After each timer and each deferred turn all microtasks are drained, however long a chain of promises
 * is, and Node looks for unhandled rejections. Work that waits for real I/O is not awaited; use in-memory
 * ports beside this clock.
 */
import type { Clock } from '../ports.ts'
import { EventHeap, type TimedEvent } from './event-heap.ts'

export interface VirtualClock extends Clock {
  /**
   * Moves time forward by `ms`. Timers fire in (due time, order of setting), each at its own due
   * time, with everything settled in between. What a timer throws rejects the call; the clock stays
   * usable. Calls made while one is under way are carried out one after the other.
   */
  advance(ms: number): Promise<void>
  /**
   * Fires timers one by one until `condition` holds after settling.
   * @throws Error if it does not hold within `limitMs` of virtual time
   */
  advanceUntil(condition: () => boolean, limitMs: number): Promise<void>
  /** Runs deferred turns until none is left; time does not move. Rejects after a million turns. */
  settle(): Promise<void>
  /** Moves the wall clock alone, as an administrator or NTP would; timers are unaffected. */
  jump(ms: number): void
  /** What would still run: for tests that nothing leaks. */
  pending(): { readonly timers: number; readonly deferred: number }
  /** Timers and deferred turns that have run so far. */
  readonly turns: number
}

export interface VirtualClockOptions {
  /** Wall clock at the start, in ms since the Unix epoch. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number
}

const turnsMax = 1_000_000

export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const timers = new EventHeap()
  let wallAtZero = options.startMs ?? Date.UTC(2026, 0, 1)
  let time = 0
  let sequence = 0
  let deferred: Array<() => void> = []
  let tail: Promise<void> = Promise.resolve()
  let turns = 0
  const drainMicrotasks = drainer()

  async function settleNow(): Promise<void> {
    await drainMicrotasks()
    const turnsLimit = turns + turnsMax
    while (deferred.length > 0) {
      // One batch is what a real event loop would run in one phase.
      const batch = deferred
      deferred = []
      for (let index = 0; index < batch.length; index++) {
        if (++turns > turnsLimit)
          throw new Error(`does not settle: ${turnsMax} turns were deferred`)
        try {
          batch[index]!()
        } catch (error) {
          deferred = [...batch.slice(index + 1), ...deferred]
          throw error
        }
        await drainMicrotasks()
      }
    }
  }

  async function fireNext(): Promise<void> {
    const event = timers.pop()
    if (event === undefined) return
    time = event.time
    turns++
    event.run()
    await settleNow()
  }

  async function advanceNow(ms: number): Promise<void> {
    await settleNow()
    const target = time + ms
    for (let next = timers.peek(); next !== undefined && next.time <= target; next = timers.peek())
      await fireNext()
    time = target
  }

  async function advanceUntilNow(condition: () => boolean, limitMs: number): Promise<void> {
    await settleNow()
    const limit = time + limitMs
    while (!condition()) {
      const next = timers.peek()
      if (next === undefined || next.time > limit) {
        time = limit
        const left =
          next === undefined ? 'no timer is left' : `next timer in ${next.time - limit} ms`
        throw new Error(`condition does not hold after ${limitMs} ms of virtual time (${left})`)
      }
      await fireNext()
    }
  }

  /** Serialises callers; a failed one does not stop those behind it. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = tail.then(work)
    tail = result.catch(() => undefined)
    return result
  }

  return {
    now: () => wallAtZero + time,
    monotonic: () => time,
    setTimeout(run, delayMs) {
      if (Number.isNaN(delayMs)) throw new RangeError('the delay of a timer is not a number')
      const event: TimedEvent = { time: time + Math.max(0, delayMs), sequence: sequence++, run }
      // An endless delay is a timer that never fires: nothing to keep.
      if (event.time < Number.POSITIVE_INFINITY) timers.push(event)
      else event.run = undefined
      return event
    },
    clearTimeout(handle) {
      if (handle !== undefined) timers.cancel(handle as TimedEvent)
    },
    defer(run) {
      deferred.push(run)
    },
    advance: (ms) => inTurn(() => advanceNow(ms)),
    advanceUntil: (condition, limitMs) => inTurn(() => advanceUntilNow(condition, limitMs)),
    settle: () => inTurn(settleNow),
    jump(ms) {
      wallAtZero += ms
    },
    pending: () => ({ timers: timers.size, deferred: deferred.length }),
    get turns() {
      return turns
    },
  }
}

/** Immediates that are asked for at a time. */
const batchSize = 64

/**
 * Returns a function whose promise resolves when all microtasks have run. Between two immediates of a batch
 * Node drains them just as between two turns of its event loop, whose own costs are had once a batch.
 */
function drainer(): () => Promise<void> {
  let left = 0
  let resume = () => {}
  const next = () => {
    left--
    resume()
  }
  return () =>
    new Promise((resolve) => {
      resume = resolve
      if (left > 0) return
      left = batchSize
      for (let i = 0; i < batchSize; i++) setImmediate(next)
    })
}
