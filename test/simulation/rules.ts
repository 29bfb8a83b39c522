/**
 * What never happens (simulation.md §9): cheap rules after every step, the others once in a simulated
 * second. Rules about tasks as clients see them are in `history.ts`.
 */
import { agentShares } from '../../actors/master/shares.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import { checkOver } from './instance-rules.ts'
import { checkLogs } from './log-rules.ts'
import {
  checkHands,
  checkInService,
  checkReserved,
  type Hand,
  type Offered,
} from './offer-rules.ts'
import { goesByOldCopy } from './old-copies.ts'
import { checkDecisions, isForgetful } from './operator-rules.ts'
import { agentStateOf, holdsLease, isServing, leaderOf } from './views.ts'
import { watch } from './watchers.ts'
import { taskVariable } from './workload.ts'

export function checkStep(cluster: Cluster): void {
  const { reigns } = watch(cluster)
  const holders = cluster.masters.filter(holdsLease).map(({ name }) => name)
  if (holders.length > 1) throw new Violation('E1', `the lease is held by ${holders.join(' and ')}`)
  reigns.leases(holders, cluster.clock.monotonic())
}

export function scan(cluster: Cluster): void {
  checkAgents(cluster)
  checkStores(cluster)
  checkBooks(cluster)
  checkObedience(cluster)
  checkActors(cluster)
  checkLogs(cluster)
  checkDecisions(cluster)
}

/**
 * A2, A3: what runs on a host fits it, and no port is in two hands. As in Mesos a master gives away at once
 * what a removed framework had, while its tasks have their grace: these do not count.
 */
function checkAgents({ plan, agents, history }: Cluster): void {
  for (const [index, host] of agents.entries()) {
    const { cpus, mem } = plan.agents[index]!
    const sum = { cpus: 0, mem: 0 }
    const ports = new Map<number, string>()
    const ids = new Set(host.processes.running().map(({ options }) => options.env[taskVariable]))
    const frameworks = agentStateOf(host)?.frameworks
    for (const id of ids) {
      const task = history.tasks.get(id ?? '')
      if (task === undefined || frameworks?.get(task.framework)?.terminating) continue
      sum.cpus += Math.round(task.cpus * 1000)
      sum.mem += task.mem
      if (task.port === undefined) continue
      const other = ports.get(task.port)
      if (other !== undefined)
        throw new Violation(
          'A2',
          `port ${task.port} of ${host.name} is used by ${other} and ${task.id}`,
        )
      ports.set(task.port, task.id)
    }
    if (sum.cpus > cpus * 1000 || sum.mem > mem)
      throw new Violation(
        'A3',
        `${host.name} runs ${sum.cpus / 1000} of ${cpus} cpus, ${sum.mem} of ${mem} MB`,
      )
  }
}

/** T4: no agent goes by what its store does not hold any more. */
function checkStores(cluster: Cluster): void {
  const { agents, mark } = cluster
  for (const host of agents) {
    if (goesByOldCopy(cluster, host))
      throw new Violation('T4', `${host.name} goes by an old copy of its disk`)
    if (!host.hasReadStale) continue
    mark('an agent reads what it wrote before')
    if (isServing(host)) throw new Violation('T4', `${host.name} goes by what it had replaced`)
  }
}

/** A1, A2, A5-A7, M1, M3, T5: what the leader has of agents and frameworks. */
function checkBooks(cluster: Cluster): void {
  const leader = leaderOf(cluster)
  if (leader === undefined) return
  const { master, host } = leader
  const { limits, reigns, updates } = watch(cluster)
  const used: Hand[] = []
  const offered: Offered[] = []
  for (const agent of master.agents.values()) {
    const { id, info, offers, tasks, total } = agent
    if (master.unreachable.has(id) || master.gone.has(id) || master.recovered.has(id))
      throw new Violation('M1', `${id} is admitted and something else at ${host.name}`)
    const inUse = agentShares(agent).map((share) => ({ what: 'a task', ...share }))
    const onOffer = [...offers].map(({ id: what, share, createdMs }) => ({
      what,
      createdMs,
      ...share,
    }))
    checkHands(info.hostname, total, [...inUse, ...onOffer])
    for (const hand of onOffer) checkReserved(info.hostname, hand)
    updates.known(tasks)
    used.push(...inUse)
    offered.push(...onOffer)
  }
  checkInService(master)
  checkOver(master.frameworks, master.completedFrameworks.keys())
  const limited = [...master.quotas].map(([role, { limits = {} }]) => [role, limits] as const)
  limits.check({
    leader: master,
    limits: new Map(limited),
    used,
    offered,
    registrations: [...master.agents.values()]
      .map(({ id, registeredMs, reregisteredMs }) => `${id} ${registeredMs} ${reregisteredMs}`)
      .join(),
    nowMs: host.clock.monotonic(),
  })
  const known = { admitted: master.agents.keys(), gone: master.gone.keys() }
  reigns.admits(known, isForgetful(master))
}

/** E2: no agent has taken a task from a leader of the past. */
function checkObedience(cluster: Cluster): void {
  const { reigns } = watch(cluster)
  for (const host of cluster.agents) {
    const frameworks = agentStateOf(host)?.frameworks.values() ?? []
    for (const { tasks } of frameworks) reigns.holds(host.name, tasks.keys())
  }
}

/** S1, S3: every actor's parent lives; no mailbox is fuller than it may be. */
function checkActors({ hosts, agents }: Cluster): void {
  for (const { name, node } of hosts.values()) {
    for (const cell of node?.cells() ?? []) {
      if (cell.parent !== undefined && node?.registry.get(cell.parent.id) !== cell.parent)
        throw new Violation('S1', `${cell.id} on ${name} has lost its parent ${cell.parent.id}`)
      if (cell.mailbox.size > 2 * cell.mailboxMax)
        throw new Violation('S3', `${cell.id} on ${name} has ${cell.mailbox.size} messages waiting`)
    }
  }
  for (const host of agents) {
    const state = agentStateOf(host)
    if (state !== undefined && state.taskCount < 0)
      throw new Violation('S3', `${host.name} counts ${state.taskCount} tasks`)
  }
}
