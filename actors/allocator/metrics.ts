/** What an operator can watch of allocation, by Mesos' names. Spec: allocator.md §12. */
import type { Metric } from '../../protocol/v1/index.ts'
import type { Cluster } from './cluster.ts'
import type { Quota } from './quota.ts'
import { ROOT } from './share-tree.ts'

/** Runs that percentiles are taken of. */
const RUNS_KEPT = 1024

/** Durations of the last runs, ms. */
export class Durations {
  readonly #last = new Float64Array(RUNS_KEPT)
  #count = 0

  add(ms: number): void {
    this.#last[this.#count++ % RUNS_KEPT] = ms
  }

  /** Of all runs kept; nothing before the first. */
  gauges(name: string): Record<string, number> {
    if (this.#count === 0) return {}
    const sorted = this.#last.slice(0, Math.min(this.#count, RUNS_KEPT)).sort()
    const at = (part: number) => sorted[Math.ceil(part * sorted.length) - 1]!
    return {
      [name]: this.#last[(this.#count - 1) % RUNS_KEPT]!,
      [`${name}/count`]: this.#count,
      [`${name}/max`]: at(1),
      [`${name}/p50`]: at(0.5),
      [`${name}/p90`]: at(0.9),
      [`${name}/p99`]: at(0.99),
    }
  }
}

/** What runs have taken. */
export interface Timings {
  /** Of the work itself, without the turns of others between its slices. */
  readonly run: Durations
  /** From its being asked for to its beginning. */
  readonly latency: Durations
}

/** All metrics, by name. Each costs no more than a look at each role and client. */
export function measure(cluster: Cluster, { run, latency }: Timings): Metric[] {
  const all: Record<string, number> = {
    'allocator/mesos/allocation_runs': cluster.runs,
    ...run.gauges('allocator/mesos/allocation_run_ms'),
    ...latency.gauges('allocator/mesos/allocation_run_latency_ms'),
    ...resourceGauges(cluster),
    ...roleGauges(cluster),
  }
  for (const quota of cluster.quotas) Object.assign(all, quotaGauges(cluster, quota))
  return Object.entries(all)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value }))
}

function resourceGauges({ tree, names }: Cluster): Record<string, number> {
  const gauges: Record<string, number> = {}
  for (const name of ['cpus', 'mem', 'disk']) {
    const { total, held } = tree.amounts(ROOT, names.number(name))
    gauges[`allocator/mesos/resources/${name}/total`] = total / 1000
    gauges[`allocator/mesos/resources/${name}/offered_or_allocated`] = held / 1000
  }
  return gauges
}

/** Filters are counted by agent, and until a run has seen that they have ended. */
function roleGauges({ roles, tree, frameworks }: Cluster): Record<string, number> {
  const gauges: Record<string, number> = {}
  for (const { path, node } of roles) {
    gauges[`allocator/mesos/roles/${path}/shares/dominant`] = tree.dominantShare(node)
  }
  for (const { clients } of frameworks.values()) {
    for (const { role, filters } of clients.values()) {
      const name = `allocator/mesos/offer_filters/roles/${role}/active`
      gauges[name] = (gauges[name] ?? 0) + filters.size
    }
  }
  return gauges
}

function quotaGauges(
  { names }: Cluster,
  { role, guarantees, limits, consumed }: Quota,
): Record<string, number> {
  const gauges: Record<string, number> = {}
  for (const [number, amount] of consumed.entries()) {
    const [guarantee, limit] = [guarantees[number]!, limits[number]!]
    if (guarantee === 0 && limit === Number.POSITIVE_INFINITY) continue
    const prefix = `allocator/mesos/quota/roles/${role}/resources/${names.name(number)}`
    if (guarantee > 0) gauges[`${prefix}/guarantee`] = guarantee / 1000
    if (limit < Number.POSITIVE_INFINITY) gauges[`${prefix}/limit`] = limit / 1000
    gauges[`${prefix}/consumed`] = amount / 1000
  }
  return gauges
}
