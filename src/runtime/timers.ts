/**
 * The timers of one actor: its own, by id, and those of its statechart. Between coming due and its turn
 * a timer waits in the mailbox and may still be cancelled; so each looks itself up again when served.
 */
import type { Clock, TimerHandle } from './ports.ts'

export class Timers {
  readonly #clock: Clock
  /** Makes a function a turn of the actor. */
  readonly #turn: (run: () => void) => void
  readonly #named = new Map<string, TimerHandle>()
  readonly #machine = new Map<object, TimerHandle>()

  constructor(clock: Clock, turn: (run: () => void) => void) {
    this.#clock = clock
    this.#turn = turn
  }

  get size(): number {
    return this.#named.size + this.#machine.size
  }

  /** Replaces a timer of the same id. */
  set(id: string, delayMs: number, run: () => void): void {
    this.cancel(id)
    const handle = this.#clock.setTimeout(() => {
      this.#turn(() => {
        if (this.#named.get(id) !== handle) return
        this.#named.delete(id)
        run()
      })
    }, delayMs)
    this.#named.set(id, handle)
  }

  cancel(id: string): void {
    const handle = this.#named.get(id)
    if (handle === undefined) return
    this.#clock.clearTimeout(handle)
    this.#named.delete(id)
  }

  /** The clock that XState is given: its delayed events are turns of the actor, and die with it. */
  readonly machineClock = {
    setTimeout: (run: () => void, delayMs: number): object => {
      const key = {}
      const handle = this.#clock.setTimeout(() => {
        this.#turn(() => {
          if (this.#machine.delete(key)) run()
        })
      }, delayMs)
      this.#machine.set(key, handle)
      return key
    },
    clearTimeout: (key: object): void => {
      this.#clock.clearTimeout(this.#machine.get(key))
      this.#machine.delete(key)
    },
  }

  clear(): void {
    for (const handle of this.#named.values()) this.#clock.clearTimeout(handle)
    for (const handle of this.#machine.values()) this.#clock.clearTimeout(handle)
    this.#named.clear()
    this.#machine.clear()
  }
}
