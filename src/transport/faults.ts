/**
 * Faults of the in-memory network: what tests and simulations do to messages on their way
 * (`spec/simulation.md` §4). Rules apply in the order in which they were made.
 */

/** One message on its way from one connection's owner to another's. */
export interface Passing {
  /** Name of the publisher's transport: see `MemoryBroker.transport`. */
  readonly from: string
  /** Name of the receiver's transport. Absent where the broker has not looked for receivers yet. */
  readonly to?: string
  readonly subject: string
  readonly reply?: string | undefined
  /** Not to be changed or kept. */
  readonly data: Uint8Array
}

/** Which messages. `subjectMatches` of `subject-tree.ts` helps with wildcards. */
export type PassingFilter = (passing: Passing) => boolean

/** A fault in force. */
export interface Fault {
  /** How many messages it has struck. */
  readonly hits: number
  /** Ends it. Idempotent. */
  remove(): void
}

type Effect =
  | { readonly type: 'drop' }
  | { readonly type: 'delay'; readonly ms: number }
  | { readonly type: 'duplicate'; readonly afterMs: number }

interface Rule extends Fault {
  readonly filter: PassingFilter
  readonly effect: Effect
  hits: number
}

/** Undisturbed: one copy, in its place in the line. */
const untouched: readonly number[] = [0]
const dropped: readonly number[] = []

export class Faults {
  readonly #rules = new Set<Rule>()

  /** Loses the matching messages without a word to anyone. */
  drop(filter: PassingFilter): Fault {
    return this.#add(filter, { type: 'drop' })
  }

  /**
   * Takes the matching messages out of the line for `ms`: later ones overtake them. To slow a whole
   * link, order kept, give the broker a `latencyMs`.
   */
  delay(filter: PassingFilter, ms: number): Fault {
    return this.#add(filter, { type: 'delay', ms })
  }

  /** Delivers the matching messages a second time, `afterMs` after the first. */
  duplicate(filter: PassingFilter, afterMs = 0): Fault {
    return this.#add(filter, { type: 'duplicate', afterMs })
  }

  /**
   * Silently cuts the way between two names or groups of names. Nobody is told: connections to the
   * broker stay up, as when routes between its servers break.
   */
  partition(
    a: string | readonly string[],
    b: string | readonly string[],
    options: { readonly oneWay?: boolean } = {},
  ): Fault {
    const left = new Set([a].flat())
    const right = new Set([b].flat())
    return this.drop(
      ({ from, to = '' }) =>
        (left.has(from) && right.has(to)) || (!options.oneWay && right.has(from) && left.has(to)),
    )
  }

  /**
   * Silently cuts an owner from everybody else. It still hears itself, and the broker still tells it
   * of requests without responders.
   */
  isolate(owner: string): Fault {
    return this.drop(({ from, to }) => (from === owner) !== (to === owner))
  }

  /** Ends all faults. */
  clear(): void {
    this.#rules.clear()
  }

  /**
   * The fate of a message: for each copy that arrives its extra delay in milliseconds, 0 meaning in
   * its place in the line. No entry: it is lost.
   */
  fate(passing: Passing): readonly number[] {
    if (this.#rules.size === 0) return untouched
    let delayMs = 0
    const copies: number[] = []
    for (const rule of this.#rules) {
      if (!rule.filter(passing)) continue
      rule.hits++
      if (rule.effect.type === 'drop') return dropped
      if (rule.effect.type === 'delay') delayMs += rule.effect.ms
      else copies.push(rule.effect.afterMs)
    }
    if (delayMs === 0 && copies.length === 0) return untouched
    return [delayMs, ...copies.map((afterMs) => delayMs + afterMs)]
  }

  #add(filter: PassingFilter, effect: Effect): Fault {
    const rule: Rule = { filter, effect, hits: 0, remove: () => this.#rules.delete(rule) }
    this.#rules.add(rule)
    return rule
  }
}
