/**
 * The clock of one simulated host: it runs fast or slow, is set forward or back, and stands still with its
 * process (SIGSTOP): what fell due meanwhile happens at once when it goes on. Spec: simulation.md §6.
 */
import type { Clock, TimerHandle } from '../../src/runtime/ports.ts'

export interface HostClock extends Clock {
  pause(): void
  resume(): void
  readonly paused: boolean
  /** From now on each deferred turn takes so long, ms; 0: none does. */
  slow(turnMs: number): void
  /** Sets the wall clock forward by so many ms; timers are not affected. */
  jump(ms: number): void
  /** Runs now, or when the process goes on. */
  whenRunning(run: () => void): void
  /** The process has died: what it was to do is void. */
  endProcess(): void
}

/** Something to do, unless it is called off or the process dies before. */
interface Turn {
  readonly life: number
  readonly run: () => void
  inner: TimerHandle
  cancelled: boolean
}

export function hostClock(truth: Clock, offsetMs: number, speed: number): HostClock {
  let offset = offsetMs
  let paused = false
  let held: Array<() => void> = []
  let life = 0
  let turnMs = 0
  /** When the last of the turns that were deferred will have been done. */
  let busyUntil = 0
  const whenRunning = (run: () => void) => {
    if (paused) held.push(run)
    else run()
  }
  const take = (turn: Turn) => {
    if (paused) held.push(() => take(turn))
    else if (!turn.cancelled && turn.life === life) turn.run()
  }
  return {
    now: () => Math.round(truth.now() + offset),
    monotonic: () => truth.monotonic() * speed,
    setTimeout(run, delayMs) {
      const turn: Turn = { life, run, inner: undefined, cancelled: false }
      turn.inner = truth.setTimeout(() => take(turn), delayMs / speed)
      return turn
    },
    clearTimeout(handle) {
      if (handle === undefined) return
      const turn = handle as Turn
      turn.cancelled = true
      truth.clearTimeout(turn.inner)
    },
    defer(run) {
      const turn: Turn = { life, run, inner: undefined, cancelled: false }
      busyUntil = Math.max(busyUntil, truth.monotonic()) + turnMs
      const waitMs = busyUntil - truth.monotonic()
      if (waitMs > 0) truth.setTimeout(() => take(turn), waitMs)
      else truth.defer(() => take(turn))
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
      const due = held
      held = []
      for (const run of due) truth.defer(run)
    },
    get paused() {
      return paused
    },
    slow(ms) {
      turnMs = ms
    },
    jump(ms) {
      offset += ms
    },
    whenRunning,
    endProcess() {
      life++
      paused = false
      held = []
      busyUntil = 0
    },
  }
}
