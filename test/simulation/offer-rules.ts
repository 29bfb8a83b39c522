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

/** What a leader has, at one look. */
export interface Holdings {
  /** The same for as long as it leads. */
  readonly leader: object
  readonly limits: Limits
  readonly used: readonly Hand[]
  readonly offered: readonly Offered[]
  /** Of each agent, since when it is registered: who comes back may bring tasks along. */
  readonly registrations: string
  /** By the leader's clock. */
  readonly nowMs: number
}

/** A limit of a role, as it was found at the last look. */
interface Watched {
  readonly limit: number
  readonly held: number
  readonly isAbove: boolean
  /** When it last held more for another reason than an offer, or was given this limit. */
  readonly sinceMs: number
}

/**
 * A5: no offer takes a role with those below it above its limit, and while it is above it is offered nothing.
 * Above it comes nevertheless who had more when the limit was set, and when agents come back with tasks.
 */
export class RoleLimits {
  #leader: object | undefined
  #registrations = ''
  #lookedMs = 0
  #watched = new Map<string, Watched>()

  check({ leader, limits, used, offered, registrations, nowMs }: Holdings): void {
    const isOther = this.#leader !== leader || this.#registrations !== registrations
    if (this.#leader !== leader) this.#watched.clear()
    const old = offered.filter(({ createdMs }) => createdMs <= this.#lookedMs)
    const heldBefore = heldFree([...used, ...old])
    const heldNow = heldFree([...used, ...offered])
    const watched = new Map<string, Watched>()
    for (const [role, names] of limits)
      for (const [name, { value }] of Object.entries(names)) {
        const key = `${role} ${name}`
        const held = heldNow.get(key) ?? 0
        const limit = Math.round(value * 1000)
        const isAbove = held > limit
        const last = this.#watched.get(key)
        const isNew = last?.limit !== limit
        const hasMore = isOther || (heldBefore.get(key) ?? 0) > (last?.held ?? 0)
        // While it is above nothing is a reason for more of it.
        const sinceMs = isNew || (hasMore && !last.isAbove) ? nowMs : last.sinceMs
        watched.set(key, { limit, held, isAbove, sinceMs })
        const offer = offered.find(
          (each) =>
            topOf(each.role) === role &&
            each.createdMs > sinceMs + underWayMs &&
            each.resources.some((one) => one.name === name && isFree(one)),
        )
        if (isAbove && offer !== undefined)
          throw new Violation(
            'A5',
            `${role} holds ${held / 1000} ${name}, of ${value} at most, and is offered ${offer.what}`,
          )
      }
    this.#leader = leader
    this.#registrations = registrations
    this.#lookedMs = nowMs
    this.#watched = watched
  }
}

/** What is not reserved, in thousandths by top-level role and name. */
function heldFree(hands: Iterable<Hand>): Map<string, number> {
  const held = new Map<string, number>()
  for (const { role, resources } of hands)
    for (const [name, amount] of sumOf(resources.filter(isFree))) {
      const key = `${topOf(role)} ${name}`
      held.set(key, (held.get(key) ?? 0) + amount)
    }
  return held
}

/** Whether it is not reserved. */
export function isFree({ reservations = [] }: Resource): boolean {
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
export function sumOf(resources: readonly Resource[]): Map<string, number> {
  const sum = new Map<string, number>()
  for (const { name, scalar } of resources)
    if (scalar !== undefined) sum.set(name, (sum.get(name) ?? 0) + Math.round(scalar.value * 1000))
  return sum
}
