/**
 * Which actor goes next. Actors with messages stand in one queue, each at most once; the decider picks
 * (first come, first served without one), and a quantum of messages and time bounds a turn at the front: a
 * few actors with long turns, as during a take-over, shall not cost a leader the lease that others extend
 * for it. Those with urgent messages stand in a second queue, for these alone, which goes first. The queues
 * run in slices, so that input and timers get their chance.
 */
import type { Cell } from './cell.ts'
import type { Clock, Decider } from './ports.ts'
import { Ring } from './ring.ts'

/** Messages that one actor may handle before it is another's turn, and milliseconds. */
const QUANTUM = 128
const QUANTUM_MS = 1
/** Messages from one look at the clock to the next: it takes a part of the time of a short one. */
const LOOK = 4
/** A slice ends after so many messages or milliseconds. */
const SLICE_MESSAGES = 8192
const SLICE_MS = 2
/** Milliseconds of a slice after which what is urgent waits for what is not. */
const URGENT_MS = SLICE_MS / 2

export interface RunQueueOptions {
  readonly clock: Clock
  readonly decider: Decider | undefined
  /** Serves the cell for at most so many messages, urgent ones or others, and says how many. */
  readonly serve: (cell: Cell, messages: number, urgent: boolean) => number
  /** Called at the end of each slice; returns whether there shall be another one in any case. */
  readonly afterSlice: () => boolean
}

export class RunQueue {
  readonly #options: RunQueueOptions
  readonly #runnable = new Ring<Cell>(64)
  readonly #urgent = new Ring<Cell>()
  #scheduled = false
  #running = false

  constructor(options: RunQueueOptions) {
    this.#options = options
  }

  /** A cell has something to do. */
  wake(cell: Cell, urgent: boolean): void {
    if (urgent ? cell.queuedUrgent : cell.queued) return
    if (urgent) {
      cell.queuedUrgent = true
      this.#urgent.push(cell)
    } else {
      cell.queued = true
      this.#runnable.push(cell)
    }
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
      if (more || this.#runnable.size + this.#urgent.size > 0) this.schedule()
    }
  }

  #run(): void {
    const { clock } = this.#options
    let now = clock.monotonic()
    let deadline = now + SLICE_MS
    let budget = SLICE_MESSAGES
    let urgentMs = 0
    while (budget > 0 && now <= deadline) {
      const urgent = this.#urgent.size > 0 && (urgentMs < URGENT_MS || this.#runnable.size === 0)
      const cell = this.#next(urgent)
      if (cell === undefined) return
      const served = this.#turn(cell, urgent, now)
      const before = now
      now = clock.monotonic()
      cell.meter.add(now, served, now - before)
      budget -= Math.max(served, 1)
      if (!urgent) continue
      urgentMs += now - before
      // What was answered leaves with the end of the slice.
      deadline = Math.min(deadline, now + QUANTUM_MS)
    }
  }

  #next(urgent: boolean): Cell | undefined {
    if (urgent) return this.#urgent.shift()
    const { size } = this.#runnable
    if (size === 0) return undefined
    const { decider } = this.#options
    return this.#runnable.take(decider === undefined ? 0 : decider(size))
  }

  /** Returns how many messages were served. */
  #turn(cell: Cell, urgent: boolean, now: number): number {
    const { clock, serve } = this.#options
    if (urgent) cell.queuedUrgent = false
    else cell.queued = false
    const untilMs = now + QUANTUM_MS
    const isLeft = () => cell.phase !== 'dead' && cell.mailbox.has(urgent)
    let served = 0
    do served += serve(cell, LOOK, urgent)
    while (isLeft() && served < QUANTUM && clock.monotonic() < untilMs)
    if (isLeft()) this.wake(cell, urgent)
    return served
  }
}
