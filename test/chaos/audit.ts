/**
 * What must be true after a chaos run (spec/failover.md §3). Each check returns sentences about what is
 * not, none if all is well.
 */
import { existsSync, readFileSync } from 'node:fs'
import { GetAgents } from '../../protocol/operator.ts'
import type { ClusterClient } from '../../src/cli/connection.ts'
import type { TaskRecord } from './workload.ts'

export interface TaskAudit {
  /** Tasks by their terminal state. */
  readonly states: Readonly<Record<string, number>>
  /** Tasks that did not finish, by the reason that they were given. */
  readonly reasons: Readonly<Record<string, number>>
  /** Commands that ran more than once. */
  readonly doubles: readonly string[]
  /** Tasks that were launched and of which no end is known. */
  readonly endless: readonly string[]
  readonly problems: readonly string[]
}

/** Each task has exactly one terminal state, and its command ran once, or never if it did not finish. */
export function auditTasks(tasks: ReadonlyMap<string, TaskRecord>, ranFile: string): TaskAudit {
  const lines = existsSync(ranFile) ? readFileSync(ranFile, 'utf8').split('\n').filter(Boolean) : []
  const runs = new Map<string, number>()
  for (const id of lines) runs.set(id, (runs.get(id) ?? 0) + 1)
  const states: Record<string, number> = {}
  const reasons: Record<string, number> = {}
  const doubles: string[] = []
  const endless: string[] = []
  const problems: string[] = []
  for (const [id, { ends, uuids, reason = 'none' }] of tasks) {
    for (const state of ends) states[state] = (states[state] ?? 0) + 1
    if (ends.size > 0 && !ends.has('TASK_FINISHED')) reasons[reason] = (reasons[reason] ?? 0) + 1
    const count = runs.get(id) ?? 0
    if (count > 1) doubles.push(id)
    if (ends.size === 0) endless.push(id)
    if (ends.size > 1) problems.push(`${id} ended several times: ${[...ends].join(', ')}`)
    else if (uuids.size > 1) problems.push(`${id} has ${uuids.size} terminal statuses`)
    if (ends.has('TASK_FINISHED') && count === 0) problems.push(`${id} finished and never ran`)
    if (ends.has('TASK_DROPPED') && count > 0) problems.push(`${id} was dropped, and ran`)
  }
  for (const id of runs.keys()) if (!tasks.has(id)) problems.push(`${id} ran and was not launched`)
  return { states, reasons, doubles, endless, problems }
}

/** Ids of the agents that the leader has admitted, by host name. */
export async function admittedAgents(client: ClusterClient): Promise<ReadonlyMap<string, string>> {
  const { agents, recovered_agents } = (await client.master(GetAgents)).get_agents
  const all = [...agents.map(({ agent_info }) => agent_info), ...recovered_agents]
  return new Map(all.map(({ hostname, id }) => [`${hostname}`, id?.value ?? '']))
}

/** The registry has forgotten nobody, and nobody was admitted twice. */
export function auditRegistry(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  const problems: string[] = []
  for (const [hostname, id] of before) {
    const now = after.get(hostname)
    if (now !== id) problems.push(`${hostname} was ${id}, and is ${now ?? 'not admitted'}`)
  }
  for (const hostname of after.keys()) {
    if (!before.has(hostname)) problems.push(`${hostname} was admitted during the run`)
  }
  return problems
}

export interface EpochAudit {
  /** Tasks whose launch an agent has obeyed. */
  readonly launches: number
  /** Epochs under which they did. */
  readonly epochs: readonly number[]
  /** Commands of deposed masters that agents have refused. */
  readonly refused: number
  readonly problems: readonly string[]
}

/** A line of an agent's log, as far as it matters here. */
interface Line {
  readonly time: number
  readonly msg: string
  readonly epoch?: number
  readonly tasks?: readonly string[]
}

/**
 * The offers of two masters were at no moment both taken by agents: all launches that any agent obeyed, in
 * the order of time, are of epochs that never go down. The agents' logs tell both; all clocks are one.
 */
export function auditEpochs(agentLogs: readonly string[]): EpochAudit {
  const lines = agentLogs
    .flatMap((log) => log.split('\n'))
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as Line)
  const launches = lines.filter(({ msg }) => msg === 'launches').sort((a, b) => a.time - b.time)
  const problems: string[] = []
  let highest = { epoch: 0, since: 0 }
  for (const { time, epoch = 0, tasks = [] } of launches) {
    if (epoch > highest.epoch) highest = { epoch, since: time }
    // Within a millisecond the logs do not tell who was first.
    else if (epoch < highest.epoch && time > highest.since)
      problems.push(
        `${tasks.join(', ')} launched under epoch ${epoch} after epoch ${highest.epoch}`,
      )
  }
  if (launches.length === 0) problems.push('the logs of the agents tell of no launch')
  return {
    launches: launches.reduce((sum, { tasks = [] }) => sum + tasks.length, 0),
    epochs: [...new Set(launches.map(({ epoch = 0 }) => epoch))],
    refused: lines.filter(({ msg }) => msg.startsWith('a command is dropped')).length,
    problems,
  }
}
