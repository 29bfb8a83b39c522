/**
 * Calls by the principals of frameworks, under Mesos' names: how many have come in, and how many of them the
 * master has served. What lies between waits, for its turn at a rate or behind other calls, or was dropped.
 * A principal is counted as long as it has a subscribed framework. Spec: scheduler-api.md §10.
 *
 * Principals are what frameworks say: of more than `PRINCIPALS_MAX` at one time, and of longer names than
 * `NAME_MAX`, nothing is counted.
 */
import type { Metric } from '../../protocol/v1/index.ts'

/** What frameworks of one principal have called. */
export interface Tally {
  readonly principal: string
  /** Subscribed ones; others may be disconnected for a while. */
  frameworks: number
  received: number
  processed: number
}

export interface Tallies {
  readonly byPrincipal: Map<string, Tally>
  /** By the subject of each framework. */
  readonly bySubject: Map<string, Tally>
}

/** Principals that are counted. */
export const PRINCIPALS_MAX = 1000
/** Characters of a principal. */
export const NAME_MAX = 256

export function noTallies(): Tallies {
  return { byPrincipal: new Map(), bySubject: new Map() }
}

/** A framework has subscribed, perhaps once more. */
export function join(tallies: Tallies, subject: string, principal: string | undefined): void {
  const { byPrincipal, bySubject } = tallies
  if (principal === undefined || principal.length > NAME_MAX || bySubject.has(subject)) return
  const known = byPrincipal.get(principal)
  if (known === undefined && byPrincipal.size >= PRINCIPALS_MAX) return
  const tally = known ?? { principal, frameworks: 0, received: 0, processed: 0 }
  tally.frameworks++
  byPrincipal.set(principal, tally)
  bySubject.set(subject, tally)
}

/** A framework has ended; with the last one of a principal its numbers are forgotten. */
export function leave({ byPrincipal, bySubject }: Tallies, subject: string): void {
  const tally = bySubject.get(subject)
  if (tally === undefined) return
  bySubject.delete(subject)
  if (--tally.frameworks === 0) byPrincipal.delete(tally.principal)
}

export function metricsOf({ byPrincipal }: Tallies): Metric[] {
  return [...byPrincipal.values()].flatMap(({ principal, received, processed }) => [
    { name: `frameworks/${principal}/messages_processed`, value: processed },
    { name: `frameworks/${principal}/messages_received`, value: received },
  ])
}
