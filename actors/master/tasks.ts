/**
 * Tasks in the master's books, and what agents say of them. Spec: states.md §1.1, §6; master.md §11.
 *
 * A task is active until its terminal status was acknowledged. Its resources are free at its first
 * terminal state (or TASK_UNREACHABLE), once; a terminal state is never overwritten.
 */
import { AcknowledgeUpdate, KillTask, ShutdownFramework } from '../../protocol/agent.ts'
import { RecoverResources } from '../../protocol/allocator.ts'
import { type Failure, failure } from '../../protocol/errors.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import {
  isTerminal,
  type KillPolicy,
  type Task,
  type TaskState,
  type TaskStatus,
  type TaskStatusReason,
} from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { announce, sendStatus } from './events.ts'
import { count } from './metrics.ts'
import { holdsResources, taskShares } from './shares.ts'
import {
  type Agent,
  type Framework,
  isPartitionAware,
  type MasterState,
  toTimeInfo,
} from './state.ts'

/** Puts a task on its agent and in its framework's active list. */
export function addTask(
  state: MasterState,
  framework: Framework,
  agent: Agent,
  task: Task,
  cx: Context,
): void {
  shareDocuments(state, framework, agent, task)
  framework.tasks.set(task.task_id.value, task)
  agent.tasks.add(task)
  announce(state, 'task', task.task_id.value, { type: 'TASK_ADDED', task_added: { task } }, cx)
}

/** What it says like its agent, its framework and other tasks is kept once: there may be millions. */
function shareDocuments(
  { interned }: MasterState,
  framework: Framework,
  agent: Agent,
  task: Task,
): void {
  task.framework_id = framework.info.id ?? task.framework_id
  task.agent_id = agent.info.id ?? task.agent_id
  if (task.resources !== undefined) task.resources = interned.of(task.resources)
}

/** STATUS_UPDATE of a registered agent: told to the framework, then taken over. */
export function updateStatus(
  state: MasterState,
  agent: Agent,
  update: { framework_id: { value: string }; status: TaskStatus; latest_state: TaskState },
  cx: Context,
): void {
  const { status: reported, latest_state } = update
  const framework = state.frameworks.get(update.framework_id.value)
  if (framework === undefined) {
    count(state, 'master/invalid_status_updates')
    if (state.completedFrameworks.has(update.framework_id.value)) {
      const { framework_id } = update
      cx.send(agent.pid, ShutdownFramework, { epoch: state.epoch, framework_id })
    }
    return
  }
  const status = { ...reported, agent_id: { value: agent.id } }
  const forwarded = sendStatus(state, framework, status, cx)
  const task = framework.tasks.get(status.task_id.value)
  count(state, `master/${task === undefined ? 'invalid' : 'valid'}_status_updates`)
  if (task === undefined || task.agent_id.value !== agent.id) return
  record(state, task, status, latest_state, cx)
  if (!forwarded) return
  task.status_update_state = status.state
  if (status.uuid !== undefined) task.status_update_uuid = status.uuid
}

/** Takes a status into the books, and the state `latest`, which may be ahead of it. */
function record(
  state: MasterState,
  task: Task,
  status: TaskStatus,
  latest: TaskState,
  cx: Context,
): void {
  const held = holdsResources(task)
  if (!isTerminal(task.state)) task.state = latest
  const { data: _, ...rest } = status
  const kept: TaskStatus = { ...rest, task_id: task.task_id, agent_id: task.agent_id }
  const statuses = task.statuses ?? []
  const last = statuses.at(-1)
  const again = last?.state === status.state
  task.statuses = [...(again ? statuses.slice(0, -1) : statuses), kept]
  if (held && !holdsResources(task)) {
    cx.send(state.allocator, RecoverResources, { shares: taskShares(task), used: true })
    count(state, `master/${task.state.toLowerCase().replace('task_', 'tasks_')}`)
  }
  const { framework_id } = task
  announce(
    state,
    'task',
    task.task_id.value,
    {
      type: 'TASK_UPDATED',
      task_updated: { framework_id, status: kept, state: task.state },
    },
    cx,
  )
}

/** ACKNOWLEDGE: a terminal status acknowledged ends the task; the agent is always told. */
export function acknowledge(
  state: MasterState,
  framework: Framework,
  { acknowledge: { agent_id, task_id, uuid } }: CallOf<'ACKNOWLEDGE'>,
  cx: Context,
): Failure | undefined {
  const agent = state.agents.get(agent_id.value)
  if (agent === undefined) return failure('UNKNOWN_AGENT', { agent_id: agent_id.value })
  if (!agent.connected) return failure('AGENT_DISCONNECTED', { agent_id: agent_id.value })
  const task = framework.tasks.get(task_id.value)
  if (task?.agent_id.value === agent.id) {
    const { status_update_state: told, status_update_uuid: toldUuid } = task
    // Not told by this master: the agent sends the status again, and this one will.
    if (told === undefined || toldUuid === undefined) return undefined
    if (isTerminal(told) && sameBytes(toldUuid, uuid)) {
      agent.tasks.delete(task)
      completeTask(state, framework, task)
    }
  }
  const framework_id = { value: framework.id }
  cx.send(agent.pid, AcknowledgeUpdate, { epoch: state.epoch, framework_id, task_id, uuid })
  return undefined
}

/**
 * The state that the framework was told last, never one that the agent has yet to tell it the way to:
 * after a re-registration the books may say that a task has ended while its statuses still come.
 */
export function lastToldState({ state, status_update_state: told }: Task): TaskState | undefined {
  return told ?? (isTerminal(state) ? undefined : state)
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

/** From the active or unreachable ones to the completed ones. */
export function completeTask(state: MasterState, framework: Framework, task: Task): void {
  const id = task.task_id.value
  framework.tasks.delete(id)
  framework.unreachable.delete(id)
  const { completed } = framework
  completed.push(task)
  if (completed.length > state.options.max_completed_tasks_per_framework) completed.shift()
  const agent = state.agents.get(task.agent_id.value)
  agent?.tasks.delete(task)
}

/**
 * A task ends (or becomes unreachable) by the master's word: the framework is told once, without uuid.
 * Its resources are the caller's concern: mostly they go with the agent.
 */
export function declareTask(
  state: MasterState,
  framework: Framework,
  task: Task,
  fate: { state: TaskState; reason: TaskStatusReason; message: string; unreachableMs?: number },
  cx: Context,
): void {
  const { state: next, reason, message, unreachableMs } = fate
  if (isTerminal(task.state)) return
  task.state = next
  const status: TaskStatus = {
    ...masterStatus(task.task_id.value, next, cx),
    reason,
    message,
    agent_id: task.agent_id,
    ...(task.executor_id !== undefined && { executor_id: task.executor_id }),
    ...(unreachableMs !== undefined && { unreachable_time: toTimeInfo(unreachableMs) }),
  }
  task.statuses = [...(task.statuses ?? []), status]
  sendStatus(state, framework, status, cx)
  count(state, `master/${next.toLowerCase().replace('task_', 'tasks_')}`)
  announce(
    state,
    'task',
    task.task_id.value,
    {
      type: 'TASK_UPDATED',
      task_updated: { framework_id: task.framework_id, status, state: next },
    },
    cx,
  )
}

/** A status of the master's own: no uuid, so there is nothing to acknowledge. */
export function masterStatus(taskId: string, state: TaskState, cx: Context): TaskStatus {
  return {
    task_id: { value: taskId },
    state,
    source: 'SOURCE_MASTER',
    timestamp: cx.now() / 1000,
  }
}

/** `aware` for frameworks with PARTITION_AWARE, TASK_LOST for the others (states.md §1). */
export function fateOf(framework: Framework, aware: TaskState): TaskState {
  return isPartitionAware(framework) ? aware : 'TASK_LOST'
}

/** Remembered until the task ends; sent now if the agent is there, and again when it comes back. */
export function killTask(
  state: MasterState,
  task: Task,
  policy: KillPolicy | undefined,
  cx: Context,
): void {
  const agent = state.agents.get(task.agent_id.value)
  if (agent === undefined) return
  const { framework_id, task_id } = task
  state.killed.add(task)
  if (!agent.connected) return
  cx.send(agent.pid, KillTask, {
    epoch: state.epoch,
    framework_id,
    task_id,
    ...(policy !== undefined && { kill_policy: policy }),
  })
}
