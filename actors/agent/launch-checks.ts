/**
 * Why a launch is not carried out: the rows of agent.md §5 that exist here, as decisions on data. What
 * the agent cannot do yet it refuses in words, rather than run a task as if it had not been asked.
 */

import type { RunTasks } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { CommandInfo } from '../../protocol/v1/command.ts'
import type { ContainerInfo } from '../../protocol/v1/container.ts'
import { idProblem } from '../../protocol/v1/ids.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { unknownResources } from './ledger.ts'
import { executorPath, frameworkPath } from './paths.ts'
import { type AgentState, agentId, type Framework, forFramework, tasksMax } from './state.ts'
import { containerPathProblem } from './volumes.ts'

export type Launch = Payload<typeof RunTasks>

/** The update that a task gets instead of a launch. */
export type Refusal = Pick<TaskStatus, 'state' | 'reason' | 'message'>

/** Whether the launch is passed over in silence: the master learns by reconciliation (rows 2, 3, 6). */
export function isSilent(state: AgentState, launch: Launch): string | undefined {
  const framework = state.frameworks.get(launch.framework_info.id?.value ?? '')
  if (launch.framework_info.id === undefined) return 'it names no framework'
  if (framework?.terminating) return 'its framework is terminating'
  if (state.stop === 'CLOSING') return 'the agent is stopped'
  const id = agentId(state)
  if (launch.tasks.some(({ agent_id }) => agent_id.value !== id)) return 'it is for another agent'
  // Never twice: the messages of a broker might come again (agent.md §15 invariant 4).
  if (launch.tasks.some(({ task_id }) => framework?.tasks.has(task_id.value))) {
    return 'a task of that id is here already'
  }
  return undefined
}

/** Why a task is refused, or undefined. In a group the first refusal stands for all. */
export function refusalOf(
  state: AgentState,
  framework: Framework | undefined,
  launch: Launch,
  task: TaskInfo,
): Refusal | undefined {
  const drop = (reason: NonNullable<TaskStatus['reason']>, message: string): Refusal => ({
    state: forFramework(launch.framework_info, 'TASK_DROPPED'),
    reason,
    message,
  })
  const invalid = (message: string): Refusal => ({
    state: 'TASK_ERROR' satisfies TaskState,
    reason: launch.group ? 'REASON_TASK_GROUP_INVALID' : 'REASON_TASK_INVALID',
    message,
  })
  const { executor } = launch
  const executorId = executor?.executor_id.value ?? task.task_id.value
  const problem = idProblem(task.task_id.value) ?? idProblem(executorId)
  if (problem !== undefined) return invalid(`the id of the task or its executor ${problem}`)
  if (state.drain !== undefined) return drop('REASON_AGENT_DRAINING', 'the agent drains')
  if (state.stop !== undefined) return drop('REASON_AGENT_DRAINING', 'the agent is stopped')
  if (state.taskCount >= tasksMax) {
    return drop('REASON_GC_ERROR', `the agent holds ${tasksMax} tasks, more it does not take`)
  }
  const ids = {
    agent: agentId(state),
    framework: launch.framework_info.id?.value ?? '',
    executor: executorId,
    container: '',
  }
  const { work_dir } = state.options
  if ([executorPath, frameworkPath].some((pathOf) => state.removing.has(pathOf(work_dir, ids)))) {
    return drop('REASON_GC_ERROR', 'old sandboxes of this executor are being removed, try again')
  }
  const missing = unsupported(launch, task)
  if (missing !== undefined) return invalid(missing)
  const unknown =
    unknownResources(state.ledger, task.resources) ??
    unknownResources(state.ledger, executor?.resources)
  if (unknown !== undefined) {
    return drop('REASON_RESOURCES_UNKNOWN', `the agent does not have ${unknown}`)
  }
  const known = framework?.executors.get(executorId)
  if (executor === undefined) {
    return known && drop('REASON_TASK_INVALID', `an executor ${executorId} runs already`)
  }
  if (known === undefined) {
    return launch.launch_executor
      ? undefined
      : drop('REASON_EXECUTOR_TERMINATED', `the executor ${executorId} does not run (any more)`)
  }
  if (launch.launch_executor) {
    return drop('REASON_EXECUTOR_TERMINATED', `an executor ${executorId} runs already`)
  }
  return known.phase === 'terminating' || known.phase === 'terminated'
    ? drop('REASON_EXECUTOR_TERMINATED', `the executor ${executorId} is terminating`)
    : undefined
}

/** What a task asks for that this agent cannot do. */
function unsupported({ executor, group }: Launch, task: TaskInfo): string | undefined {
  if (executor?.type === 'DEFAULT') return 'the default executor is not supported by this agent'
  if (executor === undefined && group) return 'a group of tasks needs an executor'
  if (executor === undefined && task.command === undefined) return 'neither command nor executor'
  if (executor !== undefined && executor.command === undefined) {
    return 'a custom executor needs a command'
  }
  const [command, container] =
    executor === undefined ? [task.command, task.container] : [executor.command, executor.container]
  if (executor === undefined && (task.health_check !== undefined || task.check !== undefined)) {
    return 'checks and health checks of command tasks are not supported by this agent'
  }
  return (
    unsupportedCommand(command) ??
    unsupportedContainer(container) ??
    containerPathProblem(task.resources) ??
    containerPathProblem(executor?.resources)
  )
}

function unsupportedCommand(command: CommandInfo | undefined): string | undefined {
  const [uri] = command?.uris ?? []
  return uri && `URIs are not fetched by this agent (${uri.value})`
}

function unsupportedContainer(container: ContainerInfo | undefined): string | undefined {
  if (container === undefined) return undefined
  if (container.type === 'DOCKER' || container.mesos?.image !== undefined) {
    return 'images are not supported by this agent'
  }
  return (container.volumes ?? []).length > 0
    ? 'volumes are not supported by this agent'
    : undefined
}
