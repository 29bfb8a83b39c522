/**
 * What leaders may do to agents: those with a lower epoch nothing (E2), those without a lease for the whole
 * time of the pings do not give them up (E3), and who is gone does not come back (M1).
 * Spec: simulation.md §9; failover.md.
 */
import { Violation } from './history.ts'

interface Epochs {
  readonly epoch: number
  readonly known: number
}

export class ReignHistory {
  /** Since when each master holds its lease without a gap, ms of true time. */
  readonly #leasedSince = new Map<string, number>()
  /** Tasks that a leader of the past sent to an agent that knew better, by agent. */
  readonly #stale = new Map<string, Set<string>>()
  /** What agents were told to do, by both: whether one who led has said so. */
  readonly #orders = new Map<string, boolean>()
  /** Ids of agents that were marked gone. */
  readonly #gone = new Set<string>()

  /** At each step. */
  leases(holders: readonly string[], nowMs: number): void {
    for (const name of this.#leasedSince.keys())
      if (!holders.includes(name)) this.#leasedSince.delete(name)
    for (const name of holders) if (!this.#leasedSince.has(name)) this.#leasedSince.set(name, nowMs)
  }

  /** A master asks its registry to mark an agent unreachable; `windowMs`: what its pings take. */
  givesUp(master: string, agent: string, nowMs: number, windowMs: number): void {
    const since = this.#leasedSince.get(master) ?? nowMs
    if (nowMs - since < windowMs)
      throw new Violation(
        'E3',
        `${master} gives ${agent} up after it led for ${Math.round(nowMs - since)} ms of ${windowMs}`,
      )
  }

  /** An agent that has heard of epoch `known` gets tasks of a leader of `epoch`. */
  launched(agent: string, tasks: readonly string[], { epoch, known }: Epochs): void {
    const stale = this.#stale.get(agent) ?? new Set()
    this.#stale.set(agent, stale)
    for (const task of tasks) {
      if (epoch < known) stale.add(task)
      else stale.delete(task)
    }
  }

  /** Tasks that an agent has taken. */
  holds(agent: string, tasks: Iterable<string>): void {
    const stale = this.#stale.get(agent)
    if (stale === undefined || stale.size === 0) return
    for (const task of tasks)
      if (stale.has(task))
        throw new Violation('E2', `${agent} took ${task} from a leader of the past`)
  }

  /** An agent that has heard of epoch `known` is told by a leader of `epoch` to do something. */
  ordered(agent: string, what: string, { epoch, known }: Epochs): void {
    const key = `${agent} ${what}`
    this.#orders.set(key, epoch >= known || this.#orders.get(key) === true)
  }

  /** An agent does it, if it was told to. */
  done(agent: string, what: string): void {
    if (this.#orders.get(`${agent} ${what}`) === false)
      throw new Violation('E2', `${agent} does what a leader of the past has said: ${what}`)
  }

  /** Where a leader has the agents that it knows of; `forgets`: its registry forgets who has been gone for long. */
  admits(
    { admitted, gone }: Record<'admitted' | 'gone', Iterable<string>>,
    forgets: boolean,
  ): void {
    for (const id of gone) this.#gone.add(id)
    for (const id of admitted) {
      if (this.#gone.has(id) && !forgets)
        throw new Violation('M1', `${id} was gone, and is admitted`)
    }
  }
}
