/**
 * LAUNCH and LAUNCH_GROUP: tasks that are judged, entered into the books and sent to their agent.
 * Spec: scheduler-api.md §6.1, master.md §10.
 */
import { RunTasks } from '../../protocol/agent.ts'
import type {
  ExecutorInfo,
  OfferOperation,
  Task,
  TaskInfo,
  TaskStatusReason,
} from '../../protocol/v1/index.ts'
import { type Acceptance, availableTo, use } from './acceptance.ts'
import { addExecutor } from './agents.ts'
import { sendStatus } from './events.ts'
import type { Framework } from './state.ts'
import {
  type Claimed,
  judgeGroup,
  judgeTask,
  type LaunchContext,
  normaliseExecutor,
  normaliseTask,
} from './task-validation.ts'
import { addTask, masterStatus } from './tasks.ts'

/** Each task stands alone. Commands travel together, the others with their executor. */
export function launch(acceptance: Acceptance, { id, launch }: OfferOperation): void {
  const context = launchContext(acceptance)
  /** By executor; the empty id stands for commands. */
  const batches = new Map<string, { tasks: TaskInfo[]; executor?: ExecutorInfo; start: boolean }>()
  for (const info of launch?.task_infos ?? []) {
    const task = normaliseTask(info, context)
    const verdict =
      id === undefined
        ? judgeTask(task, context, availableTo(acceptance))
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
export function launchGroup(
  acceptance: Acceptance,
  { id, launch_group: group }: OfferOperation,
): void {
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
  for (const part of [...claimed.tasks, claimed.executor]) use(acceptance, part)
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
