/**
 * The ensemble of replicas, and the counting of their answers.
 *
 * A round succeeds with ACCEPTs from a quorum and fails as soon as that has become impossible, so that it
 * never waits for what cannot come (replicated-log.md §5 names the mixture that hangs).
 *
 * An ACCEPT that its giver has forgotten must not count: a replica may accept, lose its disk, come back as
 * a voter, and hold nothing of it while the round is still open. Coming back, it makes a quorum of voters
 * write down its new *generation*; one of them is in every quorum that the round could still complete. So
 * an ACCEPT counts only if no other one of the round knows a later generation of its giver. These are the
 * crash vectors of Michael et al., "Recovering Shared Objects Without Stable Storage" (DISC 2017).
 */
import { MesetaError } from '../../protocol/errors.ts'
import type { Generations } from '../../protocol/log.ts'

export interface Ensemble {
  /** Nodes that hold a replica, the same list on each of them. Membership never changes online. */
  readonly replicas: readonly string[]
  /** How many make a decision; more than half. */
  readonly quorum: number
}

/**
 * Without `quorum`, the smallest majority.
 * @throws MesetaError USAGE saying what is wrong with the list or the quorum
 */
export function ensembleOf(replicas: readonly string[], quorum?: number): Ensemble {
  const size = replicas.length
  if (size === 0) throw wrong('replicas: name at least one node')
  if (new Set(replicas).size !== size) throw wrong('replicas: a node is named twice')
  const needed = quorum ?? Math.floor(size / 2) + 1
  if (!Number.isInteger(needed) || needed * 2 <= size || needed > size) {
    throw wrong(
      `quorum: ${needed} of ${size} replicas is not a majority; two quorums must share a replica`,
    )
  }
  return { replicas: [...replicas], quorum: needed }
}

function wrong(problem: string): MesetaError {
  return new MesetaError('USAGE', { problem: `log: ${problem}` })
}

/** What a replica said to a request of a round, or that it said nothing. */
export type Vote<Accept extends { readonly generations: Generations }> =
  | (Accept & { readonly type: 'ACCEPT' })
  | { readonly type: 'REJECT'; readonly promised: number }
  /** It takes no part, or is leased to another. */
  | { readonly type: 'IGNORED' | 'LEASED' | 'FAILED' }

export type Verdict = 'OPEN' | 'ACCEPTED' | 'REJECTED' | 'NO_QUORUM'

/** Answers to one request that was sent to all replicas. */
export class Tally<Accept extends { readonly generations: Generations }> {
  readonly #ensemble: Ensemble
  readonly #votes = new Map<string, Vote<Accept>>()

  constructor(ensemble: Ensemble) {
    this.#ensemble = ensemble
  }

  /** A replica's later answer replaces one that took no part; a decided answer stays. */
  add(node: string, vote: Vote<Accept>): void {
    const known = this.#votes.get(node)?.type
    if (known === 'ACCEPT' || known === 'REJECT' || !this.#ensemble.replicas.includes(node)) return
    this.#votes.set(node, vote)
  }

  /** Whether this replica has taken part. */
  decided(node: string): boolean {
    const type = this.#votes.get(node)?.type
    return type === 'ACCEPT' || type === 'REJECT'
  }

  /** The ACCEPTs that count. */
  get accepts(): Accept[] {
    const given = [...this.#votes].filter(
      (entry): entry is [string, Accept & { type: 'ACCEPT' }] => entry[1].type === 'ACCEPT',
    )
    const latest = latestGenerations(given.map(([, { generations }]) => generations))
    return given
      .filter(([node, { generations }]) => (generations[node] ?? 0) === (latest[node] ?? 0))
      .map(([, accept]) => accept)
  }

  /** Highest promise among the REJECTs. */
  get promised(): number {
    let promised = 0
    for (const vote of this.#votes.values()) {
      if (vote.type === 'REJECT') promised = Math.max(promised, vote.promised)
    }
    return promised
  }

  get verdict(): Verdict {
    const accepts = this.accepts.length
    if (accepts >= this.#ensemble.quorum) return 'ACCEPTED'
    const outstanding = this.#ensemble.replicas.length - this.#votes.size
    if (accepts + outstanding >= this.#ensemble.quorum) return 'OPEN'
    return this.promised > 0 ? 'REJECTED' : 'NO_QUORUM'
  }
}

/** Node by node the latest of what several know. */
export function latestGenerations(all: readonly Generations[]): Generations {
  const latest: Generations = {}
  for (const generations of all) {
    for (const [node, generation] of Object.entries(generations)) {
      latest[node] = Math.max(latest[node] ?? 0, generation)
    }
  }
  return latest
}
