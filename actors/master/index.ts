/**
 * The master: admits agents, subscribes frameworks, offers to these what those have, and keeps the books
 * of tasks. Life cycle: machine.ts; data: state.ts; one file for each conversation.
 *
 * It is supervised with its election, its registrar and its allocator as one: what each of them knows
 * depends on the others, so when one is lost all start anew, and the books are rebuilt from the registry,
 * the agents and the schedulers. All but the election stand behind the fence that the lease opens. The
 * replicated log beside them goes on. Spec: master.md.
 */
import { agentToMaster } from '../../protocol/agent.ts'
import { allocatorToMaster } from '../../protocol/allocator.ts'
import { Elected } from '../../protocol/election.ts'
import {
  type ChildSpec,
  type Context,
  child,
  describe,
  isOrderly,
  nodeModule,
  pid,
  statechart,
  supervisor,
} from '../../src/runtime/index.ts'
import { allocator, loadPolicy } from '../allocator/index.ts'
import { election } from '../election/index.ts'
import { log, logOptions } from '../log/index.ts'
import { registrar } from '../registrar/index.ts'
import { serveCall } from './calls.ts'
import { learnDiskAge } from './disk-ages.ts'
import { settleDrains } from './drain.ts'
import { callsDropped } from './dropped.ts'
import { executorExited, fromExecutor } from './executors.ts'
import { agentExited, pong } from './health.ts'
import { CONTROL, isIntake } from './intake.ts'
import { Calls, CallsDropped } from './internal.ts'
import { makeInverseOffers } from './inverse-offers.ts'
import { parseWeights } from './leadership.ts'
import { lifecycle } from './machine.ts'
import { makeOffers } from './offers.ts'
import { operationUpdated } from './operations.ts'
import { domainOf, MasterOptions } from './options.ts'
import { readRateLimits } from './rate-limits.ts'
import { registerAgent, unregisterAgent } from './registration.ts'
import { parsePercent, removalIntervalMs } from './removal-rate.ts'
import { oversubscribedUpdated, resourcesUpdated } from './reports.ts'
import { reregisterAgent } from './reregistration.ts'
import type { Agent, MasterArgs, MasterState } from './state.ts'
import { updateStatus } from './tasks.ts'

export { MasterOptions } from './options.ts'

/** Agents and allocations in one mailbox: room for a re-registration of 50,000 agents at once. */
const MAILBOX_MAX = 500_000

/** Whoever stands behind it acts only while this node holds the lease. */
const FENCE = 'leadership'

/** The child spec of a master, called `master`. Its registrar and allocator live on the same node. */
export function master(args: MasterArgs): ChildSpec {
  return child({ id: 'master', behaviour, args, restart: 'permanent', mailboxMax: MAILBOX_MAX })
}

const messages = [...agentToMaster, ...allocatorToMaster, Calls, CallsDropped, Elected] as const

/** Runs `then` for the registered agent that sent the message in service; others are not heard. */
function fromAgent(state: MasterState, cx: Context, then: (agent: Agent) => void): void {
  const agent = state.agentsByPid.get(cx.from)
  if (agent !== undefined) then(agent)
}

const behaviour = statechart<MasterState, typeof messages, MasterArgs>({
  label: 'master',
  messages,
  machine: lifecycle,
  handlers: {
    REGISTER_AGENT: registerAgent,
    REREGISTER_AGENT: reregisterAgent,
    UNREGISTER_AGENT(state, { agent_id }, cx) {
      fromAgent(state, cx, (agent) => {
        if (agent.id === agent_id.value) unregisterAgent(state, agent, 'it unregistered', cx)
      })
    },
    OPERATION_UPDATE: (state, update, cx) =>
      fromAgent(state, cx, (agent) => {
        operationUpdated(state, agent, update, cx)
        settleDrains(state, cx)
      }),
    UPDATE_RESOURCES: (state, report, cx) =>
      fromAgent(state, cx, (agent) => resourcesUpdated(state, agent, report, cx)),
    UPDATE_OVERSUBSCRIBED: (state, report, cx) =>
      fromAgent(state, cx, (agent) => oversubscribedUpdated(state, agent, report, cx)),
    STATUS_UPDATE: (state, update, cx) =>
      fromAgent(state, cx, (agent) => updateStatus(state, agent, update, cx)),
    EXITED_EXECUTOR: (state, exit, cx) =>
      fromAgent(state, cx, (agent) => executorExited(state, agent, exit, cx)),
    EXECUTOR_MESSAGE: (state, message, cx) =>
      fromAgent(state, cx, (agent) => fromExecutor(state, agent, message, cx)),
    DISK_AGED: (state, { disk_age }, cx) =>
      fromAgent(state, cx, ({ id }) => learnDiskAge(state, id, disk_age, cx)),
    PONG: (state, _body, cx) => fromAgent(state, cx, pong),
    ALLOCATION: (state, { shares }, cx) => makeOffers(state, shares, cx),
    INVERSE_ALLOCATION: (state, { inverse_offers }, cx) =>
      makeInverseOffers(state, inverse_offers, cx),
    CALLS(state, { calls }, cx) {
      for (const call of calls) serveCall(state, call, cx)
      settleDrains(state, cx)
      cx.reply({})
    },
    CALLS_DROPPED: callsDropped,
  },
  exited(state, notice, cx) {
    agentExited(state, notice, cx)
    if (isIntake(notice.pid, cx) && !isOrderly(notice.reason)) {
      throw new Error(`${notice.pid} ended: ${describe(notice.reason)}`)
    }
  },
})

/** The region that agents are compared with, for the allocator. */
function regionOf(options: MasterOptions): { region?: string } {
  const region = domainOf(options)?.fault_domain?.region.name
  return region === undefined ? {} : { region }
}

export default nodeModule({
  name: 'master',
  summary: 'Admits agents, offers their resources to frameworks, and keeps the books of tasks.',
  options: MasterOptions,
  // Frameworks that flood it with calls cost it neither the lease nor the time for its operators.
  lanes: ['frameworks', CONTROL],
  // Nor are all its agents, when they come at once.
  near: (options, node) => logOptions(options, node).replicas.filter((name) => name !== node),
  async children(options, { node, ports }) {
    parseWeights(options.weights)
    removalIntervalMs(options.agent_removal_rate_limit)
    parsePercent(options.recovery_agent_removal_limit)
    const { work_dir, log_dir, lease_ms: leaseMs } = options
    const replicas = logOptions(options, node)
    const replicated = log({ path: log_dir || `${work_dir}/log`, leaseMs, ...replicas })
    const allocations = allocator({
      policy: await loadPolicy(options.allocator),
      allocationIntervalMs: options.allocation_interval_ms,
      minAllocatableResources: options.min_allocatable_resources,
      filterGpuResources: options.filter_gpu_resources,
      fairSharingExcludedResourceNames: options.fair_sharing_excluded_resource_names,
      recoveryFactor: options.allocator_agent_recovery_factor,
      recoveryTimeoutMs: options.allocator_recovery_timeout_ms,
      ...regionOf(options),
    })
    const args = {
      options,
      rates: await readRateLimits(options.rate_limits, ports.disk),
      masters: replicas.replicas,
      registrar: pid('registrar', node),
      allocator: pid('allocator', node),
    }
    const behindFence = [registrar({ node }), child(allocations), master(args)]
    return [
      replicated,
      supervisor(
        'leadership',
        [
          election({ node, leaseMs, leader: pid('master', node), fence: FENCE }),
          ...behindFence.map((spec) => ({ ...spec, fence: FENCE })),
        ],
        { strategy: 'one_for_all', intensity: 10, periodMs: 60_000 },
      ),
    ]
  },
})
