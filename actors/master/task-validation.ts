/**
 * Whether a task may be launched. Pure. Spec: scheduler-api.md §6.1; the numbers are its rules, in their
 * order. Problems are sentences that name the place; they become TASK_ERROR.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  type ExecutorInfo,
  idProblem,
  type Resource,
  type TaskInfo,
} from '../../protocol/v1/index.ts'
import {
  checkClaim,
  checkExecutorResources,
  checkLimits,
  checkTaskResources,
  executorMinimumFault,
  formatFault,
  none,
  type Resources,
  transform,
} from '../../src/resources/index.ts'
import {
  checkProblem,
  containerProblem,
  environmentProblem,
  healthCheckProblem,
  type Problem,
} from './check-validation.ts'
import { withoutAllocation } from './state.ts'

/** What a task is judged against: its offer, its agent and its framework. */
export interface LaunchContext {
  readonly agentId: string
  readonly frameworkId: string
  /** The role of the offers. */
  readonly role: string
  /** Whether an active or unreachable task of the framework has this id. */
  readonly isTaken: (taskId: string) => boolean
  /** The executor of this framework that runs on the agent under an id. */
  readonly runningExecutor: (executorId: string) => ExecutorInfo | undefined
  /** Whether the agent obeys `limits`. */
  readonly supportsLimits: boolean
}

/** What a valid launch takes out of the offers, without allocation. */
export interface Claimed {
  readonly tasks: readonly Resources[]
  /** Nothing if there is no executor, or if it runs already. */
  readonly executor: Resources
}

export type Verdict =
  | { readonly ok: true; readonly claimed: Claimed }
  | { readonly ok: false; readonly problem: string }

/** One task of LAUNCH against what remains of the offers. The task is normalised (`normaliseTask`). */
export function judgeTask(task: TaskInfo, context: LaunchContext, remaining: Resources): Verdict {
  const problem = taskProblem(task, context, false) ?? ownExecutorProblem(task, context)
  if (problem !== undefined) return { ok: false, problem }
  return judgeClaim([task], task.executor, false, context, remaining)
}

/** All tasks of LAUNCH_GROUP, or none. */
export function judgeGroup(
  executor: ExecutorInfo,
  tasks: readonly TaskInfo[],
  context: LaunchContext,
  remaining: Resources,
): Verdict {
  const problem = groupProblem(executor, tasks, context)
  if (problem !== undefined) return { ok: false, problem }
  return judgeClaim(tasks, executor, true, context, remaining)
}

/** Fills in what schedulers may leave out (scheduler-api.md §6, step C). */
export function normaliseTask(task: TaskInfo, { role, frameworkId }: LaunchContext): TaskInfo {
  const { health_check, executor } = task
  return {
    ...task,
    resources: (task.resources ?? []).map((resource) => allocated(resource, role)),
    ...(health_check !== undefined && { health_check: withType(health_check) }),
    ...(executor !== undefined && { executor: normaliseExecutor(executor, role, frameworkId) }),
  }
}

export function normaliseExecutor(
  executor: ExecutorInfo,
  role: string,
  frameworkId: string,
): ExecutorInfo {
  return {
    ...executor,
    framework_id: executor.framework_id ?? { value: frameworkId },
    resources: (executor.resources ?? []).map((resource) => allocated(resource, role)),
  }
}

function allocated(resource: Resource, role: string): Resource {
  if (resource.allocation_info?.role !== undefined) return resource
  return { ...resource, allocation_info: { role } }
}

function withType(check: NonNullable<TaskInfo['health_check']>) {
  if (check.type !== undefined) return check
  if (check.command !== undefined && check.http === undefined) {
    return { ...check, type: 'COMMAND' as const }
  }
  if (check.http !== undefined && check.command === undefined) {
    return { ...check, type: 'HTTP' as const }
  }
  return check
}

/** Rules 1 to 11. */
function taskProblem(task: TaskInfo, context: LaunchContext, inGroup: boolean): Problem {
  const { task_id, agent_id, kill_policy, max_completion_time, check, health_check } = task
  const id = idProblem(task_id.value)
  if (id !== undefined) return `task_id.value: ${id}`
  if (context.isTaken(task_id.value)) return `task_id.value: '${task_id.value}' is in use already`
  if (agent_id.value !== context.agentId) {
    return `agent_id.value: must be the agent of the offer, ${context.agentId}`
  }
  if ((kill_policy?.grace_period?.nanoseconds ?? 0) < 0) {
    return 'kill_policy.grace_period: must not be negative'
  }
  if ((max_completion_time?.nanoseconds ?? 0) < 0) {
    return 'max_completion_time: must not be negative'
  }
  return (
    (check && checkProblem(check, 'check')) ??
    (health_check && healthCheckProblem(health_check, 'health_check')) ??
    environmentProblem(task.command?.environment, 'command.environment') ??
    containerProblem(task.container, 'container') ??
    limitsProblem(task, context, inGroup)
  )
}

function limitsProblem(task: TaskInfo, context: LaunchContext, inGroup: boolean): Problem {
  if (task.limits === undefined) return undefined
  const requested = checkTaskResources(task.resources ?? [])
  if (!requested.ok) return formatFault(requested.error)
  const limits = Object.fromEntries(
    Object.entries(task.limits).map(([name, { value }]) => [name, { value: Number(value) }]),
  )
  const sharesCgroups = inGroup && sharing(task)
  const fault = checkLimits(limits, requested.value, {
    supported: context.supportsLimits,
    sharesCgroups,
  })
  return fault && formatFault(fault)
}

/** Rules 12 and 13: a command, or an executor of its own. */
function ownExecutorProblem(task: TaskInfo, context: LaunchContext): Problem {
  const { command, executor, container } = task
  if ((command === undefined) === (executor === undefined)) {
    return 'must have exactly one of command and executor'
  }
  if (container?.linux_info?.share_cgroups === false) {
    return 'container.linux_info.share_cgroups: must not be false outside a task group'
  }
  if (executor === undefined) {
    return command?.value === undefined && command?.shell !== false
      ? 'command.value: is missing'
      : undefined
  }
  if (executor.type === 'DEFAULT') return 'executor.type: must be CUSTOM or unset'
  return executorProblem(executor, context)
}

function executorProblem(executor: ExecutorInfo, context: LaunchContext): Problem {
  const { executor_id, type, command, container, shutdown_grace_period, framework_id } = executor
  const id = idProblem(executor_id.value)
  if (id !== undefined) return `executor.executor_id.value: ${id}`
  if (type === 'DEFAULT') {
    if (command !== undefined) return 'executor.command: must not be set for DEFAULT'
    if (container !== undefined && container.type !== 'MESOS') {
      return 'executor.container.type: must be MESOS for DEFAULT'
    }
    if (container?.mesos?.image !== undefined) {
      return 'executor.container.mesos.image: must not be set for DEFAULT'
    }
  } else if (command === undefined) return 'executor.command: is missing'
  if ((shutdown_grace_period?.nanoseconds ?? 0) < 0) {
    return 'executor.shutdown_grace_period: must not be negative'
  }
  if (framework_id?.value !== context.frameworkId) {
    return `executor.framework_id: must be ${context.frameworkId}`
  }
  if (container?.linux_info?.share_cgroups === true) {
    return 'executor.container.linux_info.share_cgroups: must not be true'
  }
  const running = context.runningExecutor(executor_id.value)
  if (running !== undefined && !isDeepStrictEqual(plain(running), plain(executor))) {
    return `executor: differs from the executor '${executor_id.value}' that runs on the agent`
  }
  return (
    environmentProblem(command?.environment, 'executor.command.environment') ??
    containerProblem(container, 'executor.container')
  )
}

/** Without prototypes and undefined fields, which say nothing but would count as differences. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Rule 14. */
function groupProblem(
  executor: ExecutorInfo,
  tasks: readonly TaskInfo[],
  context: LaunchContext,
): Problem {
  if (tasks.length === 0) return 'task_group.tasks: must not be empty'
  const ids = new Set(tasks.map(({ task_id }) => task_id.value))
  if (ids.size < tasks.length) return 'task_group.tasks: must not hold a task id twice'
  if (executor.type === undefined || executor.type === 'UNKNOWN') {
    return 'executor.type: must be DEFAULT or CUSTOM'
  }
  if (executor.container?.type === 'DOCKER') return 'executor.container.type: must not be DOCKER'
  for (const task of tasks) {
    const problem = memberProblem(task, executor, context)
    if (problem !== undefined) return `task '${task.task_id.value}': ${problem}`
  }
  if (new Set(tasks.map(sharing)).size > 1) {
    return 'container.linux_info.share_cgroups: must be the same for all tasks of a group'
  }
  return executorProblem(executor, context)
}

function memberProblem(task: TaskInfo, executor: ExecutorInfo, context: LaunchContext): Problem {
  const { container, health_check } = task
  if (task.executor !== undefined && !isDeepStrictEqual(plain(task.executor), plain(executor))) {
    return 'executor: must be that of the group'
  }
  if (container?.type === 'DOCKER') return 'container.type: must not be DOCKER in a group'
  const overNetwork = health_check?.type === 'HTTP' || health_check?.type === 'TCP'
  if (overNetwork && (container?.network_infos?.length ?? 0) > 0) {
    return 'container.network_infos: cannot go with a health check over the network'
  }
  return taskProblem(task, context, true)
}

/** Whether a member of a group shares its executor's cgroups: yes, unless it says no. */
function sharing({ container }: TaskInfo): boolean {
  return container?.linux_info?.share_cgroups ?? true
}

/** Rules 8 and 12: the resources of tasks and executor, and whether the offers hold them. */
function judgeClaim(
  tasks: readonly TaskInfo[],
  executor: ExecutorInfo | undefined,
  isGroup: boolean,
  context: LaunchContext,
  remaining: Resources,
): Verdict {
  const claims: Resources[] = []
  for (const { resources = [] } of tasks) {
    const checked = checkTaskResources(resources)
    if (!checked.ok) return { ok: false, problem: formatFault(checked.error) }
    const stranger = strangerRole(checked.value, context.role)
    if (stranger !== undefined) return { ok: false, problem: stranger }
    claims.push(transform(checked.value, withoutAllocation))
  }
  let executorResources = none
  if (executor !== undefined) {
    const checked = checkExecutorResources(executor.resources ?? [], isGroup)
    if (!checked.ok) return { ok: false, problem: formatFault(checked.error) }
    const tooSmall = isGroup ? executorMinimumFault(checked.value, true) : undefined
    if (tooSmall !== undefined) return { ok: false, problem: formatFault(tooSmall) }
    const stranger = strangerRole(checked.value, context.role)
    if (stranger !== undefined) return { ok: false, problem: stranger }
    executorResources = transform(checked.value, withoutAllocation)
  }
  const runs =
    executor !== undefined && context.runningExecutor(executor.executor_id.value) !== undefined
  const claim = {
    tasks: claims,
    ...(executor !== undefined && { executor: executorResources }),
    executorRunning: runs,
  }
  const fault = checkClaim(claim, remaining, 'resources')
  if (fault !== undefined) return { ok: false, problem: formatFault(fault) }
  return { ok: true, claimed: { tasks: claims, executor: runs ? none : executorResources } }
}

function strangerRole(resources: Resources, role: string): Problem {
  const other = resources.find(({ allocation_info }) => allocation_info?.role !== role)
  if (other === undefined) return undefined
  return `resources: are allocated to '${other.allocation_info?.role}', the offers to '${role}'`
}
