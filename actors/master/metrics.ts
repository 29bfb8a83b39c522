/** Counters and gauges of a master, by Mesos' names where it has one (operator-api.md §B). */
import { Measure } from '../../protocol/allocator.ts'
import type { Metric, Resource } from '../../protocol/v1/index.ts'
import {
  filter,
  isRevocable,
  merge,
  quantitiesOf,
  type Resources,
  sum,
} from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { agentShares } from './shares.ts'
import type { MasterState } from './state.ts'

export type Counters = Map<string, number>

export function count(state: { readonly counters: Counters }, name: string, by = 1): void {
  state.counters.set(name, (state.counters.get(name) ?? 0) + by)
}

/** Tells the metrics of the master and, if it answers in time, of its allocator. */
export function tellMetrics(
  state: MasterState,
  tell: (metrics: Metric[]) => void,
  cx: Context,
): undefined {
  cx.ask(state.allocator, Measure, {}, { timeoutMs: ALLOCATOR_TIMEOUT_MS }, (outcome) => {
    const ofAllocator = outcome.ok ? outcome.value.metrics : []
    tell([...ofAllocator, ...metrics(state, cx.now())])
  })
}

const ALLOCATOR_TIMEOUT_MS = 1000

function metrics(state: MasterState, nowMs: number): Metric[] {
  const all: Record<string, number> = {
    ...Object.fromEntries(state.counters),
    'master/elected': 1,
    'master/epoch': state.epoch,
    'master/uptime_secs': (nowMs - state.startMs) / 1000,
    'master/outstanding_offers': state.offers.size,
    ...agentGauges(state),
    ...frameworkGauges(state),
    ...taskGauges(state),
    ...resourceGauges(state),
  }
  return Object.entries(all)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value }))
}

function agentGauges(state: MasterState): Record<string, number> {
  const connected = [...state.agents.values()].filter((agent) => agent.connected).length
  return {
    'master/slaves_active': connected,
    'master/slaves_inactive': state.agents.size - connected,
    'master/slaves_connected': connected,
    'master/slaves_disconnected': state.agents.size - connected,
    'master/slaves_unreachable': state.unreachable.size,
    'master/slaves_recovered': state.recovered.size,
  }
}

function frameworkGauges(state: MasterState): Record<string, number> {
  const active = [...state.frameworks.values()].filter(({ phase }) => phase === 'connected').length
  return {
    'master/frameworks_active': active,
    'master/frameworks_inactive': state.frameworks.size - active,
    'master/frameworks_connected': active,
    'master/frameworks_disconnected': state.frameworks.size - active,
  }
}

const liveStates = ['STAGING', 'STARTING', 'RUNNING', 'KILLING'] as const

function taskGauges(state: MasterState): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of liveStates) counts[`master/tasks_${name.toLowerCase()}`] = 0
  for (const { tasks } of state.frameworks.values()) {
    for (const task of tasks.values()) {
      const name = `master/${task.state.toLowerCase().replace('task_', 'tasks_')}`
      if (counts[name] !== undefined) counts[name]++
    }
  }
  return counts
}

function resourceGauges(state: MasterState): Record<string, number> {
  const agents = [...state.agents.values()]
  const total = sum(agents.map((agent) => agent.total))
  const used = merge(agents.flatMap(agentShares).flatMap((share) => share.resources))
  const isOwn = (resource: Resource) => !isRevocable(resource)
  return {
    ...usageGauges('', filter(total, isOwn), filter(used, isOwn)),
    ...usageGauges('revocable_', filter(total, isRevocable), filter(used, isRevocable)),
  }
}

function usageGauges(kind: string, total: Resources, used: Resources): Record<string, number> {
  const [all, held] = [quantitiesOf(total), quantitiesOf(used)]
  const gauges: Record<string, number> = {}
  for (const name of ['cpus', 'gpus', 'mem', 'disk']) {
    const amount = (all.get(name) ?? 0) / 1000
    const inUse = (held.get(name) ?? 0) / 1000
    gauges[`master/${name}_${kind}total`] = amount
    gauges[`master/${name}_${kind}used`] = inUse
    gauges[`master/${name}_${kind}percent`] = amount === 0 ? 0 : inUse / amount
  }
  return gauges
}
