/**
 * The allocator as an actor: keeps the books that the master's messages tell of, and decides which of
 * them call for a run. Supervised beside its master, which must tell a restarted one everything again:
 * it holds soft state only. Spec: allocator.md §3.
 */
import { masterToAllocator } from '../../protocol/allocator.ts'
import { type Context, type Handlers, type Pid, pid, table } from '../../src/runtime/index.ts'
import {
  addAgent,
  type NewAgent,
  recoverShare,
  removeAgent,
  setAgentActive,
  setWhitelist,
  updateAgent,
  useShare,
} from './agents.ts'
import { ResourceNames } from './bundle.ts'
import { newCluster, type Settings } from './cluster.ts'
import { convertAvailable, convertHolding } from './conversions.ts'
import { explain } from './explain.ts'
import * as frameworks from './frameworks.ts'
import { endInverseOffers, planMaintenance } from './maintenance.ts'
import { Durations, measure } from './metrics.ts'
import { setQuotas } from './quota-accounts.ts'
import { countAgents, type RecoveryOptions, recover } from './recovery.ts'
import { type AllocatorState, awaitInterval, beginRun, RunAllocation, trigger } from './runs.ts'

export interface AllocatorArgs {
  readonly settings: (names: ResourceNames) => Settings
  readonly recovery: RecoveryOptions
  /** Who is told allocations; undefined = the actor `master` of the same node. */
  readonly master: Pid | undefined
}

const messages = [...masterToAllocator, RunAllocation] as const

const handlers: Handlers<AllocatorState, typeof messages> = {
  ADD_FRAMEWORK(state, { framework, active, used }, cx) {
    frameworks.addFramework(state.cluster, framework, active, used)
    if (active) trigger(state, 'all', cx)
  },
  UPDATE_FRAMEWORK_OPTIONS(state, { framework }) {
    frameworks.updateFramework(state.cluster, framework)
  },
  REMOVE_FRAMEWORK(state, { framework_id }) {
    frameworks.removeFramework(state.cluster, framework_id)
  },
  ACTIVATE_FRAMEWORK(state, { framework_id }, cx) {
    frameworks.activateFramework(state.cluster, framework_id)
    trigger(state, 'all', cx)
  },
  DEACTIVATE_FRAMEWORK(state, { framework_id }) {
    frameworks.deactivateFramework(state.cluster, framework_id)
  },
  ADD_AGENTS(state, { agents }, cx) {
    trigger(
      state,
      agents.map((agent: NewAgent) => addAgent(state.cluster, agent)),
      cx,
    )
    countAgents(state, cx)
  },
  REMOVE_AGENT(state, { agent_id }) {
    removeAgent(state.cluster, agent_id)
  },
  ACTIVATE_AGENT(state, { agent_id }) {
    setAgentActive(state.cluster, agent_id, true)
  },
  DEACTIVATE_AGENT(state, { agent_id }) {
    setAgentActive(state.cluster, agent_id, false)
  },
  UPDATE_AGENT(state, update, cx) {
    const changed = updateAgent(state.cluster, update)
    if (changed !== undefined) trigger(state, [changed], cx)
  },
  UPDATE_UNAVAILABILITY(state, { agents }, cx) {
    const { cluster } = state
    const known = agents.flatMap(({ agent_id, unavailability }) => {
      const agent = cluster.agents.get(agent_id)
      if (agent !== undefined) planMaintenance(cluster, agent, unavailability)
      return agent ?? []
    })
    trigger(state, known, cx)
  },
  UPDATE_INVERSE_OFFER(state, answer, cx) {
    endInverseOffers(state.cluster, answer, cx.monotonic())
  },
  UPDATE_WHITELIST(state, { hostnames }) {
    setWhitelist(state.cluster, hostnames)
  },
  // Does not call for a run: a framework that declines at once would have one at once.
  RECOVER_RESOURCES(state, { shares, refuse_seconds }, cx) {
    const nowMs = cx.monotonic()
    for (const share of shares) recoverShare(state.cluster, share, refuse_seconds, nowMs)
  },
  // What is offered and what is in use count alike in shares.
  USE_RESOURCES(state, { shares }) {
    for (const share of shares) useShare(state.cluster, share)
  },
  UPDATE_ALLOCATION(state, update) {
    convertHolding(state.cluster, update)
  },
  UPDATE_AVAILABLE(state, { agent_id, conversions }, cx) {
    const converted = convertAvailable(state.cluster, agent_id, conversions)
    if (!converted.ok) return cx.refuse(converted.error)
    cx.reply({})
    trigger(state, [converted.value], cx)
  },
  SUPPRESS_OFFERS(state, { framework_id, roles }) {
    frameworks.suppressOffers(state.cluster, framework_id, roles)
  },
  REVIVE_OFFERS(state, { framework_id, roles }, cx) {
    frameworks.reviveOffers(state.cluster, framework_id, roles)
    trigger(state, 'all', cx)
  },
  UPDATE_WEIGHTS(state, { weights }) {
    for (const [role, weight] of Object.entries(weights)) {
      state.cluster.roles.setWeight(role, weight)
    }
  },
  UPDATE_QUOTA(state, { quota_configs }) {
    setQuotas(state.cluster, quota_configs)
  },
  RECOVER(state, read, cx) {
    recover(state, read, cx)
  },
  EXPLAIN(state, question, cx) {
    const answer = explain(state, question, cx.monotonic())
    if (answer.ok) cx.reply(answer.value)
    else cx.refuse(answer.error)
  },
  MEASURE(state, _question, cx) {
    cx.reply({ metrics: measure(state.cluster, state.timings) })
  },
  RUN_ALLOCATION(state, _body, cx) {
    beginRun(state, cx)
  },
}

export const allocatorBehaviour = table<AllocatorState, typeof messages, AllocatorArgs>({
  label: 'allocator',
  messages,
  init({ settings, recovery, master }, cx: Context) {
    const names = new ResourceNames()
    const state: AllocatorState = {
      cluster: newCluster(settings(names), names, cx.random),
      master: master ?? pid('master', cx.node),
      recovery,
      awaited: undefined,
      candidates: new Set(),
      queuedMs: undefined,
      intervalDue: false,
      current: undefined,
      timings: { run: new Durations(), latency: new Durations() },
    }
    awaitInterval(state, cx)
    return state
  },
  handlers,
})
