/**
 * What a leader has on offer and in use: no more than there is (A1), no port twice (A2), nothing beyond a
 * limit (A5), nothing of agents and to frameworks that are out of service (A6), nothing that is reserved for
 * others (A7). Spec: simulation.md §9.
 */
import type { MasterState } from '../../actors/master/state.ts'
import type { Resource } from '../../protocol/v1/index.ts'
import { Violation } from './history.ts'

/** One hand that holds something of an agent. */
export interface Hand {
  /** An offer or a task, for people. */
  readonly what: string
  readonly role: string
  readonly resources: readonly Resource[]
}

/** A1, A2: all that is held of an agent fits into its total, and each port is held once. */
export function checkHands(
  agent: string,
  total: readonly Resource[],
  hands: readonly Hand[],
): void {
  const left = sumOf(total)
  for (const { resources } of hands)
    for (const [name, amount] of sumOf(resources)) left.set(name, (left.get(name) ?? 0) - amount)
  for (const [name, amount] of left)
    if (amount < 0)
      throw new Violation(
        'A1',
        `${-amount / 1000} more ${name} of ${agent} are offered or used than there are`,
      )
  const owners = new Map<number, string>()
  for (const { what, resources } of hands)
    for (const { name, ranges } of resources)
      for (const { begin, end } of name === 'ports' ? (ranges?.range ?? []) : [])
        for (let port = begin; port <= end; port++) {
          const other = owners.get(port)
          if (other !== undefined)
            throw new Violation('A2', `port ${port} of ${agent} is in ${other} and in ${what}`)
          owners.set(port, what)
        }
}

/** A7: a hand holds what nobody has reserved, or what its own role or one above has. */
export function checkReserved(agent: string, { what, role, resources }: Hand): void {
  for (const { name, reservations = [] } of resources) {
    const owner = reservations.at(-1)?.role
    if (owner !== undefined && role !== owner && !role.startsWith(`${owner}/`))
      throw new Violation(
        'A7',
        `${name} of ${agent} is reserved for ${owner}, and in ${what} of ${role}`,
      )
  }
}

/** How long allocations may be under way to a master that are older than a limit, ms. */
const underWayMs = 5000

/** Something on offer to a role, and since when, by its master's clock. */
export interface Offered extends Hand {
  readonly createdMs: number
}

type Limits = ReadonlyMap<string, Readonly<Record<string, { readonly value: number }>>>

/**
 * A5: while a role with those below it holds more than its limit it is offered nothing. Above it comes
 * nevertheless who had more when the limit was set, and when agents come back with tasks after a failover.
 */
export class RoleLimits {
  /** Since when a role is above its limit of a resource. */
  #above = new Map<string, number>()

  check(limits: Limits, used: Iterable<Hand>, offered: readonly Offered[], nowMs: number): void {
    const held = new Map<string, number>()
    for (const { role, resources } of [...used, ...offered])
      for (const [name, amount] of sumOf(resources.filter(isFree))) {
        const key = `${topOf(role)} ${name}`
        held.set(key, (held.get(key) ?? 0) + amount)
      }
    const above = new Map<string, number>()
    for (const [role, names] of limits)
      for (const [name, { value }] of Object.entries(names)) {
        const key = `${role} ${name}`
        const amount = held.get(key) ?? 0
        if (amount <= Math.round(value * 1000)) continue
        const since = this.#above.get(key) ?? nowMs
        above.set(key, since)
        const offer = offered.find(
          (each) =>
            topOf(each.role) === role &&
            each.createdMs > since + underWayMs &&
            each.resources.some((one) => one.name === name && isFree(one)),
        )
        if (offer !== undefined)
          throw new Violation(
            'A5',
            `${role} holds ${amount / 1000} ${name}, of ${value} at most, and is offered ${offer.what}`,
          )
      }
    this.#above = above
  }
}

function isFree({ reservations = [] }: Resource): boolean {
  return reservations.length === 0
}

function topOf(role: string): string {
  return role.split('/')[0] ?? role
}

/** A6: nothing is on offer of an agent, or to a framework, that is out of service. */
export function checkInService({ offers, deactivated }: MasterState): void {
  for (const { id, agent, framework } of offers.values()) {
    if (!agent.connected || deactivated.has(agent.id))
      throw new Violation('A6', `${agent.id} is out of service, and in offer ${id}`)
    if (framework.phase !== 'connected')
      throw new Violation('A6', `${framework.id} is ${framework.phase}, and has offer ${id}`)
  }
}

/** Scalars, in thousandths by name. */
function sumOf(resources: readonly Resource[]): Map<string, number> {
  const sum = new Map<string, number>()
  for (const { name, scalar } of resources)
    if (scalar !== undefined) sum.set(name, (sum.get(name) ?? 0) + Math.round(scalar.value * 1000))
  return sum
}
