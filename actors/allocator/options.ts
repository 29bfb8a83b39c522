/** What an operator may say about allocation, with Mesos' defaults. Spec: allocator.md §11. */
import { MesetaError } from '../../protocol/errors.ts'
import { parseQuantities } from '../../src/resources/index.ts'
import type { ResourceNames } from './bundle.ts'
import type { Settings } from './cluster.ts'
import { type Minimum, minimumOf } from './eligibility.ts'
import { drf, type Policy } from './policies.ts'
import type { RecoveryOptions } from './recovery.ts'

export interface AllocationOptions {
  /** Who is served first; see `loadPolicy`. Default: weighted dominant resource fairness. */
  readonly policy?: Policy
  /** Between the end of one run over all agents and the next. Default 1000. */
  readonly allocationIntervalMs?: number
  /**
   * An offer holds at least one of these sets of scalars: `;` is and, `|` is or. Empty: anything is
   * offered. Default `cpus:0.01|mem:32`.
   */
  readonly minAllocatableResources?: string
  /** Agents with gpus are kept for frameworks that know GPU_RESOURCES. Default true. */
  readonly filterGpuResources?: boolean
  /** Resource names that do not count in shares. Default none. */
  readonly fairSharingExcludedResourceNames?: readonly string[]
  /**
   * After a failover with quotas nothing is offered before this fraction of the agents is back.
   * Default 0.8.
   */
  readonly recoveryFactor?: number
  /** But at most so long. Default 10 minutes. */
  readonly recoveryTimeoutMs?: number
  /** The master's region: agents elsewhere are for frameworks that know REGION_AWARE. */
  readonly region?: string
}

/**
 * Completes the options, which are checked at once.
 * @throws Error naming what is wrong
 */
export function settingsOf(options: AllocationOptions): (names: ResourceNames) => Settings {
  const intervalMs = options.allocationIntervalMs ?? 1000
  if (!(intervalMs > 0)) throw new Error(`allocationIntervalMs is ${intervalMs}, not above 0`)
  const minimums = parseMinimums(options.minAllocatableResources ?? 'cpus:0.01|mem:32')
  return (names) => ({
    policy: options.policy ?? drf,
    allocationIntervalMs: intervalMs,
    minAllocatable: minimums.map((quantities): Minimum => minimumOf(quantities, names)),
    filterGpuResources: options.filterGpuResources ?? true,
    fairSharingExcluded: options.fairSharingExcludedResourceNames ?? [],
    region: options.region,
  })
}

/**
 * The same for the pause after a failover.
 * @throws Error naming what is wrong
 */
export function recoveryOf(options: AllocationOptions): RecoveryOptions {
  const { recoveryFactor: factor = 0.8, recoveryTimeoutMs: timeoutMs = 600_000 } = options
  if (!(factor >= 0 && factor <= 1)) throw new Error(`recoveryFactor is ${factor}, not in 0..1`)
  if (!(timeoutMs >= 0)) throw new Error(`recoveryTimeoutMs is ${timeoutMs}, below 0`)
  return { factor, timeoutMs }
}

function parseMinimums(text: string): Array<ReadonlyMap<string, number>> {
  return text
    .split('|')
    .filter((item) => item.trim() !== '')
    .map((item) => {
      const quantities = parseQuantities(item)
      if (quantities.ok) return quantities.value
      throw new MesetaError('USAGE', {
        problem: `min_allocatable_resources: ${quantities.error.message}`,
      })
    })
}
