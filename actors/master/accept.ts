/**
 * ACCEPT: offers are used up, tasks launched, the rest declined. Spec: scheduler-api.md §6 (its steps
 * are named below), master.md §10. Everything here happens in one turn, so no agent can leave between
 * the check of the offers and their use (step D never applies).
 */
import { RunTasks } from '../../protocol/agent.ts'
import { UseResources } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type {
  ExecutorInfo,
  OfferId,
  OfferOperation,
  Task,
  TaskInfo,
  TaskStatusReason,
} from '../../protocol/v1/index.ts'
import { add, merge, none, type Resources, subtract } from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { addExecutor } from './agents.ts'
import { sendEvent, sendStatus } from './events.ts'
import { discardOffers, forget, giveBack, refuseSeconds } from './offers.ts'
import type { Agent, Framework, MasterState, Offer } from './state.ts'
import {
  type Claimed,
  judgeGroup,
  judgeTask,
  type LaunchContext,
  normaliseExecutor,
  normaliseTask,
} from './task-validation.ts'
import { addTask, fateOf, masterStatus } from './tasks.ts'

/** One ACCEPT under way. */
interface Acceptance {
  readonly state: MasterState
  readonly framework: Framework
  readonly agent: Agent
  readonly role: string
  readonly cx: Context
  /** What the operations so far have left of the offers. */
  remaining: Resources
  used: Resources
}

export function accept(
  state: MasterState,
  framework: Framework,
  { accept: { offer_ids = [], operations = [], filters } }: CallOf<'ACCEPT'>,
  cx: Context,
): Failure | undefined {
  const offers = ownOffers(state, framework, offer_ids)
  if (!offers.ok) {
    refuse(state, framework, offer_ids, operations, offers.error, cx)
    return offers.error
  }
  const [{ agent, share }] = offers.value as [Offer]
  for (const offer of offers.value) forget(state, offer)
  const offered = merge(offers.value.flatMap((offer) => offer.share.resources))
  const acceptance: Acceptance = {
    state,
    framework,
    agent,
    role: share.role,
    cx,
    remaining: offered,
    used: none,
  }
  for (const operation of operations) operate(acceptance, operation)
  const left = { ...share, resources: [...acceptance.remaining] }
  if (acceptance.used.length > 0) {
    cx.send(state.allocator, UseResources, {
      shares: [{ ...share, resources: [...acceptance.used] }],
    })
  }
  if (left.resources.length > 0) giveBack(state, [left], refuseSeconds(filters), cx)
  return undefined
}

/** Step A. */
function ownOffers(
  state: MasterState,
  framework: Framework,
  ids: readonly OfferId[],
): Result<Offer[], Failure> {
  if (ids.length === 0) return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: is empty' })
  const offers = new Set<Offer>()
  for (const { value } of ids) {
    const offer = state.offers.get(value)
    if (offer?.framework !== framework) {
      const reason = 'it was used, declined or rescinded, or is not yours'
      return fail('OFFER_STALE', { offer_id: value, reason })
    }
    if (offers.has(offer)) {
      return fail('INVALID_OFFERS', { problem: `accept.offer_ids: ${value} stands twice` })
    }
    offers.add(offer)
  }
  const all = [...offers]
  const [{ agent, share }] = all as [Offer]
  if (all.some((offer) => offer.agent !== agent)) {
    return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: are of different agents' })
  }
  if (all.some((offer) => offer.share.role !== share.role)) {
    return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: are of different roles' })
  }
  return ok(all)
}

/** Step A, invalid: offers of this framework are void, its tasks were dropped. */
function refuse(
  state: MasterState,
  framework: Framework,
  ids: readonly OfferId[],
  operations: readonly OfferOperation[],
  { message }: Failure,
  cx: Context,
): void {
  const own = ids.flatMap(({ value }) => {
    const offer = state.offers.get(value)
    return offer?.framework === framework ? [offer] : []
  })
  discardOffers(state, [...new Set(own)], cx)
  for (const operation of operations) {
    for (const { task_id, agent_id, executor } of tasksOf(operation)) {
      const status = {
        ...masterStatus(task_id.value, fateOf(framework, 'TASK_DROPPED'), cx),
        reason: 'REASON_INVALID_OFFERS',
        message,
        agent_id,
        ...(executor !== undefined && { executor_id: executor.executor_id }),
      } as const
      sendStatus(state, framework, status, cx)
    }
    if (!isLaunch(operation)) operationError(state, framework, operation, message, cx)
  }
}

function tasksOf({ launch, launch_group }: OfferOperation): readonly TaskInfo[] {
  return launch?.task_infos ?? launch_group?.task_group.tasks ?? []
}

function isLaunch({ type }: OfferOperation): boolean {
  return type === 'LAUNCH' || type === 'LAUNCH_GROUP'
}

/** Step E. */
function operate(acceptance: Acceptance, operation: OfferOperation): void {
  const { state, framework, cx } = acceptance
  switch (operation.type) {
    case 'LAUNCH':
      launch(acceptance, operation)
      break
    case 'LAUNCH_GROUP':
      launchGroup(acceptance, operation)
      break
    case 'UNKNOWN':
    case undefined:
      break
    default: {
      const message = `the operation ${operation.type} is not supported by this master`
      operationError(state, framework, operation, message, cx)
    }
  }
}

/** Told only if the framework gave the operation an id; not to be acknowledged. */
function operationError(
  state: MasterState,
  framework: Framework,
  { id: operation_id }: OfferOperation,
  message: string,
  cx: Context,
): void {
  if (operation_id === undefined) return
  const status = { operation_id, state: 'OPERATION_ERROR', message } as const
  const event = { type: 'UPDATE_OPERATION_STATUS', update_operation_status: { status } } as const
  sendEvent(state, framework, event, cx)
}

/** Each task stands alone. Commands travel together, the others with their executor. */
function launch(acceptance: Acceptance, { id, launch }: OfferOperation): void {
  const context = launchContext(acceptance)
  /** By executor; the empty id stands for commands. */
  const batches = new Map<string, { tasks: TaskInfo[]; executor?: ExecutorInfo; start: boolean }>()
  for (const info of launch?.task_infos ?? []) {
    const task = normaliseTask(info, context)
    const verdict =
      id === undefined
        ? judgeTask(task, context, acceptance.remaining)
        : ({ ok: false, problem: 'operation.id: must not be set for LAUNCH' } as const)
    if (!verdict.ok) {
      taskError(acceptance, task, 'REASON_TASK_INVALID', verdict.problem)
      continue
    }
    const { executor } = task
    const key = executor?.executor_id.value ?? ''
    const start = key !== '' && context.runningExecutor(key) === undefined
    take(acceptance, [task], executor, verdict.claimed)
    const batch = batches.get(key)
    if (batch !== undefined) batch.tasks.push(task)
    else batches.set(key, { tasks: [task], start, ...(executor !== undefined && { executor }) })
  }
  for (const { tasks, executor, start } of batches.values()) {
    run(acceptance, tasks, executor, start, false)
  }
}

/** All or nothing. */
function launchGroup(acceptance: Acceptance, { id, launch_group: group }: OfferOperation): void {
  const { role, framework } = acceptance
  const members = group?.task_group.tasks ?? []
  const context = launchContext(acceptance)
  if (group === undefined) return
  const executor = normaliseExecutor(group.executor, role, framework.id)
  const tasks = members.map((task) => normaliseTask(task, context))
  const verdict =
    id === undefined
      ? judgeGroup(executor, tasks, context, acceptance.remaining)
      : ({ ok: false, problem: 'operation.id: must not be set for LAUNCH_GROUP' } as const)
  if (!verdict.ok) {
    for (const task of tasks) {
      taskError(acceptance, task, 'REASON_TASK_GROUP_INVALID', verdict.problem)
    }
    return
  }
  const start = context.runningExecutor(executor.executor_id.value) === undefined
  const whole = tasks.map((task) => ({ ...task, executor }))
  take(acceptance, whole, executor, verdict.claimed)
  run(acceptance, whole, executor, start, true)
}

function launchContext({ framework, agent, role }: Acceptance): LaunchContext {
  return {
    agentId: agent.id,
    frameworkId: framework.id,
    role,
    isTaken: (id) => framework.tasks.has(id) || framework.unreachable.has(id),
    runningExecutor: (id) => agent.executors.get(framework.id)?.get(id),
    // No agent announces TASK_RESOURCE_LIMITS: registration carries no capabilities.
    supportsLimits: false,
  }
}

function taskError(
  { state, framework, agent, cx }: Acceptance,
  { task_id, executor }: TaskInfo,
  reason: TaskStatusReason,
  message: string,
): void {
  const status = {
    ...masterStatus(task_id.value, 'TASK_ERROR', cx),
    reason,
    message,
    agent_id: { value: agent.id },
    ...(executor !== undefined && { executor_id: executor.executor_id }),
  }
  sendStatus(state, framework, status, cx)
}

/** Enters tasks, and their executor if it does not run, into the books. */
function take(
  acceptance: Acceptance,
  tasks: readonly TaskInfo[],
  executor: ExecutorInfo | undefined,
  claimed: Claimed,
): void {
  const { state, framework, agent, cx } = acceptance
  for (const part of [...claimed.tasks, claimed.executor]) {
    acceptance.remaining = subtract(acceptance.remaining, part)
    acceptance.used = add(acceptance.used, part)
  }
  if (executor !== undefined) {
    const id = executor.executor_id.value
    const runs = agent.executors.get(framework.id)?.has(id) === true
    if (!runs) addExecutor(agent, framework.id, executor)
  }
  for (const task of tasks) addTask(state, framework, agent, newTask(framework, task), cx)
}

function newTask(framework: Framework, info: TaskInfo): Task {
  const { name, task_id, agent_id, resources, executor, command } = info
  const { labels, discovery, container, health_check, kill_policy, limits } = info
  const user = command?.user ?? executor?.command?.user ?? framework.info.user
  return {
    name,
    task_id,
    framework_id: { value: framework.id },
    agent_id,
    state: 'TASK_STAGING',
    user,
    ...(executor !== undefined && { executor_id: executor.executor_id }),
    ...(resources !== undefined && { resources }),
    ...(labels !== undefined && { labels }),
    ...(discovery !== undefined && { discovery }),
    ...(container !== undefined && { container }),
    ...(health_check !== undefined && { health_check }),
    ...(kill_policy !== undefined && { kill_policy }),
    ...(limits !== undefined && { limits }),
  }
}

function run(
  { state, framework, agent, cx }: Acceptance,
  tasks: TaskInfo[],
  executor: ExecutorInfo | undefined,
  launch_executor: boolean,
  group: boolean,
): void {
  cx.send(agent.pid, RunTasks, {
    epoch: state.epoch,
    framework_info: framework.info,
    tasks,
    ...(executor !== undefined && { executor }),
    launch_executor,
    group,
  })
}
