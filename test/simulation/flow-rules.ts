/**
 * What is on offer when all that is free may be: nobody uses anything, and everybody wants all there is.
 * Spec: simulation.md §10 ("offers flowing", "quota'd roles get their guarantee").
 */
import { isActive, type MasterState } from '../../actors/master/state.ts'
import type { Resource } from '../../protocol/v1/index.ts'
import { isFree, sumOf } from './offer-rules.ts'

type Books = Pick<MasterState, 'agents' | 'deactivated' | 'frameworks' | 'quotas'>

/** The least that is worth an offer, thousandths (allocator.md §2): any one of these. */
const least = { cpus: 10, mem: 32_000 }

/** What ought to be on offer and is not; undefined if nothing is missing. */
export function notOffered({ agents, deactivated, frameworks, quotas }: Books): string | undefined {
  const roles = new Set(
    [...frameworks.values()].filter(isActive).flatMap((framework) => framework.roles),
  )
  // All may have ended themselves.
  if (roles.size === 0) return undefined
  const inService = [...agents.values()].filter(
    ({ id, connected }) => connected && !deactivated.has(id),
  )
  // What is guaranteed to one is held back from another, and a limit leaves something over.
  if (quotas.size === 0) {
    const idle = inService.find(
      (agent) => agent.offers.size === 0 && isWorthwhile(sumOf(agent.total.filter(isFree))),
    )
    return idle && `nothing of ${idle.info.hostname} is on offer`
  }
  const guaranteed = [...quotas.values()].map(({ role, guarantees }) => ({
    role,
    cpus: Math.round((guarantees?.cpus?.value ?? 0) * 1000),
  }))
  const free = sum(inService, ({ total }) => cpusOf(total, undefined))
  // More than there is cannot be had by all of them.
  if (sum(guaranteed, ({ cpus }) => cpus) > free) return undefined
  for (const { role, cpus } of guaranteed) {
    if (!roles.has(role)) continue
    const reserved = sum([...agents.values()], ({ total }) => cpusOf(total, role))
    const offered = sum(inService, ({ offers }) =>
      sum([...offers], ({ share }) =>
        share.role === role ? cpusOf(share.resources, undefined) : 0,
      ),
    )
    if (reserved + offered < cpus)
      return `${cpus / 1000} cpus are guaranteed to ${role}, which has ${reserved / 1000} and is offered ${offered / 1000}`
  }
  return undefined
}

/** Whether so much, thousandths by name, may be offered to anybody. */
export function isWorthwhile(amounts: ReadonlyMap<string, number>): boolean {
  return Object.entries(least).some(([name, amount]) => (amounts.get(name) ?? 0) >= amount)
}

/** Thousandths of those that are reserved for the role, or for nobody. */
function cpusOf(resources: readonly Resource[], role: string | undefined): number {
  return sum(resources, ({ name, scalar, reservations = [] }) =>
    name === 'cpus' && reservations.at(-1)?.role === role
      ? Math.round((scalar?.value ?? 0) * 1000)
      : 0,
  )
}

function sum<Each>(all: readonly Each[], amount: (each: Each) => number): number {
  return all.reduce((total, each) => total + amount(each), 0)
}
