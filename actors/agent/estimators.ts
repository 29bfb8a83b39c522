/**
 * Resource estimators: how much of what is held and lies idle may be lent to revocable tasks. One of
 * one's own is a module whose default export is a `ResourceEstimator`. Spec: agent.md §10.
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  type Quantities,
  quantitiesOf,
  type Resources,
  resources,
  subtract,
} from '../../src/resources/index.ts'
import type { AgentOptions } from './options.ts'
import type { AgentUsage } from './usage.ts'

/**
 * @example Half a processor, day and night:
 *     export default { name: 'half', estimate: () => [
 *       { name: 'cpus', type: 'SCALAR', scalar: { value: 0.5 }, revocable: {} }] }
 */
export interface ResourceEstimator {
  readonly name: string
  /** What may be lent beyond what revocable tasks hold already: revocable resources only. */
  readonly estimate: (usage: AgentUsage) => readonly Resource[] | Promise<readonly Resource[]>
}

export const noopEstimator: ResourceEstimator = { name: 'noop', estimate: () => [] }

/** The same all the time. */
export function fixedEstimator(list: readonly Resource[]): ResourceEstimator {
  const all = resources(list.map((resource) => ({ ...resource, revocable: {} })))
  return { name: 'fixed', estimate: ({ revocable }) => subtract(all, revocable) }
}

/** Finer steps would only make offers stale. */
const STEP_MILLIS = { cpus: 100, mem: 32_000 } as const

/**
 * What tasks hold and the host does not use, but for `headroom` of the total (0 to 1): cpus and mem.
 * What nobody holds is offered anyhow, and counts as if it were used.
 */
export function usageEstimator(headroom: number): ResourceEstimator {
  return {
    name: 'usage',
    estimate({ host, total, allocated }) {
      if (host === undefined) return []
      const [all, held] = [quantitiesOf(total), quantitiesOf(allocated)]
      const busy = { cpus: host.cpus * 1000, mem: host.memMb * 1000 }
      return (['cpus', 'mem'] as const).flatMap((name) => {
        const idle = amount(held, name) - busy[name] - headroom * amount(all, name)
        const millis = Math.floor(idle / STEP_MILLIS[name]) * STEP_MILLIS[name]
        return millis > 0 ? [revocable(name, millis / 1000)] : []
      })
    },
  }
}

function amount(quantities: Quantities, name: string): number {
  return quantities.get(name) ?? 0
}

function revocable(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value }, revocable: {} }
}

/**
 * The estimator that the options name: one of ours, or the default export of a module.
 * @param given resources of `fixed`
 * @throws Error saying what is wrong with the module
 */
export async function loadEstimator(
  { resource_estimator: name, oversubscription_headroom }: AgentOptions,
  given: Resources,
): Promise<ResourceEstimator> {
  if (name === 'noop') return noopEstimator
  if (name === 'fixed') return fixedEstimator(given)
  if (name === 'usage') return usageEstimator(oversubscription_headroom)
  const { default: loaded } = (await import(name)) as { readonly default?: unknown }
  const { name: own, estimate } = (loaded ?? {}) as Partial<
    Record<keyof ResourceEstimator, unknown>
  >
  if (typeof own === 'string' && typeof estimate === 'function') return loaded as ResourceEstimator
  throw new Error(`the default export of ${name} must be {name, estimate}`)
}
