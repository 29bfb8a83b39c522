/**
 * Which actor goes next. Actors with messages stand in one queue, each at most once; the decider picks
 * (first come, first served without one), and a quantum of messages and time bounds a turn at the front: a
 * few actors with long turns, as during a take-over, shall not cost a leader the lease that others extend
 * for it. The queue runs in slices, so that input and timers get their chance.
 */
import type { Cell } from './cell.ts'
import type { Clock, Decider } from './ports.ts'
import { Ring } from './ring.ts'

/** Messages that one actor may handle before it is another's turn, and milliseconds. */
const QUANTUM = 128
const QUANTUM_MS = 2
/** Messages from one look at the clock to the next: it takes a part of the time of a short one. */
const LOOK = 4
/** A slice ends after so many messages or milliseconds. */
const SLICE_MESSAGES = 8192
const SLICE_MS = 4

export interface RunQueueOptions {
  readonly clock: Clock
  readonly decider: Decider | undefined
  /** Serves the cell for at most so many messages, and says how many. */
  readonly serve: (cell: Cell, messages: number) => number
  /** Called at the end of each slice; returns whether there shall be another one in any case. */
  readonly afterSlice: () => boolean
}

export class RunQueue {
  readonly #options: RunQueueOptions
  readonly #runnable = new Ring<Cell>(64)
  #scheduled = false
  #running = false

  constructor(options: RunQueueOptions) {
    this.#options = options
  }

  /** A cell has something to do. */
  wake(cell: Cell): void {
    if (cell.queued) return
    cell.queued = true
    this.#runnable.push(cell)
    this.schedule()
  }

  /** There shall be a slice, even if no actor has a turn. */
  schedule(): void {
    if (this.#scheduled || this.#running) return
    this.#scheduled = true
    this.#options.clock.defer(() => this.#slice())
  }

  #slice(): void {
    this.#scheduled = false
    this.#running = true
    let more = false
    try {
      this.#run()
      more = this.#options.afterSlice()
    } finally {
      this.#running = false
      if (more || this.#runnable.size > 0) this.schedule()
    }
  }

  #run(): void {
    const { clock, decider, serve } = this.#options
    let now = clock.monotonic()
    const deadline = now + SLICE_MS
    let budget = SLICE_MESSAGES
    while (this.#runnable.size > 0 && budget > 0 && now <= deadline) {
      const index = decider === undefined ? 0 : decider(this.#runnable.size)
      const cell = this.#runnable.take(index) as Cell
      cell.queued = false
      const before = now
      const untilMs = now + QUANTUM_MS
      let served = 0
      do {
        served += serve(cell, LOOK)
        now = clock.monotonic()
      } while (cell.mailbox.size > 0 && cell.phase !== 'dead' && served < QUANTUM && now < untilMs)
      cell.meter.add(now, served, now - before)
      budget -= Math.max(served, 1)
      if (cell.mailbox.size > 0 && cell.phase !== 'dead') this.wake(cell)
    }
  }
}
