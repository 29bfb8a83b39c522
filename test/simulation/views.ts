/** Looks into the nodes of a cluster: plain data, for rules only. Spec: simulation.md §8. */
import type { AgentState } from '../../actors/agent/state.ts'
import type { Cluster as Allocation } from '../../actors/allocator/cluster.ts'
import type { MasterState } from '../../actors/master/state.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'

/** Name of the fence behind which a leader acts. */
const fence = 'leadership'

/** Data of one actor of a host; undefined while it is not there. */
export function stateOf<State>(host: SimulatedHost, id: string): State | undefined {
  const snapshot = host.node?.cell(id)?.snapshot as { context?: { state?: State } } | undefined
  return snapshot?.context?.state
}

/** Whether its lease runs, by its own clock. */
export function holdsLease({ node, clock }: SimulatedHost): boolean {
  const untilMs = node?.fences.get(fence) ?? 0
  // While nobody leads there the fence stands open.
  return untilMs !== Number.POSITIVE_INFINITY && untilMs > clock.monotonic()
}

/** What the leading master and its allocator know; undefined while nobody leads. */
export function leaderOf(cluster: Cluster) {
  for (const host of cluster.masters) {
    const master = stateOf<MasterState>(host, 'master')
    const allocation = stateOf<{ cluster: Allocation }>(host, 'allocator')?.cluster
    if (master !== undefined && allocation !== undefined && master.epoch > 0 && holdsLease(host))
      return { host, master, allocation }
  }
  return undefined
}

export function agentStateOf(host: SimulatedHost): AgentState | undefined {
  return stateOf<AgentState>(host, 'agent')
}

/** Everybody is up, one leads, and all agents and frameworks are registered with it. */
export function isWhole(cluster: Cluster): boolean {
  const leader = leaderOf(cluster)
  if (leader === undefined) return false
  const { master } = leader
  const connected = [...master.agents.values()].filter((agent) => agent.connected)
  const hostnames = new Set(connected.map(({ info }) => info.hostname))
  return (
    [...cluster.hosts.values()].every(({ isUp }) => isUp) &&
    cluster.agents.every(({ name }) => hostnames.has(name)) &&
    cluster.frameworks.every(
      ({ framework }) => master.frameworks.get(framework.id)?.phase === 'connected',
    )
  )
}

/** No agent has anything in use or on offer, in the eyes of the master, of its allocator, and of itself. */
export function isFree(cluster: Cluster): boolean {
  const leader = leaderOf(cluster)
  if (leader === undefined) return false
  const { master, allocation } = leader
  return (
    cluster.agents.every((host) => host.processes.running().length === 0) &&
    [...master.agents.values()].every(({ tasks, offers }) => tasks.size + offers.size === 0) &&
    [...allocation.agents.values()].every(({ holdings }) => holdings.length === 0) &&
    cluster.agents.every((host) => agentStateOf(host)?.taskCount === 0)
  )
}

/** One line about who leads and what it sees, for failures of liveness. */
export function describeLeader(cluster: Cluster): string {
  const leader = leaderOf(cluster)
  if (leader === undefined) return 'nobody leads'
  const { host, master, allocation } = leader
  const agents = [...master.agents.values()].map(
    ({ info, connected, tasks, offers }) =>
      `${info.hostname}${connected ? '' : ' away'} ${tasks.size} tasks ${offers.size} offers`,
  )
  const frameworks = [...master.frameworks.values()].map(({ id, phase }) => `${id} ${phase}`)
  const held = [...allocation.agents.values()].filter(({ holdings }) => holdings.length > 0)
  const own = cluster.agents.map((each) => `${each.name} ${agentStateOf(each)?.taskCount}`)
  return `${host.name} leads: ${[...agents, ...frameworks].join(', ')}; ${held.length} agents are held of; agents know of tasks: ${own.join(', ')}`
}
