/**
 * QoS controllers: which executors on revocable resources must go, so that those who have resources of
 * their own get them. One of one's own is a module whose default export is a `QosController`.
 * Spec: agent.md §10.
 */
import { isRevocable, quantitiesOf } from '../../src/resources/index.ts'
import type { AgentOptions } from './options.ts'
import type { AgentUsage, ExecutorUsage } from './usage.ts'

/**
 * @example Nobody works on borrowed time on Sundays:
 *     export default { name: 'sunday', corrections: ({ executors }) =>
 *       new Date().getDay() === 0 ? executors.filter((e) => e.resources.some((r) => r.revocable)) : [] }
 */
export interface QosController {
  readonly name: string
  /** Executors to kill. One whose container is another by now is left alone. */
  readonly corrections: (
    usage: AgentUsage,
  ) => readonly Correction[] | Promise<readonly Correction[]>
}

export type Correction = Pick<ExecutorUsage, 'framework_id' | 'executor_id'> &
  Partial<Pick<ExecutorUsage, 'container_id'>>

export const noopController: QosController = { name: 'noop', corrections: () => [] }

/**
 * While the host uses more than `threshold` (0 to 1) of the agent's cpus or mem, the youngest executor
 * that holds something revocable goes, one at each look.
 */
export function usageController(threshold: number): QosController {
  return {
    name: 'usage',
    corrections({ host, total, executors }) {
      if (host === undefined) return []
      const all = quantitiesOf(total)
      const tight =
        host.cpus * 1000 > threshold * (all.get('cpus') ?? 0) ||
        host.memMb * 1000 > threshold * (all.get('mem') ?? 0)
      const youngest = executors.findLast(({ resources }) => resources.some(isRevocable))
      return tight && youngest !== undefined ? [youngest] : []
    },
  }
}

/**
 * The controller that the options name: one of ours, or the default export of a module.
 * @throws Error saying what is wrong with the module
 */
export async function loadController({
  qos_controller: name,
  qos_threshold,
}: AgentOptions): Promise<QosController> {
  if (name === 'noop') return noopController
  if (name === 'usage') return usageController(qos_threshold)
  const { default: loaded } = (await import(name)) as { readonly default?: unknown }
  const { name: own, corrections } = (loaded ?? {}) as Partial<Record<keyof QosController, unknown>>
  if (typeof own === 'string' && typeof corrections === 'function') return loaded as QosController
  throw new Error(`the default export of ${name} must be {name, corrections}`)
}
