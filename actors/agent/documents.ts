/** What masters and operators read of an agent's tasks. Spec: operator-api.md §D, §F.4. */

import type { RegisterAgent, ReregisterAgent } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { AgentTasks } from '../../protocol/operator.ts'
import type { AgentCapabilityType } from '../../protocol/v1/agent.ts'
import type { Operation } from '../../protocol/v1/offer.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { Task, TaskInfo } from '../../protocol/v1/task.ts'
import { scalarMillis } from '../../src/resources/index.ts'
import { reportedResources } from './ledger.ts'
import type { AgentState, AgentTask, CompletedTask, TaskPhase } from './state.ts'

/** The version of the agent's software, as it tells masters and operators. */
export const version = '0.1.0'

interface Parts {
  readonly framework: string
  readonly executor: string | undefined
  readonly state: TaskState
  readonly statuses: readonly TaskStatus[]
  readonly forwarded?: TaskStatus | undefined
}

/** The document of a task: its launch without the parts that only executors need, and its states. */
export function taskDocument(info: TaskInfo, parts: Parts): Task {
  const { name, task_id, agent_id, resources, labels, discovery, container, limits } = info
  const { health_check, kill_policy } = info
  const { framework, executor, state, statuses, forwarded } = parts
  const user = info.command?.user
  return {
    name,
    task_id,
    agent_id,
    framework_id: { value: framework },
    ...(executor === undefined ? {} : { executor_id: { value: executor } }),
    state,
    statuses: [...statuses],
    ...(resources === undefined ? {} : { resources }),
    ...(labels === undefined ? {} : { labels }),
    ...(discovery === undefined ? {} : { discovery }),
    ...(container === undefined ? {} : { container }),
    ...(limits === undefined ? {} : { limits }),
    ...(health_check === undefined ? {} : { health_check }),
    ...(kill_policy === undefined ? {} : { kill_policy }),
    ...(user === undefined ? {} : { user }),
    ...(forwarded === undefined ? {} : { status_update_state: forwarded.state }),
    ...(forwarded?.uuid === undefined ? {} : { status_update_uuid: forwarded.uuid }),
  }
}

function documentOf({ info, executor, state, statuses, forwarded }: AgentTask): Task {
  return taskDocument(info, {
    framework: executor.framework.id,
    executor: executor.command ? undefined : executor.info.executor_id.value,
    state,
    statuses,
    forwarded,
  })
}

function completedDocument({ framework, info, executor, state, statuses }: CompletedTask): Task {
  return taskDocument(info, { framework, executor, state, statuses })
}

/** What an agent can do (states.md §4.2); of operations it tells how they ended. */
const capabilities: readonly AgentCapabilityType[] = [
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'RESIZE_VOLUME',
  'AGENT_OPERATION_FEEDBACK',
  'AGENT_DRAINING',
]

/** What a master must know of an agent that it has not admitted yet. */
export function newcomer({ info, ledger }: AgentState): Payload<typeof RegisterAgent> {
  return {
    agent_info: info,
    version,
    capabilities: [...capabilities],
    total_resources: reportedResources(ledger),
    resource_version: ledger.version,
  }
}

/** All that a master must know of an agent that is back. */
export function reregistration(state: AgentState): Payload<typeof ReregisterAgent> {
  const frameworks = [...state.frameworks.values()].filter(({ terminating }) => !terminating)
  return {
    ...newcomer(state),
    disk_age: state.diskAge,
    operations: operationDocuments(state),
    tasks: frameworks.flatMap(({ tasks }) => [...tasks.values()].map(documentOf)),
    executors: frameworks.flatMap(({ id, executors }) =>
      [...executors.values()]
        .filter(({ command, phase }) => !command && phase !== 'terminated')
        .map(({ info }) => ({ framework_id: { value: id }, executor_info: info })),
    ),
    frameworks: frameworks.map(({ info }) => info),
  }
}

/** Those whose outcome is not acknowledged. */
export function operationDocuments({ ledger }: AgentState): Operation[] {
  return [...ledger.operations.values()].map(({ document }) => document)
}

export function agentTasks(state: AgentState): AgentTasks {
  const all = [...state.frameworks.values()].flatMap(({ tasks }) => [...tasks.values()])
  const inPhase = (phase: TaskPhase) => all.filter((task) => task.phase === phase).map(documentOf)
  return {
    pending_tasks: inPhase('pending'),
    queued_tasks: inPhase('queued'),
    launched_tasks: inPhase('launched'),
    terminated_tasks: inPhase('terminated'),
    completed_tasks: state.completedTasks.map(completedDocument),
  }
}

/** The state for operators and for GET_STATE. */
export function agentStateDocument(state: AgentState) {
  const frameworks = [...state.frameworks.values()]
  return {
    get_tasks: agentTasks(state),
    get_executors: {
      executors: frameworks.flatMap(({ executors }) =>
        [...executors.values()]
          .filter(({ command }) => !command)
          .map(({ info }) => ({ executor_info: info })),
      ),
      completed_executors: [],
    },
    get_frameworks: {
      frameworks: frameworks.map(({ info }) => ({ framework_info: info })),
      completed_frameworks: state.completedFrameworks.map((info) => ({ framework_info: info })),
    },
  }
}

/** Names of metrics as Mesos has them, where it has them. */
export function agentMetrics(state: AgentState, nowMs: number) {
  const count = (phase: TaskPhase) =>
    [...state.frameworks.values()].reduce(
      (sum, { tasks }) => sum + [...tasks.values()].filter((task) => task.phase === phase).length,
      0,
    )
  const executors = [...state.frameworks.values()].reduce(
    (sum, each) => sum + each.executors.size,
    0,
  )
  const lent = (name: string) => (scalarMillis(state.ledger.oversubscribed, name) ?? 0) / 1000
  return [
    { name: 'slave/uptime_secs', value: (nowMs - state.startedMs) / 1000 },
    { name: 'slave/registered', value: state.phase === 'RUNNING' ? 1 : 0 },
    { name: 'slave/frameworks_active', value: state.frameworks.size },
    { name: 'slave/executors_running', value: executors },
    { name: 'slave/tasks_staging', value: count('pending') + count('queued') },
    { name: 'slave/tasks_running', value: count('launched') },
    { name: 'slave/tasks_terminated', value: count('terminated') },
    { name: 'slave/operations_unacknowledged', value: state.ledger.operations.size },
    { name: 'slave/cpus_revocable_total', value: lent('cpus') },
    { name: 'slave/mem_revocable_total', value: lent('mem') },
    { name: 'slave/sandboxes_to_remove', value: state.garbage.size },
  ]
}
