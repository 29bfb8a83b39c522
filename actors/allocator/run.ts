/**
 * One allocation run: goes through agents and gives what is free on each to whoever is next and can
 * use it. Offers are coarse: normally one framework gets all that is left of an agent.
 * Spec: allocator.md §5, stage 2.
 */
import type { Share } from '../../protocol/allocator.ts'
import {
  filter,
  hasRefinedReservations,
  isAllocatableTo,
  isRevocable,
  isShared,
  type Resources,
  subtract,
} from '../../src/resources/index.ts'
import { type Bundle, bundleOf, EMPTY, Trait } from './bundle.ts'
import type { Agent, Client, Cluster } from './cluster.ts'
import { isWorthwhile, OPT_IN } from './eligibility.ts'
import { isRefused } from './filters.ts'
import { availableOf, hold } from './ledger.ts'
import { END, LEAVE, NEXT, type Verdict, type Visitor } from './share-tree.ts'

export class Run implements Visitor {
  readonly #cluster: Cluster
  readonly #queuedMs: number
  #shares: Share[] = []

  // What the walk for one agent is at.
  #agent: Agent | undefined
  /** What is left of the agent in this walk. */
  #left: Bundle = EMPTY
  /** The part of it that the role at hand may have, and whether the cluster's minimums are met. */
  #portion: Bundle = EMPTY
  #role = ''
  #worthwhile = false
  /** Who gets what: told to the ledger after the walk, since a walk must not change the tree. */
  readonly #takers: Client[] = []
  readonly #taken: Bundle[] = []

  /** `queuedMs`: when the run was asked for. Filters that lasted until then still count. */
  constructor(cluster: Cluster, queuedMs: number) {
    this.#cluster = cluster
    this.#queuedMs = queuedMs
  }

  /** Takes the shares allocated since the last call along. */
  take(): Share[] {
    const shares = this.#shares
    this.#shares = []
    return shares
  }

  /** Allocates what is free on one agent. */
  allocate(agent: Agent): void {
    if (!agent.active || agent.gone || this.#cluster.tree.idle) return
    const available = availableOf(this.#cluster, agent)
    if (available === EMPTY) return
    this.#agent = agent
    this.#left = available
    this.#cluster.tree.walk(this)
    this.#book(agent)
  }

  /** Frameworks of roles that may have nothing of what is left need not be asked. */
  enter(node: number): boolean {
    const role = this.#cluster.roles.atMembers(node)
    if (role === undefined) return true
    if (this.#agent!.nature.flatRolesOnly && role.parent !== undefined) return false
    this.#role = role.path
    this.#setPortion()
    return this.#portion !== EMPTY
  }

  visit(leaf: number): Verdict {
    const client = this.#cluster.clients[leaf]!
    const offer = this.#offerFor(client)
    if (offer === undefined) return NEXT
    this.#takers.push(client)
    this.#taken.push(offer)
    this.#left =
      offer === this.#left
        ? EMPTY
        : bundleOf(subtract(this.#left.resources, offer.resources), this.#cluster.names)
    if (this.#left === EMPTY) return END
    this.#setPortion()
    return this.#portion === EMPTY ? LEAVE : NEXT
  }

  /** What the client would be offered of its role's portion, if anything. */
  #offerFor(client: Client): Bundle | undefined {
    const agent = this.#agent!
    const { needs, bars } = agent.nature
    const { capabilities } = client.framework
    if ((needs & ~capabilities) !== 0 || (bars & capabilities) !== 0) return undefined
    let offer = this.#portion
    const hidden = offer.traits & OPT_IN & ~capabilities
    if (hidden !== 0) offer = without(offer, hidden, this.#cluster)
    const { minimums } = client
    const worthwhile =
      minimums === undefined && hidden === 0
        ? this.#worthwhile
        : isWorthwhile(offer, minimums ?? this.#cluster.settings.minAllocatable)
    if (!worthwhile) return undefined
    if (client.admits !== undefined && !client.admits(agent)) return undefined
    return isRefused(client.filters, agent, offer, this.#queuedMs) ? undefined : offer
  }

  #setPortion(): void {
    const left = this.#left
    if ((left.traits & Trait.RESERVED) === 0) this.#portion = left
    else {
      const role = this.#role
      const allowed = filter(left.resources, (resource) => isAllocatableTo(resource, role))
      const whole = allowed.length === left.resources.length
      this.#portion = whole ? left : bundleOf(allowed, this.#cluster.names)
    }
    this.#worthwhile = isWorthwhile(this.#portion, this.#cluster.settings.minAllocatable)
  }

  #book(agent: Agent): void {
    const takers = this.#takers
    for (let i = 0; i < takers.length; i++) {
      const { framework, role } = takers[i]!
      const bundle = this.#taken[i]!
      hold(this.#cluster, agent, takers[i]!, bundle)
      this.#shares.push({
        framework_id: framework.id,
        role,
        agent_id: agent.id,
        // Frozen: messages carry it as it is.
        resources: bundle.resources as Resources & Share['resources'],
      })
    }
    // Known without computing it anew, except that shared volumes stay available.
    if (takers.length > 0 && this.#left === EMPTY && (agent.total.traits & Trait.SHARED) === 0) {
      agent.available = EMPTY
      agent.emptied = takers.length === 1 ? this.#taken[0] : undefined
    }
    takers.length = 0
    this.#taken.length = 0
  }
}

/** The bundle without what has any of these traits. */
function without(bundle: Bundle, traits: number, { names }: Cluster): Bundle {
  const shown = filter(
    bundle.resources,
    (resource) =>
      !(
        ((traits & Trait.REVOCABLE) !== 0 && isRevocable(resource)) ||
        ((traits & Trait.SHARED) !== 0 && isShared(resource)) ||
        ((traits & Trait.REFINED) !== 0 && hasRefinedReservations(resource))
      ),
  )
  return bundleOf(shown, names)
}
