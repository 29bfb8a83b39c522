/** Disks that somebody sets back to an old copy (simulation.md §5). */
import { positionOf } from '../../actors/log/records.ts'
import { heardOf, isBehind } from '../../actors/log/voted.ts'
import type { RegistrarState } from '../../actors/registrar/state.ts'
import { unpack } from '../../protocol/codec.ts'
import type { Voted } from '../../protocol/log.ts'
import type { Backup } from '../../src/storage/memory-store.ts'
import { unseal } from '../../src/storage/sealed-store.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import { type Contents, readMetadata, readProgress } from './log-disk.ts'
import { diskOf, type LogId, logPaths, logsOf } from './log-rules.ts'
import { agentIdIn, agentIdOf, agentStateOf, agentStore, leaderOf, stateOf } from './views.ts'

/**
 * Sets a disk back if that must be noticed: the disks of all other replicas hold that this one has voted since
 * the copy was made (actors/log/voted.ts). Otherwise it stays as it is.
 */
export function setBack(cluster: Cluster, host: SimulatedHost, backup: Backup): void {
  const { name, storage } = host
  const ids = Object.keys(logPaths) as LogId[]
  const changed = ids.filter((id) => backup.changes(logPaths[id]) !== storage.changes(logPaths[id]))
  const copies = changed.map((id) => [id, votesOn(name, backup.contents(logPaths[id]))] as const)
  const others = cluster.masters.filter((other) => other !== host)
  const isKnown = copies.every(([id, copy]) =>
    others.every((other) => {
      const metadata = readMetadata(other.storage.contents(logPaths[id]))
      return copy && metadata && isBehind(copy, heardOf(metadata, name))
    }),
  )
  if (changed.length === 0 || !isKnown) return
  cluster.mark('a disk is set back to an old copy')
  const logs = logsOf(cluster)
  const former = diskOf(host)
  host.restore(backup)
  for (const id of ids) if (!changed.includes(id)) logs[id].moved(former, diskOf(host))
  for (const [id, copy] of copies) {
    if (copy !== undefined) logs[id].setBack(diskOf(host), copy.generation)
  }
}

/** By the host of an agent on an old copy: which of its disks that is, who it was, and how old its disk was. */
const oldAgents = new WeakMap<SimulatedHost, { disks: number; id: string; age: number }>()
/** So long an agent has time to be told, ms. */
const refusedMs = 30_000

/**
 * Sets an agent's disk back if that must be noticed: the registry holds that it has grown older since the copy
 * was made. Otherwise it stays as it is.
 */
export function setAgentBack(cluster: Cluster, host: SimulatedHost, backup: Backup): void {
  const id = agentIdOf(host)
  const copy = backup.contents(agentStore)
  if (id === undefined || agentIdIn(copy) !== id) return
  // The master has it once it is chosen, which the registrar does not wait for.
  const age = leaderOf(cluster)?.master.disks.get(id)?.disk_age
  if (age === undefined || ageIn(copy) >= age) return
  cluster.mark('an agent is set back to an old copy')
  host.restore(backup)
  oldAgents.set(host, { disks: host.disks, id, age })
  cluster.operators.renew(host.name, id, refusedMs)
}

/** Whether somebody is at work as who he was on an old copy of his disk, although the registry holds that it is. */
export function goesByOldCopy(cluster: Cluster, host: SimulatedHost): boolean {
  const old = oldAgents.get(host)
  if (old?.disks !== host.disks) return false
  const agent = agentStateOf(host)
  if (agent?.phase !== 'RUNNING' || agent.info.id?.value !== old.id) return false
  // It is forgotten of an agent that has left.
  return (knownAge(cluster, old.id) ?? 0) >= old.age
}

/** How old the registry knows an agent's disk to be, as its registrar has it, and not its master. */
function knownAge(cluster: Cluster, id: string): number | undefined {
  const host = leaderOf(cluster)?.host
  return host && stateOf<RegistrarState>(host, 'registrar')?.contents.disks.get(id)?.disk_age
}

function ageIn(contents: Contents): number {
  const value = contents.get('age')
  const content = value && unseal('age', value)
  return content === undefined ? 0 : (unpack(content) as number)
}

/** What the replica of a node knows of its own votes that finds this on its disk. */
function votesOn(node: string, contents: Contents): Voted | undefined {
  const metadata = readMetadata(contents)
  if (metadata === undefined) return undefined
  const positions = [...contents.keys()].flatMap((key) => positionOf(key) ?? [])
  const end = Math.max(0, readProgress(contents).begin - 1, ...positions)
  return { generation: metadata.generations[node] ?? 0, promised: metadata.promised, end }
}
