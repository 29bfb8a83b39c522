/** What an operator may say about allocation, with Mesos' defaults. Spec: allocator.md §11. */
import { parseQuantities } from '../../src/resources/index.ts'
import type { ResourceNames } from './bundle.ts'
import type { Settings } from './cluster.ts'
import { type Minimum, minimumOf } from './eligibility.ts'
import { drf, type Policy } from './policies.ts'

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

function parseMinimums(text: string): Array<ReadonlyMap<string, number>> {
  return text
    .split('|')
    .filter((item) => item.trim() !== '')
    .map((item) => {
      const quantities = parseQuantities(item)
      if (quantities.ok) return quantities.value
      throw new Error(`minAllocatableResources: ${quantities.error.message}`)
    })
}
