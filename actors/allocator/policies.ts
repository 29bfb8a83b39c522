/**
 * Policies: in which order siblings of the share tree are served, be they roles or frameworks of one
 * role. A policy of one's own is a module whose default export is a `Policy`. Spec: allocator.md §4.
 */
import { MesetaError } from '../../protocol/errors.ts'

/**
 * Least rank first; ties go to the smaller `tie`, then to who has had fewer allocations, then by name.
 *
 * @example Weighted fair sharing that forgives small shares:
 *     export default { name: 'coarse', order: 'ranked',
 *       rank: (share, weight) => Math.floor((share / weight) * 10) }
 */
export interface RankedPolicy {
  readonly name: string
  readonly order: 'ranked'
  /**
   * `share` is the dominant share: the largest fraction of any of the cluster's resources that is held
   * below the node. `weight` is its configured weight, above 0. The answer may depend on nothing else
   * and must not fall when the share grows.
   */
  readonly rank: (share: number, weight: number) => number
  /** As `rank`, for nodes of equal rank. */
  readonly tie?: (share: number, weight: number) => number
}

/** Drawn anew for each agent, with probabilities in proportion to weights. */
export interface DrawnPolicy {
  readonly name: string
  readonly order: 'drawn'
}

export type Policy = RankedPolicy | DrawnPolicy

/** Weighted dominant resource fairness (Ghodsi et al., NSDI 2011). */
export const drf: Policy = { name: 'drf', order: 'ranked', rank: (share, weight) => share / weight }

/** Whoever has the larger weight is always served first; dominant resource fairness among equals. */
export const priority: Policy = {
  name: 'priority',
  order: 'ranked',
  rank: (_share, weight) => -weight,
  tie: (share) => share,
}

export const random: Policy = { name: 'random', order: 'drawn' }

const builtIn: ReadonlyMap<string, Policy> = new Map(
  [drf, priority, random].map((policy) => [policy.name, policy]),
)

/**
 * The policy called `name`, or the default export of the module with that absolute path, URL or
 * package name.
 * @throws MesetaError USAGE saying what is wrong with the module
 */
export async function loadPolicy(name: string): Promise<Policy> {
  const known = builtIn.get(name)
  if (known !== undefined) return known
  const loaded = await importPolicy(name)
  if (!isPolicy(loaded.default)) {
    throw wrong(
      name,
      "the default export must be {name, order: 'ranked', rank} or {name, order: 'drawn'}",
    )
  }
  return loaded.default
}

async function importPolicy(name: string): Promise<{ readonly default?: unknown }> {
  try {
    return (await import(name)) as { readonly default?: unknown }
  } catch (error) {
    throw wrong(name, (error as Error).message, { cause: error })
  }
}

function wrong(name: string, why: string, options?: ErrorOptions): MesetaError {
  return new MesetaError('USAGE', { problem: `allocator policy '${name}': ${why}` }, options)
}

function isPolicy(value: unknown): value is Policy {
  if (typeof value !== 'object' || value === null) return false
  const { name, order, rank, tie } = value as Partial<Record<keyof RankedPolicy, unknown>>
  if (typeof name !== 'string') return false
  if (order === 'drawn') return true
  const ties = tie === undefined || typeof tie === 'function'
  return order === 'ranked' && typeof rank === 'function' && ties
}
