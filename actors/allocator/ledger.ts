/**
 * Who holds what of which agent. The share tree is kept in step with every entry; it knows only
 * clients that the master has spoken of. Spec: allocator.md §2, §10.
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  add,
  equals,
  filter,
  isShared,
  merge,
  type Resources,
  subtract,
  sum,
} from '../../src/resources/index.ts'
import { type Bundle, bundleOf, EMPTY, Trait } from './bundle.ts'
import { type Agent, type Client, type Cluster, type Holding, touch } from './cluster.ts'
import { charge } from './quota-accounts.ts'
import { NOWHERE } from './share-tree.ts'

export function holdingOf(agent: Agent, client: Client): Holding | undefined {
  for (const holding of agent.holdings) if (holding.client === client) return holding
  return undefined
}

/** The client holds `bundle` more of the agent. */
export function hold(cluster: Cluster, agent: Agent, client: Client, bundle: Bundle): void {
  charge(cluster, agent, client, bundle, 1)
  enter(cluster, agent, client, bundle, 0)
}

/** One allocation, by the run of that number: the entry for what was charged already. */
export function enter(
  cluster: Cluster,
  agent: Agent,
  client: Client,
  bundle: Bundle,
  run: number,
): void {
  if (bundle === EMPTY) return
  const holding = holdingOf(agent, client)
  touch(agent)
  if (holding === undefined) {
    agent.holdings.push({ client, bundle, latest: bundle, run })
    client.agents.add(agent)
    if (client.leaf !== NOWHERE) cluster.tree.allocated(client.leaf, bundle.millis)
    return
  }
  const before = holding.bundle
  holding.bundle = bundleOf(add(before.resources, bundle.resources), cluster.names)
  holding.latest = bundle
  holding.run = run
  if (client.leaf !== NOWHERE) {
    cluster.tree.allocated(client.leaf, difference(holding.bundle, before))
  }
}

/** What it was given is in use now: it is not only offered. */
export function use(agent: Agent, client: Client): void {
  const holding = holdingOf(agent, client)
  if (holding !== undefined) holding.run = 0
}

/** The client gives resources back. Returns them as it held them, or nothing if it did not. */
export function release(
  cluster: Cluster,
  agent: Agent,
  client: Client,
  resources: readonly Resource[],
): Bundle {
  const holding = holdingOf(agent, client)
  if (holding === undefined) return EMPTY
  const before = holding.bundle
  // What was offered usually comes back as it went out.
  const whole = resources === before.resources || equals(before.resources, resources as Resources)
  const left = whole ? EMPTY : bundleOf(subtract(before.resources, merge(resources)), cluster.names)
  settle(cluster, agent, holding, left)
  return whole ? before : bundleOf(merge(resources), cluster.names)
}

/** What a client holds is exchanged for something else. */
export function replaceHolding(
  cluster: Cluster,
  agent: Agent,
  holding: Holding,
  bundle: Bundle,
): void {
  const { client, bundle: before } = holding
  charge(cluster, agent, client, before, -1)
  charge(cluster, agent, client, bundle, 1)
  holding.bundle = bundle
  touch(agent)
  if (client.leaf !== NOWHERE) cluster.tree.allocated(client.leaf, difference(bundle, before))
}

/** The client holds nothing more of the agent. */
export function releaseAll(cluster: Cluster, agent: Agent, client: Client): void {
  const holding = holdingOf(agent, client)
  if (holding !== undefined) settle(cluster, agent, holding, EMPTY)
}

/** What nobody holds: never less than nothing, even if more is held than there is. Spec: §2. */
export function availableOf(cluster: Cluster, agent: Agent): Bundle {
  agent.available ??= computeAvailable(cluster, agent)
  return agent.available
}

function computeAvailable({ names }: Cluster, { total, holdings }: Agent): Bundle {
  if (holdings.length === 0) return total
  const held = sum(holdings.map(({ bundle }) => bundle.resources))
  if ((total.traits & Trait.SHARED) === 0) return bundleOf(subtract(total.resources, held), names)
  // Shared volumes may be offered while they are used.
  const shared = filter(total.resources, isShared)
  const exclusive = subtract(total.resources, shared)
  return bundleOf(add(subtract(exclusive, held), shared), names)
}

function settle(cluster: Cluster, agent: Agent, holding: Holding, left: Bundle): void {
  const { client, bundle: before } = holding
  charge(cluster, agent, client, before, -1)
  charge(cluster, agent, client, left, 1)
  const refilled = agent.available === EMPTY && agent.emptied === before && left === EMPTY
  touch(agent)
  if (refilled) {
    agent.available = before
    agent.passedBy = agent.emptiedPassedBy
  }
  if (left === EMPTY) {
    const last = agent.holdings.pop()!
    if (last !== holding) agent.holdings[agent.holdings.indexOf(holding)] = last
    client.agents.delete(agent)
  } else holding.bundle = left
  if (client.leaf !== NOWHERE) cluster.tree.released(client.leaf, difference(before, left))
}

/** Vector of what `more` has beyond `less`. With shared volumes it is not the vector of the change. */
function difference(more: Bundle, less: Bundle): Float64Array {
  if (less === EMPTY) return more.millis
  const result = more.millis.slice()
  for (let i = 0; i < less.millis.length; i++) result[i]! -= less.millis[i]!
  return result
}
