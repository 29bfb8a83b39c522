/**
 * Fair shares of what is on offer, when nobody uses anything and everybody wants all there is.
 * Spec: simulation.md §10 ("fairness"), allocator.md §4.
 *
 * Whoever came first may have all of it by right: nothing that is on offer is taken from anybody. So one
 * framework after the other gives back all it has, and may have it again. What then is free goes, agent by
 * agent, to whose share is the least at that moment; the least share of all is never lowered by that. Once
 * everybody's turn has been, all that anybody has was given to him when nobody had less. So without the
 * last of it, which is one agent at the most, he has no more than anybody else.
 */
import type { Cluster as Allocation } from '../../actors/allocator/cluster.ts'
import { agentShares } from '../../actors/master/shares.ts'
import { isActive, type MasterState, type Offer } from '../../actors/master/state.ts'
import type { Cluster } from './cluster.ts'
import { isWorthwhile } from './flow-rules.ts'
import { Violation } from './history.ts'
import { isFree, sumOf } from './offer-rules.ts'
import { leaderOf } from './views.ts'
import type { Framework } from './workload.ts'

/** A part of the cluster by which shares may differ however small its agents are. */
const toleranceMin = 0.1
/** How often it is begun anew when offers end meanwhile that nobody has given back. */
const triesMax = 3

/** A role, or a framework where there is one role. */
export interface Rival {
  readonly name: string
  readonly weight: number
  /** Dominant share: the largest part of any of the cluster's resources. */
  readonly share: number
}

/** Says so if one has more than another by more than `largest`, the share of the largest agent. */
export function unfair(rivals: readonly Rival[], largest: number): string | undefined {
  const tolerance = Math.max(toleranceMin, largest) + Number.EPSILON * 8
  for (const more of rivals)
    for (const less of rivals)
      if ((more.share - tolerance) / more.weight > less.share / less.weight)
        return `${describe(more)}, ${describe(less)}, and the largest agent is ${percent(largest)}`
  return undefined
}

/** Everybody's turns to give back. */
export class Turns {
  readonly #cluster: Cluster
  #tries = 0
  #leader: MasterState | undefined
  #agents = ''
  /** Ids of what was on offer at the last look, and of that what is being given back. */
  #known: ReadonlySet<string> = new Set()
  #given: ReadonlySet<string> = new Set()
  #giver: Framework | undefined
  #left: Framework[] = []

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /**
   * Goes on with it. Returns true when it is over, also where nothing can be said of shares.
   * @throws Violation L if they are not fair
   */
  look(): boolean {
    const leader = leaderOf(this.#cluster)
    if (leader === undefined) return false
    const { master, allocation, host, isAwaiting } = leader
    // While it waits for agents, which it began for the sake of a quota, it offers nothing.
    if (isAwaiting || !isComparable(master) || this.#tries > triesMax) return true
    const offers = [...master.agents.values()].flatMap((agent) => [...agent.offers])
    if (this.#isDisturbed(master, offers)) this.#begin(master)
    this.#known = new Set(offers.map(({ id }) => id))
    if (offers.some(({ id }) => this.#given.has(id))) {
      this.#giver?.giveBack(this.#given)
      return false
    }
    if (!isAllWanted(allocation, host.clock.monotonic()) || !isAllOffered(master)) return false
    const giver = this.#left.shift()
    if (giver === undefined) {
      this.#judge(master)
      return true
    }
    const given = offers.filter(({ framework }) => framework.id === giver.id)
    this.#giver = giver
    this.#given = new Set(given.map(({ id }) => id))
    giver.giveBack(this.#given)
    return false
  }

  #begin(master: MasterState): void {
    this.#tries++
    this.#leader = master
    this.#agents = totalsOf(master)
    this.#given = new Set()
    this.#left = this.#cluster.frameworks.map(({ framework }) => framework)
  }

  /** Offers have ended that nobody has given back, or there is another leader, or an agent more or less. */
  #isDisturbed(master: MasterState, offers: readonly Offer[]): boolean {
    const ids = new Set(offers.map(({ id }) => id))
    return (
      this.#leader !== master ||
      this.#agents !== totalsOf(master) ||
      [...this.#known].some((id) => !ids.has(id) && !this.#given.has(id))
    )
  }

  #judge(master: MasterState): void {
    const rivals = rivalsIn(master)
    this.#cluster.mark('shares are compared')
    const total = totalOf(master)
    const sizes = [...master.agents.values()].map((agent) => shareOf(sumOf(agent.total), total))
    const found = unfair(rivals, Math.max(...sizes))
    if (found !== undefined) throw new Violation('L shares are fair', found)
  }
}

/** Nothing but their shares decides who gets what, and there are several who want and several agents. */
function isComparable(master: MasterState): boolean {
  const { quotas, agents } = master
  return (
    quotas.size === 0 &&
    agents.size > 1 &&
    rivalsIn(master).length > 1 &&
    [...agents.values()].every(
      (agent) => agentShares(agent).length === 0 && agent.total.every(isFree),
    )
  )
}

/** Where there are several roles it is they who compete: one framework may have a role for itself. */
export function rivalsIn(master: MasterState): Rival[] {
  const frameworks = [...master.frameworks.values()].filter(isActive)
  const total = totalOf(master)
  const held = (of: readonly Offer[]) =>
    shareOf(sumOf(of.flatMap(({ share }) => share.resources)), total)
  const offers = [...master.agents.values()].flatMap((agent) => [...agent.offers])
  const roles = [...new Set(frameworks.flatMap((framework) => [...framework.roles]))]
  if (roles.length > 1)
    return roles.map((role) => ({
      name: role,
      weight: master.weights.get(role) ?? 1,
      share: held(offers.filter(({ share }) => share.role === role)),
    }))
  return frameworks.map(({ id }) => ({
    name: id,
    weight: 1,
    share: held(offers.filter(({ framework }) => framework.id === id)),
  }))
}

/** Nobody has suppressed his role, or refuses something yet. */
function isAllWanted({ clients }: Allocation, nowMs: number): boolean {
  return clients.every(
    (client) =>
      client === undefined ||
      !client.framework.active ||
      (!client.suppressed &&
        ![...client.filters.values()].flat().some(({ untilMs }) => untilMs >= nowMs)),
  )
}

/** Nothing that is worth an offer is left of agents in service. */
function isAllOffered({ agents, deactivated }: MasterState): boolean {
  return [...agents.values()].every(({ id, connected, total, offers }) => {
    const left = sumOf(total)
    for (const { share } of offers)
      for (const [name, amount] of sumOf(share.resources))
        left.set(name, (left.get(name) ?? 0) - amount)
    return !connected || deactivated.has(id) || !isWorthwhile(left)
  })
}

function totalOf({ agents }: MasterState): Amounts {
  return sumOf([...agents.values()].flatMap(({ total }) => total))
}

function totalsOf({ agents }: MasterState): string {
  return [...agents.values()].map(({ id, total }) => `${id} ${[...sumOf(total)]}`).join()
}

/** Thousandths by name. */
type Amounts = ReadonlyMap<string, number>

function shareOf(amounts: Amounts, total: Amounts): number {
  return Math.max(0, ...[...amounts].map(([name, amount]) => amount / (total.get(name) ?? amount)))
}

function describe({ name, weight, share }: Rival): string {
  return `${name} has ${percent(share)} at weight ${weight}`
}

function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`
}
