/**
 * What never happens (simulation.md §9): cheap rules after every step, the others once in a simulated
 * second. Rules about tasks as clients see them are in `history.ts`.
 */
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import { checkLogs } from './log-rules.ts'
import { agentStateOf, holdsLease, leaderOf } from './views.ts'
import { taskVariable } from './workload.ts'

export function checkStep({ masters }: Cluster): void {
  const holders = masters.filter(holdsLease)
  if (holders.length > 1)
    throw new Violation(
      'E1',
      `the lease is held by ${holders.map(({ name }) => name).join(' and ')}`,
    )
}

export function scan(cluster: Cluster): void {
  checkAgents(cluster)
  checkBooks(cluster)
  checkActors(cluster)
  checkLogs(cluster)
}

/** A2, A3: what runs on a host fits it, and no port is in two hands. */
function checkAgents({ plan, agents, history }: Cluster): void {
  for (const [index, host] of agents.entries()) {
    const { cpus, mem } = plan.agents[index]!
    const sum = { cpus: 0, mem: 0 }
    const ports = new Map<number, string>()
    for (const { options } of host.processes.running()) {
      const task = history.tasks.get(options.env[taskVariable] ?? '')
      if (task === undefined) continue
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

/** A1, M1: what the leader has offered and in use of an agent is no more than there is. */
function checkBooks(cluster: Cluster): void {
  const leader = leaderOf(cluster)
  if (leader === undefined) return
  const { master, host } = leader
  for (const { id, info, offers, tasks } of master.agents.values()) {
    const known = cluster.plan.agents.find(({ name }) => name === info.hostname)
    if (known === undefined) continue
    if (master.unreachable.has(id) || master.gone.has(id) || master.recovered.has(id))
      throw new Violation('M1', `${id} is admitted and something else at ${host.name}`)
    let cpus = 0
    for (const { share } of offers) cpus += cpusOf(share.resources)
    for (const task of tasks) if (isLive(task.state)) cpus += cpusOf(task.resources ?? [])
    if (cpus > known.cpus * 1000)
      throw new Violation(
        'A1',
        `${cpus / 1000} of ${known.cpus} cpus of ${info.hostname} are offered or used`,
      )
  }
}

function cpusOf(
  resources: ReadonlyArray<{ name: string; scalar?: { value: number } | undefined }>,
): number {
  return resources
    .filter(({ name }) => name === 'cpus')
    .reduce((sum, { scalar }) => sum + Math.round((scalar?.value ?? 0) * 1000), 0)
}

function isLive(state: string | undefined): boolean {
  return ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'].includes(state ?? '')
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
