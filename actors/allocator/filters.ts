/**
 * Refuse filters: what a framework has declined on an agent is not offered to it again for a while,
 * unless there is more of it. Spec: allocator.md §6.
 */
import { contains } from '../../src/resources/index.ts'
import type { Bundle } from './bundle.ts'
import type { Agent } from './cluster.ts'

export interface Filter {
  readonly refused: Bundle
  /** Monotonic ms; runs that were queued later do not see it. */
  readonly untilMs: number
}

const REFUSE_SECONDS_DEFAULT = 5
const REFUSE_SECONDS_MAX = 365 * 24 * 3600
/** For one client and agent; beyond it the one that ends first is forgotten. */
export const FILTERS_MAX = 16

/** How long a filter shall last, ms; 0 for none. What makes no sense counts as the default. */
export function refusalMs(refuseSeconds: number): number {
  const seconds = refuseSeconds >= 0 ? refuseSeconds : REFUSE_SECONDS_DEFAULT
  return Math.min(seconds, REFUSE_SECONDS_MAX) * 1000
}

/** Installs a filter. It replaces those that say less and end no later. */
export function refuse(filters: Map<Agent, Filter[]>, agent: Agent, filter: Filter): void {
  const { refused, untilMs } = filter
  const others = (filters.get(agent) ?? []).filter(
    (other) => other.untilMs > untilMs || !covers(refused, other.refused),
  )
  // A list made anew has no spare room; there may be millions.
  const list = [...others, filter]
  if (list.length > FILTERS_MAX) {
    list.sort((a, b) => b.untilMs - a.untilMs)
    list.length = FILTERS_MAX
  }
  filters.set(agent, list)
}

/**
 * Until when a filter hides the offer from a run that was queued at `queuedMs`; undefined if none does.
 * Filters end between runs: one that ends while a run waits still counts for it, so that even the
 * shortest covers the next run.
 */
export function refusedUntil(
  filters: Map<Agent, Filter[]>,
  agent: Agent,
  offer: Bundle,
  queuedMs: number,
): number | undefined {
  if (filters.size === 0) return undefined
  const list = filters.get(agent)
  if (list === undefined) return undefined
  let ended = 0
  for (const filter of list) {
    if (filter.untilMs < queuedMs) ended++
    else if (covers(filter.refused, offer)) return filter.untilMs
  }
  if (ended === list.length) filters.delete(agent)
  return undefined
}

/** Whether `outer` has everything that `inner` has. */
function covers(outer: Bundle, inner: Bundle): boolean {
  if (outer === inner) return true
  for (let i = 0; i < inner.millis.length; i++) {
    if (inner.millis[i]! > (outer.millis[i] ?? 0)) return false
  }
  return contains(outer.resources, inner.resources)
}
