/** Looks into the nodes of a cluster: plain data, for rules only. Spec: simulation.md §8. */
import type { AgentState } from '../../actors/agent/state.ts'
import type { AllocatorState } from '../../actors/allocator/runs.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import type { MasterState } from '../../actors/master/state.ts'
import { unpack } from '../../protocol/codec.ts'
import type { AgentInfo } from '../../protocol/v1/agent.ts'
import { unseal } from '../../src/storage/sealed-store.ts'
import type { Cluster } from './cluster.ts'
import type { TaskHistory } from './history.ts'
import type { SimulatedHost } from './host.ts'
import type { Kept } from './rest-rules.ts'

/** Where agents keep their stores. */
export const agentStore = '/a/meta'

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
    const allocator = stateOf<AllocatorState>(host, 'allocator')
    if (master !== undefined && allocator !== undefined && master.epoch > 0 && holdsLease(host)) {
      const { cluster: allocation, awaited } = allocator
      return { host, master, allocation, isAwaiting: awaited !== undefined }
    }
  }
  return undefined
}

export function agentStateOf(host: SimulatedHost): AgentState | undefined {
  return stateOf<AgentState>(host, 'agent')
}

/** Whether an agent has recovered from its disk. */
export function isServing(host: SimulatedHost): boolean {
  const phase = agentStateOf(host)?.phase
  return phase === 'DISCONNECTED' || phase === 'RUNNING'
}

/** Ids by the record that says so: a store replaces its records, and does not change them. */
const idsOf = new WeakMap<Uint8Array, { readonly id: string | undefined }>()

/** Id of the agent on a host, also while it is down: as its disk says. */
export function agentIdOf({ storage }: SimulatedHost): string | undefined {
  return agentIdIn(storage.contents(agentStore))
}

/** Id of the agent whose store holds this. */
export function agentIdIn(contents: ReadonlyMap<string, Uint8Array>): string | undefined {
  const value = contents.get('agent')
  if (value === undefined) return undefined
  const known = idsOf.get(value)
  if (known !== undefined) return known.id
  const content = unseal('agent', value)
  const id = content && (unpack(content) as AgentInfo).id?.value
  idsOf.set(value, { id })
  return id
}

/** Ids of unreachable agents that no host has: its disk was lost, or it never learnt the id. */
export function strangers(cluster: Cluster): string[] {
  const ids = new Set(cluster.agents.map(agentIdOf))
  const unreachable = leaderOf(cluster)?.master.unreachable.keys() ?? []
  return [...unreachable].filter((id) => !ids.has(id))
}

/** Ids of frameworks that the leader knows and that have ended themselves, while some agent was away. */
export function orphans(cluster: Cluster): string[] {
  const ids = new Set(cluster.frameworks.map(({ framework }) => framework.id))
  const known = leaderOf(cluster)?.master.frameworks.keys() ?? []
  return [...known].filter((id) => !ids.has(id))
}

/** Hosts that are not lost for ever. */
export function isInCore({ plan }: Cluster, { name }: { readonly name: string }): boolean {
  return !plan.lost.includes(name)
}

/** Ids of the agents that are lost for ever. */
function lostAgents(cluster: Cluster): ReadonlySet<string | undefined> {
  return new Set(cluster.agents.filter((host) => !isInCore(cluster, host)).map(agentIdOf))
}

/**
 * Tasks that have not ended, but for those on agents of which nobody will ever hear: those that are lost for
 * ever, and those that no host has, after the registry has forgotten them.
 */
export function openTasks(cluster: Cluster): TaskHistory[] {
  const lost = lostAgents(cluster)
  const ids = new Set(cluster.agents.map(agentIdOf))
  return cluster.history.unended.filter(
    ({ agentId, lastState }) =>
      !lost.has(agentId) && (ids.has(agentId) || lastState !== 'TASK_UNKNOWN'),
  )
}

/** Operations that have not ended, but for those on agents of which nobody will ever hear. */
export function openOperations(cluster: Cluster): string[] {
  const lost = lostAgents(cluster)
  return cluster.frameworks
    .flatMap(({ framework }) => [...framework.keeper.open])
    .filter(([, agentId]) => !lost.has(agentId))
    .map(([id, agentId]) => `${id} on ${agentId}`)
}

/**
 * Every replica has votes. Until then a log that has just begun may have as many of them as a quorum, and not
 * one may be lost.
 */
export function allVote({ masters }: Cluster): boolean {
  return masters.every((host) =>
    ['log', 'state-log'].every((id) => {
      const log = stateOf<ReplicaState>(host, id)
      return log === undefined || log.replica.status === 'VOTING'
    }),
  )
}

/** Everybody in the core is up, one leads, and all agents and frameworks are registered with it. */
export function isWhole(cluster: Cluster): boolean {
  const leader = leaderOf(cluster)
  if (leader === undefined) return false
  const { master } = leader
  return (
    [...cluster.hosts.values()].every((host) => host.isUp || !isInCore(cluster, host)) &&
    areAgentsBack(cluster) &&
    cluster.frameworks.every(
      ({ framework }) => master.frameworks.get(framework.id)?.phase === 'connected',
    )
  )
}

/** All agents of the core are registered. */
export function areAgentsBack(cluster: Cluster): boolean {
  const agents = leaderOf(cluster)?.master.agents.values() ?? []
  const connected = new Set(
    [...agents].filter((agent) => agent.connected).map(({ info }) => info.hostname),
  )
  return cluster.agents.every((host) => connected.has(host.name) || !isInCore(cluster, host))
}

/** No agent has anything in use or on offer, in the eyes of the master, of its allocator, and of itself. */
export function isFree(cluster: Cluster): boolean {
  const leader = leaderOf(cluster)
  if (leader === undefined) return false
  const { master, allocation } = leader
  const agents = cluster.agents.filter((host) => isInCore(cluster, host))
  return (
    agents.every((host) => host.processes.running().length === 0) &&
    [...master.agents.values()].every(({ tasks, offers }) => tasks.size + offers.size === 0) &&
    [...master.frameworks.values()].every(
      ({ tasks }) => ![...tasks.values()].some((task) => master.agents.has(task.agent_id.value)),
    ) &&
    [...allocation.agents.values()].every(({ holdings }) => holdings.length === 0) &&
    // Nor of agents that the allocator has forgotten.
    allocation.clients.every((client) => client === undefined || client.agents.size === 0) &&
    agents.every((host) => agentStateOf(host)?.taskCount === 0) &&
    [...master.drains].every(([id, { state }]) => state === 'DRAINED' || !master.agents.has(id))
  )
}

/** What a host keeps, of its program and on its disk. */
export function keptBy({ node, storage }: SimulatedHost): Kept {
  const cells = [...(node?.cells() ?? [])]
  const sum = (count: (cell: (typeof cells)[number]) => number) =>
    cells.reduce((total, cell) => total + count(cell), 0)
  return {
    timers: sum(({ timers }) => timers),
    subscriptions: sum(({ subscriptions }) => subscriptions),
    requests: sum(({ asks }) => asks.pending),
    links: sum(({ links }) => links.size),
    messages: sum(({ mailbox }) => mailbox.size),
    records: node === undefined ? 0 : storage.contents(agentStore).size,
  }
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
