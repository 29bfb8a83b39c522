/**
 * What operators were promised: for each subject (an agent, a role) the value that the registry must hold.
 * After an answer it is sure, unless another change was under way at the same time, or one has ended without
 * an answer: that may have taken effect, or may still. Rule R2 of simulation.md §9; failover.md §3, "never
 * lost" (a), (d).
 */

/** A change that was asked for. */
export interface Decision {
  readonly subject: string
  readonly value: string
  /** Whether no other change of the subject was under way meanwhile. */
  isAlone: boolean
}

interface Known {
  promised: string | undefined
  readonly open: Set<Decision>
  /** Values of changes that nobody answered. */
  readonly possible: Set<string>
}

export class Decisions {
  readonly #known = new Map<string, Known>()

  begin(subject: string, value: string): Decision {
    const { open } = this.#of(subject)
    for (const other of open) other.isAlone = false
    const decision = { subject, value, isAlone: open.size === 0 }
    open.add(decision)
    return decision
  }

  end(decision: Decision, outcome: 'promised' | 'refused' | 'unknown'): void {
    const known = this.#of(decision.subject)
    known.open.delete(decision)
    if (outcome === 'unknown') known.possible.add(decision.value)
    if (outcome === 'promised') known.promised = decision.isAlone ? decision.value : undefined
  }

  /** The subject is not what it was: nothing is promised of it any more. */
  forget(subject: string): void {
    this.#known.delete(subject)
  }

  /** What is sure now. */
  *sure(): Iterable<readonly [subject: string, value: string]> {
    for (const [subject, { promised, open, possible }] of this.#known) {
      const isSure = open.size === 0 && [...possible].every((value) => value === promised)
      if (promised !== undefined && isSure) yield [subject, promised]
    }
  }

  #of(subject: string): Known {
    const known = this.#known.get(subject) ?? {
      promised: undefined,
      open: new Set(),
      possible: new Set(),
    }
    this.#known.set(subject, known)
    return known
  }
}
