/**
 * The clock of tests and simulations: time moves only when told to, and what happens, happens in one
 * order (`spec/simulation.md` §2, §3). It is XState-compatible: pass it to `createActor(…, {clock})`.
 *
 * After each timer and each deferred turn all microtasks are drained, however long a chain of promises
 * is, and Node looks for unhandled rejections. Work that waits for real I/O is not awaited; use in-memory
 * ports beside this clock.
 */
import type { Clock } from '../ports.ts'
import { Ring } from '../ring.ts'
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
  const deferred = new Ring<() => void>()
  let tail: Promise<void> = Promise.resolve()
  let turns = 0
  /** Beyond so many it does not settle. */
  let turnsLimit = 0
  const untilDone = drainer()

  /** Returns whether there was one. */
  function runDeferred(): boolean {
    const run = deferred.shift()
    if (run === undefined) return false
    if (++turns > turnsLimit) throw new Error(`does not settle: ${turnsMax} turns were deferred`)
    run()
    return true
  }

  function fire(): void {
    const event = timers.pop()
    if (event === undefined) return
    time = event.time
    turnsLimit = ++turns + turnsMax
    event.run()
  }

  function settleNow(): Promise<void> {
    turnsLimit = turns + turnsMax
    return untilDone(() => !runDeferred())
  }

  async function advanceNow(ms: number): Promise<void> {
    await settleNow()
    const target = time + ms
    await untilDone(() => {
      if (runDeferred()) return false
      const next = timers.peek()
      if (next === undefined || next.time > target) return true
      fire()
      return false
    })
    time = target
  }

  async function advanceUntilNow(condition: () => boolean, limitMs: number): Promise<void> {
    await settleNow()
    const limit = time + limitMs
    await untilDone(() => {
      if (runDeferred()) return false
      if (condition()) return true
      const next = timers.peek()
      if (next === undefined || next.time > limit) {
        time = limit
        const left =
          next === undefined ? 'no timer is left' : `next timer in ${next.time - limit} ms`
        throw new Error(`condition does not hold after ${limitMs} ms of virtual time (${left})`)
      }
      fire()
      return false
    })
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
    pending: () => ({ timers: timers.size, deferred: deferred.size }),
    get turns() {
      return turns
    },
  }
}

/** Immediates that are asked for at a time. */
const batchSize = 64

/**
 * Returns a function that takes a step again and again until it says that it is the last. All microtasks
 * have run before each: between two immediates of a batch Node drains them just as between two turns of its
 * event loop, whose own costs are had once a batch. No promise is made for each step: there are millions.
 */
function drainer(): (step: () => boolean) => Promise<void> {
  let left = 0
  let proceed: (() => void) | undefined
  const next = () => {
    left--
    proceed?.()
  }
  const request = () => {
    if (left > 0) return
    left = batchSize
    for (let i = 0; i < batchSize; i++) setImmediate(next)
  }
  return (step) =>
    new Promise((resolve, reject) => {
      proceed = () => {
        try {
          if (!step()) return request()
          proceed = undefined
          resolve()
        } catch (error) {
          proceed = undefined
          reject(error)
        }
      }
      request()
    })
}
