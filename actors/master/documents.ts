/** What operators read of the master's state. Spec: operator-api.md §B, §F. */

import type { MasterTasks } from '../../protocol/operator.ts'
import type {
  AgentState,
  ExecutorState,
  FrameworkState,
  Operation,
  Task,
} from '../../protocol/v1/index.ts'
import { entries } from '../../src/paging/index.ts'
import { none, type Resources } from '../../src/resources/index.ts'
import { inverseOfferDocument } from './inverse-offers.ts'
import { offerDocument } from './offer-encoding.ts'
import { addTimes, allocatedOnAgent, documents, offeredOnAgent, type Tally } from './shares.ts'
import {
  type Agent,
  type CompletedFramework,
  type Framework,
  type InverseOffer,
  isActive,
  isInService,
  type MasterState,
  toTimeInfo,
} from './state.ts'
import type { Usage } from './usage.ts'

export function agentDocument(state: MasterState, agent: Agent): AgentState {
  const drain_info = state.drains.get(agent.id)
  const drainStart = state.drainStarts.get(agent)
  const { info, version, pid, registeredMs, reregisteredMs, total } = agent
  return {
    agent_info: info,
    active: isInService(state, agent),
    deactivated: state.deactivated.has(agent.id),
    version,
    pid,
    registered_time: toTimeInfo(registeredMs),
    ...(reregisteredMs !== undefined && { reregistered_time: toTimeInfo(reregisteredMs) }),
    total_resources: documents(total),
    allocated_resources: allocatedOnAgent(agent),
    offered_resources: offeredOnAgent(agent),
    capabilities: [...agent.capabilities].map((type) => ({ type })),
    ...(drain_info !== undefined && { drain_info }),
    ...(drain_info !== undefined &&
      drainStart !== undefined && { estimated_drain_start_time: toTimeInfo(drainStart) }),
  }
}

/** GET_AGENTS, to be told whole or in pages. */
export function agentsDocument(state: MasterState) {
  return {
    agents: entries(state.agents.values(), (each) => agentDocument(state, each)),
    recovered_agents: [...state.recovered.values()],
  }
}

/** What events tell of a framework: without its offers and resources (operator-api.md §C). */
export function frameworkDocument(framework: Framework): FrameworkState {
  const { info, phase, registeredMs, reregisteredMs, constraints } = framework
  return {
    framework_info: info,
    active: isActive(framework),
    connected: phase === 'connected' || phase === 'subscribing',
    recovered: phase === 'recovered',
    ...(registeredMs !== undefined && { registered_time: toTimeInfo(registeredMs) }),
    ...(reregisteredMs !== undefined && { reregistered_time: toTimeInfo(reregisteredMs) }),
    ...(constraints !== undefined && { offer_constraints: constraints }),
  }
}

function completedDocument(completed: CompletedFramework): FrameworkState {
  const { info, registeredMs, unregisteredMs } = completed
  return {
    framework_info: info,
    active: false,
    connected: false,
    recovered: false,
    ...(registeredMs !== undefined && { registered_time: toTimeInfo(registeredMs) }),
    unregistered_time: toTimeInfo(unregisteredMs),
  }
}

/** What frameworks have. */
type Holdings = Pick<FrameworkState, 'allocated_resources' | 'offered_resources'>

/**
 * GET_FRAMEWORKS, to be told whole or in pages. In pages frameworks come without their offers, any number of
 * which may be out: GET_OFFERS lists them. A step for each list of resources.
 */
export function* frameworksDocument(state: MasterState, usage: Usage, paged: boolean) {
  const holdings = new Map<string, Holdings>()
  for (const [id, { used, offered }] of usage.frameworks) {
    const allocated_resources = documents(yield* mergeAll([used]))
    const offered_resources = documents(yield* mergeAll(offered.values()))
    holdings.set(id, { allocated_resources, offered_resources })
  }
  const inverse = new Map<Framework, InverseOffer[]>()
  for (const offer of state.inverseOffers.values()) {
    const known = inverse.get(offer.framework)
    if (known === undefined) inverse.set(offer.framework, [offer])
    else known.push(offer)
  }
  return {
    frameworks: entries(state.frameworks.values(), (framework) => ({
      ...frameworkDocument(framework),
      ...(holdings.get(framework.id) ?? NOTHING),
      ...(!paged && {
        offers: [...framework.offers].map(offerDocument),
        inverse_offers: (inverse.get(framework) ?? []).map(inverseOfferDocument),
      }),
    })),
    completed_frameworks: entries(state.completedFrameworks.values(), completedDocument),
  }
}

const NOTHING: Holdings = { allocated_resources: [], offered_resources: [] }

function* mergeAll(tallies: Iterable<Tally>): Generator<void, Resources> {
  let all = none
  for (const tally of tallies) {
    for (const [list, times] of tally) {
      all = addTimes(all, list, times)
      yield
    }
  }
  return all
}

export function tasksDocument(state: MasterState): MasterTasks {
  const frameworks = [...state.frameworks.values()]
  const ended = [...state.completedFrameworks.values()]
  return {
    tasks: frameworks.flatMap(({ tasks }) => [...tasks.values()]),
    unreachable_tasks: frameworks.flatMap(({ unreachable }) => [...unreachable.values()]),
    completed_tasks: [...ended.flatMap(({ tasks }) => tasks), ...frameworks.flatMap(completedOf)],
  }
}

function completedOf({ completed }: Framework): readonly Task[] {
  return completed
}

export function executorsDocument(state: MasterState): ExecutorState[] {
  return [...state.agents.values()].flatMap(({ id, executors }) =>
    [...executors.values()].flatMap((ofFramework) =>
      [...ofFramework.values()].map((executor_info) => ({
        executor_info,
        agent_id: { value: id },
      })),
    ),
  )
}

export function operationsDocument(state: MasterState): Operation[] {
  return [...state.agents.values()].flatMap(({ operations }) => [...operations.values()])
}
