/**
 * Lending what is held and not used: at each look the estimator says how much, the master is told when
 * that has changed, and the controller says who must give back what he borrowed. Spec: agent.md §10.
 */
import { UpdateOversubscribed } from '../../protocol/agent.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  add,
  equals,
  formatFault,
  isReserved,
  isRevocable,
  type Resources,
  resources,
  validateResources,
} from '../../src/resources/index.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import { noopEstimator } from './estimators.ts'
import { end } from './executors.ts'
import { type HostLook, lookAtHost, usageBetween } from './host-usage.ts'
import { type Correction, noopController } from './qos.ts'
import type { AgentState } from './state.ts'
import { usageOf } from './usage.ts'

/** Begins to look, if anybody wants to know. */
export function watchUsage(state: AgentState, cx: Context): void {
  const { estimator, controller } = state
  if (estimator === noopEstimator && controller === noopController) return
  look(state, undefined, cx)
}

function look(state: AgentState, before: HostLook | undefined, cx: Context): void {
  const { estimator, controller, options } = state
  cx.job(
    async () => {
      const now = await lookAtHost(cx.ports.disk)
      const usage = usageOf(state, before && now && usageBetween(before, now))
      const [estimate, corrections] = await Promise.all([
        estimator.estimate(usage),
        controller.corrections(usage),
      ])
      return { now, estimate, corrections, held: usage.revocable }
    },
    (outcome) => {
      const next = outcome.ok ? outcome.value.now : undefined
      cx.after('usage', options.oversubscribed_resources_interval_ms, () => look(state, next, cx))
      if (!outcome.ok) {
        // A plug-in that fails lends nothing more and takes nothing away.
        cx.log('error', 'oversubscription failed', { reason: outcome.error.message })
        return
      }
      const { estimate, corrections, held } = outcome.value
      lend(state, estimate, held, cx)
      for (const correction of corrections) preempt(state, correction, cx)
    },
  )
}

/** What may be lent from now on: what is, and the estimate. */
function lend(state: AgentState, estimate: readonly Resource[], held: Resources, cx: Context) {
  const problem = problemOf(estimate)
  if (problem !== undefined) {
    cx.log('error', `the estimator ${state.estimator.name} is passed over: ${problem}`)
    return
  }
  const oversubscribed = add(held, resources(estimate))
  if (equals(state.ledger.oversubscribed, oversubscribed)) return
  state.ledger.oversubscribed = oversubscribed
  if (state.phase === 'RUNNING') tellLent(state, cx)
}

/**
 * Also once after each registration: what was looked up while the agent's report was on its way is not
 * in that report.
 */
export function tellLent({ estimator, leader, ledger }: AgentState, cx: Context): void {
  if (estimator === noopEstimator || leader === undefined) return
  cx.send(leader.pid as Pid, UpdateOversubscribed, { resources: [...ledger.oversubscribed] })
}

function problemOf(estimate: readonly Resource[]): string | undefined {
  const fault = validateResources(estimate, 'resources')
  if (fault !== undefined) return formatFault(fault)
  return estimate.every((each) => isRevocable(each) && !isReserved(each))
    ? undefined
    : 'resources: must be revocable and not reserved'
}

/** Its tasks end as preempted when its container is gone. */
function preempt(state: AgentState, correction: Correction, cx: Context): void {
  const { framework_id, executor_id, container_id } = correction
  const executor = state.frameworks.get(framework_id)?.executors.get(executor_id)
  if (executor === undefined || (container_id ?? executor.container) !== executor.container) return
  if (executor.phase === 'terminating' || executor.phase === 'terminated') return
  cx.log('warn', 'an executor on revocable resources is preempted', { framework_id, executor_id })
  executor.preempted = true
  end(executor, cx)
}
