/** Counters and gauges of a master, by Mesos' names where it has one (operator-api.md §B). */
import { Measure } from '../../protocol/allocator.ts'
import type { Metric, Resource } from '../../protocol/v1/index.ts'
import { equalResources, isRevocable, quantityMillis } from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { measureCalls } from './intake.ts'
import { type MasterState, withoutAllocation } from './state.ts'
import { survey, type Usage } from './usage.ts'

export type Counters = Map<string, number>

export function count(state: { readonly counters: Counters }, name: string, by = 1): void {
  state.counters.set(name, (state.counters.get(name) ?? 0) + by)
}

/** Tells the metrics of the master and, if they answer in time, of its allocator and its intake. */
export function tellMetrics(
  state: MasterState,
  tell: (metrics: Metric[]) => void,
  cx: Context,
): undefined {
  cx.ask(state.allocator, Measure, {}, { timeoutMs: TIMEOUT_MS }, (outcome) => {
    const ofAllocator = outcome.ok ? outcome.value.metrics : []
    measureCalls(TIMEOUT_MS, cx, (ofCalls) => {
      const tellAll = function* (usage: Usage) {
        const ofResources = yield* resourceGauges(usage)
        tell([...ofAllocator, ...ofCalls, ...metrics(state, usage, ofResources, cx.now())])
      }
      survey(state, tellAll, cx)
    })
  })
}

/** For the answer of each. */
const TIMEOUT_MS = 1000

function metrics(
  state: MasterState,
  usage: Usage,
  ofResources: Record<string, number>,
  nowMs: number,
): Metric[] {
  const all: Record<string, number> = {
    ...Object.fromEntries(state.counters),
    'master/elected': 1,
    'master/epoch': state.epoch,
    'master/uptime_secs': (nowMs - state.startMs) / 1000,
    'master/outstanding_offers': state.offers.size,
    ...agentGauges(state, usage),
    ...frameworkGauges(state),
    ...taskGauges(usage),
    ...ofResources,
  }
  return Object.entries(all)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value }))
}

function agentGauges(
  state: MasterState,
  { agents, connectedAgents }: Usage,
): Record<string, number> {
  return {
    'master/slaves_active': connectedAgents,
    'master/slaves_inactive': agents - connectedAgents,
    'master/slaves_connected': connectedAgents,
    'master/slaves_disconnected': agents - connectedAgents,
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

function taskGauges({ tasks }: Usage): Record<string, number> {
  return Object.fromEntries(
    liveStates.map((name) => [
      `master/tasks_${name.toLowerCase()}`,
      tasks.get(`TASK_${name}`) ?? 0,
    ]),
  )
}

/** Those that Mesos has gauges of. */
const names = ['cpus', 'gpus', 'mem', 'disk'] as const

/** A step for each list of resources. */
function* resourceGauges({ totals, frameworks }: Usage): Generator<void, Record<string, number>> {
  const all = new Amounts()
  const held = new Amounts()
  for (const [total, times] of totals) {
    all.add(total, times)
    yield
  }
  for (const { used } of frameworks.values()) {
    for (const [list, times] of used) {
      held.add(list, times)
      yield
    }
  }
  const gauges: Record<string, number> = {}
  for (const kind of ['', 'revocable_'] as const) {
    for (const name of names) {
      const amount = all.of(kind, name)
      const inUse = held.of(kind, name)
      gauges[`master/${name}_${kind}total`] = amount
      gauges[`master/${name}_${kind}used`] = inUse
      gauges[`master/${name}_${kind}percent`] = amount === 0 ? 0 : inUse / amount
    }
  }
  return gauges
}

/** Sums of scalars, lent ones apart. A shared volume counts once, however many use it. */
class Amounts {
  readonly #millis = new Map<string, number>()
  readonly #shared: Resource[] = []

  add(list: readonly Resource[], times: number): void {
    for (const resource of list) {
      if (resource.shared !== undefined) this.#addShared(resource)
      else this.#count(resource, times)
    }
  }

  of(kind: '' | 'revocable_', name: string): number {
    return (this.#millis.get(kind + name) ?? 0) / 1000
  }

  #addShared(resource: Resource): void {
    const unallocated = withoutAllocation(resource)
    if (this.#shared.some((known) => equalResources(known, unallocated))) return
    this.#shared.push(unallocated)
    this.#count(resource, 1)
  }

  #count(resource: Resource, times: number): void {
    const key = (isRevocable(resource) ? 'revocable_' : '') + resource.name
    this.#millis.set(key, (this.#millis.get(key) ?? 0) + quantityMillis(resource) * times)
  }
}
