/** Agents in the master's books: how they enter, lose their link and leave. Spec: master.md §4-7; states.md §3. */

import type { RunningExecutor } from '../../protocol/agent.ts'
import {
  ActivateAgent,
  AddAgents,
  DeactivateAgent,
  RecoverResources,
  RemoveAgent,
  type Share,
} from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type {
  AgentCapabilityType,
  ExecutorInfo,
  Operation,
  Resource,
  Task,
  TaskStatusReason,
} from '../../protocol/v1/index.ts'
import { type Resources, resources } from '../../src/resources/index.ts'
import { type Context, nameOf, type Pid } from '../../src/runtime/index.ts'
import { agentDocument } from './documents.ts'
import { announce, sendAgentFailure } from './events.ts'
import { startPings, stopPings } from './health.ts'
import type { Report } from './interning.ts'
import { rescindInverseOffersOf } from './inverse-offers.ts'
import { count } from './metrics.ts'
import { encodeAgentPart } from './offer-encoding.ts'
import { rescindOffers } from './offers.ts'
import { learnOperations, loseOperations } from './operations.ts'
import { agentShares, holdsResources, sharesOf, taskShares } from './shares.ts'
import {
  type Agent,
  type Framework,
  isInService,
  type MasterState,
  unavailabilityOf,
} from './state.ts'
import { noEntries, withEntry, withoutEntry } from './tables.ts'
import { addTask, completeTask, declareTask, fateOf } from './tasks.ts'

/** What an agent brings along. */
export interface Arrival {
  /** With the agent's id; interned. */
  readonly report: Report
  readonly pid: Pid
  readonly operations: readonly Operation[]
  /** Of frameworks that are in the books. */
  readonly tasks: readonly Task[]
  readonly executors: readonly RunningExecutor[]
}

/**
 * Registers an agent that is not in the books, with its tasks and executors. The caller lets the allocator
 * know of it, by `enterAllocator`.
 */
export function addAgent(state: MasterState, arrival: Arrival, cx: Context): Agent {
  const { report, pid } = arrival
  const { agent_info: info, version } = report
  const unavailability = unavailabilityOf(state, info)
  const agent: Agent = {
    id: info.id!.value,
    info,
    version,
    pid,
    connected: true,
    registeredMs: cx.now(),
    reregisteredMs: undefined,
    total: state.interned.of(totalOf(report)),
    resourceVersion: report.resource_version ?? '',
    capabilities: capabilitiesOf(report),
    operations: noEntries,
    missedPings: 0,
    tasks: new Set(),
    executors: noEntries,
    offers: new Set(),
    encoded: encodeAgentPart(info, unavailability),
    unavailability,
    inverseAnswers: noEntries,
  }
  state.agents.set(agent.id, agent)
  setAddress(state, agent, pid)
  state.recovered.delete(agent.id)
  state.unreachable.delete(agent.id)
  state.removed.delete(agent.id)
  cx.link(pid)
  for (const task of arrival.tasks) {
    const framework = state.frameworks.get(task.framework_id.value)
    if (framework !== undefined) addTask(state, framework, agent, task, cx)
  }
  for (const { framework_id, executor_info } of arrival.executors) {
    addExecutor(agent, framework_id.value, executor_info)
  }
  learnOperations(state, agent, arrival.operations)
  startPings(state, agent, cx)
  count(state, 'master/agents_added')
  const body = { agent: agentDocument(state, agent) }
  announce(state, 'agent', agent.id, { type: 'AGENT_ADDED', agent_added: body }, cx)
  return agent
}

export function totalOf({ agent_info, total_resources }: Report): Resources {
  return resources(total_resources ?? agent_info.resources ?? [])
}

/** Of agents that say nothing: those of this version, which refine and resize. */
const CAPABILITIES: readonly AgentCapabilityType[] = Object.freeze([
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'RESIZE_VOLUME',
  'AGENT_OPERATION_FEEDBACK',
  'AGENT_DRAINING',
] as const)

export function capabilitiesOf({ capabilities }: Report): readonly AgentCapabilityType[] {
  return capabilities ?? CAPABILITIES
}

/** The allocator learns agents with all that is used on them. */
export function enterAllocator(state: MasterState, agents: readonly Agent[], cx: Context): void {
  if (agents.length === 0) return
  cx.send(state.allocator, AddAgents, { agents: agents.map((agent) => entryOf(state, agent)) })
}

function entryOf(state: MasterState, agent: Agent): Payload<typeof AddAgents>['agents'][number] {
  const { hostname, attributes = [], domain } = agent.info
  return {
    agent_id: agent.id,
    hostname,
    attributes,
    ...(domain !== undefined && { domain }),
    // Frozen, and known by their identity: no copies.
    capabilities: agent.capabilities as AgentCapabilityType[],
    total: agent.total as Resources & Resource[],
    active: isInService(state, agent),
    ...(agent.unavailability !== undefined && { unavailability: agent.unavailability }),
    used: agentShares(agent),
  }
}

/** The same for an agent that turned out to use what was never offered. */
export function reenterAllocator(state: MasterState, agent: Agent, cx: Context): void {
  rescindOffers(state, [...agent.offers], cx)
  cx.send(state.allocator, RemoveAgent, { agent_id: agent.id })
  enterAllocator(state, [agent], cx)
}

export function addExecutor(agent: Agent, frameworkId: string, info: ExecutorInfo): void {
  let executors = agent.executors.get(frameworkId)
  if (executors === undefined) {
    executors = new Map()
    agent.executors = withEntry(agent.executors, frameworkId, executors)
  }
  executors.set(info.executor_id.value, info)
}

/** Takes an executor out of the books; returns what it used, for the allocator. */
export function takeExecutor(agent: Agent, frameworkId: string, executorId: string): Share[] {
  const executors = agent.executors.get(frameworkId)
  const info = executors?.get(executorId)
  if (executors === undefined || info === undefined) return []
  executors.delete(executorId)
  if (executors.size === 0) agent.executors = withoutEntry(agent.executors, frameworkId)
  return sharesOf(frameworkId, agent.id, info.resources)
}

/** Resources that were used are free again. */
export function release(state: MasterState, shares: Share[], cx: Context): void {
  if (shares.length > 0) cx.send(state.allocator, RecoverResources, { shares, used: true })
}

/**
 * The link to an agent broke: no offers of it, and time to come back. What non-checkpointing frameworks
 * ran there is over, since their executors die with the agent's process.
 */
export function disconnectAgent(state: MasterState, agent: Agent, cx: Context): void {
  if (!agent.connected) return
  agent.connected = false
  state.agentsByPid.delete(agent.pid)
  cx.send(state.allocator, DeactivateAgent, { agent_id: agent.id })
  rescindOffers(state, [...agent.offers], cx)
  for (const task of [...agent.tasks]) {
    const framework = state.frameworks.get(task.framework_id.value)
    if (framework !== undefined && framework.info.checkpoint !== true) {
      loseTask(state, framework, task, cx)
    }
  }
  for (const frameworkId of [...agent.executors.keys()]) {
    if (state.frameworks.get(frameworkId)?.info.checkpoint === true) continue
    for (const executorId of [...(agent.executors.get(frameworkId)?.keys() ?? [])]) {
      release(state, takeExecutor(agent, frameworkId, executorId), cx)
    }
  }
  const agent_id = { value: agent.id }
  const event = { type: 'AGENT_DISCONNECTED', agent_disconnected: { agent_id } } as const
  announce(state, 'agent', agent.id, event, cx)
}

function loseTask(state: MasterState, framework: Framework, task: Task, cx: Context): void {
  const shares = holdsResources(task) ? taskShares(task) : []
  const reason = 'REASON_AGENT_DISCONNECTED'
  const message = 'the agent is disconnected and the framework does not checkpoint'
  declareTask(state, framework, task, { state: 'TASK_LOST', reason, message }, cx)
  completeTask(state, framework, task)
  release(state, shares, cx)
}

/** The agent is back under an address, which is linked from now on. */
export function connectAgent(state: MasterState, agent: Agent, pid: Pid, cx: Context): void {
  forgetAddress(state, agent)
  agent.pid = pid
  agent.connected = true
  agent.missedPings = 0
  agent.reregisteredMs = cx.now()
  setAddress(state, agent, pid)
  cx.link(pid)
  if (isInService(state, agent)) cx.send(state.allocator, ActivateAgent, { agent_id: agent.id })
}

function setAddress(state: MasterState, agent: Agent, pid: Pid): void {
  state.agentsByPid.set(pid, agent)
  state.agentsByName.set(nameOf(pid), agent)
}

function forgetAddress(state: MasterState, agent: Agent): void {
  const name = nameOf(agent.pid)
  state.agentsByPid.delete(agent.pid)
  if (state.agentsByName.get(name) === agent) state.agentsByName.delete(name)
}

/** Why an agent leaves the books, and what becomes of its tasks (states.md §3). */
export interface Departure {
  readonly reason: TaskStatusReason
  readonly message: string
  /** Since when it does not answer; its tasks are kept as unreachable. Absent: they are lost. */
  readonly unreachableMs?: number
  /** An operator said so: its tasks are gone. */
  readonly gone?: boolean
}

/** Takes an agent out of the books. The registry must have it out already (master.md §19 (5)). */
export function removeAgent(
  state: MasterState,
  agent: Agent,
  departure: Departure,
  cx: Context,
): void {
  const { unreachableMs, gone = false } = departure
  stopPings(state, agent)
  cx.cancel(reregisterTimer(agent))
  if (agent.connected) cx.unlink(agent.pid)
  state.agents.delete(agent.id)
  forgetAddress(state, agent)
  state.removed.set(agent.id, true)
  cx.send(state.allocator, RemoveAgent, { agent_id: agent.id })
  rescindOffers(state, [...agent.offers], cx)
  rescindInverseOffersOf(state, agent, cx)
  for (const task of [...agent.tasks]) {
    const framework = state.frameworks.get(task.framework_id.value)
    if (framework === undefined) continue
    const unreachable = unreachableMs !== undefined
    const next = unreachable
      ? fateOf(framework, 'TASK_UNREACHABLE')
      : gone
        ? fateOf(framework, 'TASK_GONE_BY_OPERATOR')
        : 'TASK_LOST'
    const wasOver = !holdsResources(task)
    declareTask(state, framework, task, { ...departure, state: next }, cx)
    if (unreachable && !wasOver) keepUnreachable(framework, task)
    else completeTask(state, framework, task)
  }
  const fate = unreachableMs === undefined ? 'OPERATION_GONE_BY_OPERATOR' : 'OPERATION_UNREACHABLE'
  loseOperations(state, agent, fate, cx)
  sendAgentFailure(state, agent.id, cx)
  count(state, 'master/agents_removed')
}

/** Both TASK_UNREACHABLE and the TASK_LOST of others may come back with their agent (states.md §3.1). */
function keepUnreachable(framework: Framework, task: Task): void {
  framework.tasks.delete(task.task_id.value)
  framework.unreachable.set(task.task_id.value, task)
}

/** The timer that runs while a registered agent is disconnected. */
export function reregisterTimer({ id }: Agent): string {
  return `reregister ${id}`
}
