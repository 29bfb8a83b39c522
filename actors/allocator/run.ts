/**
 * One allocation run: goes through agents and gives what is free on each to whoever is next and can
 * use it; first, if guarantees of quotas are not met, to meet those, then in fair shares. Offers are
 * coarse: normally one framework gets all that is left of an agent. Spec: allocator.md §5.
 */
import type { Share } from '../../protocol/allocator.ts'
import { add, filter, isShared, none, type Resources, subtract } from '../../src/resources/index.ts'
import { type Bundle, bundleOf, EMPTY, Trait } from './bundle.ts'
import { chop } from './chop.ts'
import { type Agent, type Client, type Cluster, NEVER } from './cluster.ts'
import { isWorthwhile, portionOf, reachesAny, shownTo, suits } from './eligibility.ts'
import { refusedUntil } from './filters.ts'
import { availableOf, enter } from './ledger.ts'
import { ALL, advances, NOTHING, type Quota } from './quota.ts'
import { charge } from './quota-accounts.ts'
import type { Role } from './roles.ts'
import { END, LEAVE, NEXT, type Verdict, type Visitor } from './share-tree.ts'

export class Run implements Visitor {
  readonly #cluster: Cluster
  readonly #queuedMs: number
  readonly #number: number
  /** `Cluster.openings` at the beginning. */
  readonly #openings: number
  #shares: Share[] = []
  /** Copies of shared volumes that this run has offered: further ones are for the next. */
  readonly #offeredShared = new Map<Agent, Resources>()
  /** Monotonic ms at which the first filter ends that kept a guarantee from being met. */
  readonly #guaranteeUntilMs = new Map<Agent, number>()

  // What the walk for one agent is at.
  #agent: Agent | undefined
  #toGuarantee = false
  /** What is left of the agent in this walk. */
  #left: Bundle = EMPTY
  #role: Role | undefined
  /** The part of it that the role at hand may have by its reservations. */
  #portion: Bundle = EMPTY
  /** Quotas leave the role only a part of its plain resources: so many thousandths of each name. */
  #limited = false
  #kept = new Float64Array(8)
  /** What it amounts to with the rest of the portion. */
  #reach = new Float64Array(8)
  /** The portion, chopped to that once somebody is there for it. */
  #chopped: Bundle | undefined
  /** Whether what the role may have meets the cluster's minimums. */
  #worthwhile = false
  /** Clients that were opened no later than this have been passed by, and nothing has changed. */
  #passedBy = NEVER
  /** Monotonic ms at which the first filter ends that was in the way. */
  #untilMs = 0
  /** Who gets what: told to the ledger after the walk, since a walk must not change the tree. */
  readonly #takers: Client[] = []
  readonly #taken: Bundle[] = []

  /** `queuedMs`: when the run was asked for. Filters that lasted until then still count. */
  constructor(cluster: Cluster, queuedMs: number) {
    this.#cluster = cluster
    this.#queuedMs = queuedMs
    this.#number = ++cluster.runs
    this.#openings = cluster.openings
  }

  /** Takes the shares allocated since the last call along. */
  take(): Share[] {
    const shares = this.#shares
    this.#shares = []
    return shares
  }

  /** How many shares there are to take. */
  get made(): number {
    return this.#shares.length
  }

  /** Guarantees are to be met before anything else. */
  get guarantees(): boolean {
    return this.#cluster.quotas.pending
  }

  /** The first stage: gives what is free on one agent to those whose guarantees are not met. */
  guarantee(agent: Agent): void {
    if (this.#cluster.quotas.pending) this.#walk(agent, true)
  }

  /** The second stage: gives what is free on one agent to whoever is next. */
  allocate(agent: Agent): void {
    this.#walk(agent, false)
  }

  #walk(agent: Agent, toGuarantee: boolean): void {
    const cluster = this.#cluster
    if (!agent.active || !agent.listed || agent.gone || cluster.tree.idle) return
    const lasts = this.#queuedMs <= agent.passedByUntilMs
    if (lasts && agent.passedBy === cluster.openings) return
    const free = availableOf(cluster, agent)
    const shared = this.#offeredShared.get(agent)
    const available =
      shared === undefined ? free : bundleOf(subtract(free.resources, shared), cluster.names)
    if (available === EMPTY) return
    agent.run = this.#number
    this.#agent = agent
    this.#toGuarantee = toGuarantee
    this.#left = available
    this.#passedBy = lasts && cluster.openedToAll <= agent.passedBy ? agent.passedBy : NEVER
    this.#untilMs = this.#passedBy === NEVER ? Number.POSITIVE_INFINITY : agent.passedByUntilMs
    if (toGuarantee || !this.#heldBack()) cluster.tree.walk(this)
    if (toGuarantee && this.#untilMs < Number.POSITIVE_INFINITY) {
      this.#guaranteeUntilMs.set(agent, this.#untilMs)
    }
    if (this.#takers.length > 0) this.#book(agent)
    else if (!toGuarantee && shared === undefined) {
      agent.passedBy = this.#openings
      agent.passedByUntilMs = Math.min(
        this.#untilMs,
        this.#guaranteeUntilMs.get(agent) ?? Number.POSITIVE_INFINITY,
      )
    }
  }

  /**
   * Beyond guarantees, what the headroom leaves of the agent is the same for everybody: if it is not worth
   * an offer, nobody need be asked.
   */
  #heldBack(): boolean {
    const { quotas, settings } = this.#cluster
    const { millis, plain } = this.#left
    if (!quotas.pending || settings.minAllocatable.length === 0 || !this.#onlyWithinQuota)
      return false
    this.#widen()
    for (let i = 0; i < millis.length; i++) {
      const free = Math.min(plain[i]!, Math.max(0, quotas.surplus(i)))
      this.#reach[i] = millis[i]! - plain[i]! + free
    }
    this.#reach.fill(0, millis.length)
    return !reachesAny(this.#reach, settings.minAllocatable)
  }

  /** Frameworks of roles that may have nothing of what is left need not be asked. */
  enter(node: number): boolean {
    const { roles } = this.#cluster
    const members = roles.atMembers(node)
    const role = members ?? roles.at(node)!
    if (role.opened <= this.#passedBy) return false
    if (this.#toGuarantee && !role.quota?.unmet) return false
    if (role.quota?.exhausted && this.#onlyWithinQuota) return false
    if (members === undefined) return true
    if (this.#agent!.nature.flatRolesOnly && members.parent !== undefined) return false
    this.#role = members
    return this.#setPortion()
  }

  get selective(): boolean {
    return this.#passedBy !== NEVER
  }

  ignores(node: number): boolean {
    const { clients, roles } = this.#cluster
    const who = clients[node] ?? roles.atMembers(node) ?? roles.at(node)
    return who!.opened <= this.#passedBy
  }

  /** Nothing of what is left may exceed a limit, nor is less than the cluster's minimum of use. */
  get #onlyWithinQuota(): boolean {
    const exempt = this.#left.traits & (Trait.RESERVED | Trait.REVOCABLE)
    return exempt === 0 && this.#cluster.ownMinimums === 0
  }

  visit(leaf: number): Verdict {
    const client = this.#cluster.clients[leaf]!
    if (client.opened <= this.#passedBy) return NEXT
    const offer = this.#offerFor(client)
    if (offer === undefined) return NEXT
    // At once, since it decides what those may have who come next on this walk.
    charge(this.#cluster, this.#agent!, client, offer, 1)
    this.#takers.push(client)
    this.#taken.push(offer)
    this.#left =
      offer === this.#left
        ? EMPTY
        : bundleOf(subtract(this.#left.resources, offer.resources), this.#cluster.names)
    if (this.#left === EMPTY) return END
    return this.#setPortion() ? NEXT : LEAVE
  }

  /** What the client would be offered of its role's portion, if anything. */
  #offerFor(client: Client): Bundle | undefined {
    const agent = this.#agent!
    const { minimums } = client
    const { minAllocatable } = this.#cluster.settings
    if (!suits(agent, client)) return undefined
    if (minimums === undefined && !this.#worthwhile) return undefined
    if (client.admits !== undefined && !client.admits(agent)) return undefined
    const portion = this.#choppedPortion()
    const offer = shownTo(client, portion, this.#cluster.names)
    const judged = minimums === undefined && offer === this.#portion
    if (!judged && !isWorthwhile(offer, minimums ?? minAllocatable)) return undefined
    if (this.#toGuarantee && !advances(client.quota!, offer.plain)) return undefined
    const untilMs = refusedUntil(client.filters, agent, offer, this.#queuedMs)
    if (untilMs === undefined) return offer
    if (untilMs < this.#untilMs) this.#untilMs = untilMs
    return undefined
  }

  /** What the role at hand may have of what is left. Returns false if it is nothing. */
  #setPortion(): boolean {
    const { quotas, settings, names } = this.#cluster
    const { path, quota } = this.#role!
    this.#portion = portionOf(this.#left, path, this.#toGuarantee, names)
    this.#limited = false
    this.#chopped = undefined
    if (this.#portion === EMPTY) return false
    if (quota === undefined && !quotas.pending) {
      this.#worthwhile = isWorthwhile(this.#portion, settings.minAllocatable)
      return true
    }
    return this.#limitPortion(quota)
  }

  /** Returns false if quotas leave the role nothing at all of its portion. */
  #limitPortion(quota: Quota | undefined): boolean {
    const { quotas, settings } = this.#cluster
    const { plain, millis, traits } = this.#portion
    this.#widen()
    const allowed = quotas.allow(quota, plain, this.#toGuarantee, this.#kept)
    if (allowed === NOTHING && (this.#toGuarantee || (traits & BEYOND_QUOTA) === 0)) return false
    this.#limited = allowed !== ALL
    for (let i = 0; i < millis.length; i++) {
      this.#reach[i] = millis[i]! - plain[i]! + this.#kept[i]!
    }
    this.#reach.fill(0, millis.length)
    const { minAllocatable } = settings
    this.#worthwhile = minAllocatable.length === 0 || reachesAny(this.#reach, minAllocatable)
    return true
  }

  /** Room for names that have turned up since. */
  #widen(): void {
    const { size } = this.#cluster.names
    if (this.#kept.length >= size) return
    this.#kept = new Float64Array(2 * size)
    this.#reach = new Float64Array(2 * size)
  }

  #choppedPortion(): Bundle {
    if (!this.#limited) return this.#portion
    const { names, random } = this.#cluster
    this.#chopped ??= chop(this.#portion, this.#kept, names, random)
    return this.#chopped
  }

  #book(agent: Agent): void {
    const takers = this.#takers
    const { passedBy } = agent
    for (let i = 0; i < takers.length; i++) {
      const { framework, role } = takers[i]!
      const bundle = this.#taken[i]!
      enter(this.#cluster, agent, takers[i]!, bundle, this.#number)
      if ((bundle.traits & Trait.SHARED) !== 0) this.#noteShared(agent, bundle)
      this.#shares.push({
        framework_id: framework.id,
        role,
        agent_id: agent.id,
        // Frozen: messages carry it as it is.
        resources: bundle.resources as Resources & Share['resources'],
      })
    }
    // Known without computing it anew, except that shared volumes stay available.
    if (this.#left === EMPTY && (agent.total.traits & Trait.SHARED) === 0) {
      agent.available = EMPTY
      agent.emptied = takers.length === 1 ? this.#taken[0] : undefined
      agent.emptiedPassedBy = passedBy
    }
    takers.length = 0
    this.#taken.length = 0
  }

  #noteShared(agent: Agent, { resources }: Bundle): void {
    const before = this.#offeredShared.get(agent) ?? none
    this.#offeredShared.set(agent, add(before, filter(resources, isShared)))
  }
}

/** Traits of what quotas leave alone. */
const BEYOND_QUOTA = Trait.RESERVED | Trait.REVOCABLE | Trait.UNCOUNTED
