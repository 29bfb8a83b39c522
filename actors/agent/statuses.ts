/**
 * Statuses of tasks: from executors and from the agent itself into the durable streams, from there to the
 * master, and the scheduler's acknowledgements back. Spec: agent.md §7, executor-api.md §5.
 */
import { StatusUpdate } from '../../protocol/agent.ts'
import { StatusTaken } from '../../protocol/container.ts'
import type { Payload } from '../../protocol/message.ts'
import {
  AcknowledgeStream,
  type ForwardUpdate,
  StoreUpdate,
  type StreamAcknowledged,
  type UpdateStored,
} from '../../protocol/updates.ts'
import type { ContainerStatus } from '../../protocol/v1/container.ts'
import { isTerminal, type TaskStatus } from '../../protocol/v1/status.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import { whileDraining } from './drain.ts'
import { event, settle } from './executors.ts'
import {
  type AgentState,
  type AgentTask,
  agentId,
  applyStatus,
  type Executor,
  forFramework,
  removeTask,
} from './state.ts'
import { proceed } from './stop.ts'

export const statuses = {
  UPDATE_STORED(state: AgentState, body: Payload<typeof UpdateStored>, cx: Context): void {
    const task = state.frameworks.get(body.framework_id.value)?.tasks.get(body.task_id.value)
    if (body.source !== 'SOURCE_EXECUTOR') return
    take(task?.executor.pid, { task_id: body.task_id, uuid: body.uuid }, cx)
  },
  FORWARD_UPDATE(state: AgentState, body: Payload<typeof ForwardUpdate>, cx: Context): void {
    const { framework_id, status } = body
    if (state.phase !== 'RUNNING' || state.leader === undefined) return
    const task = state.frameworks.get(framework_id.value)?.tasks.get(status.task_id.value)
    if (task !== undefined) task.forwarded = status
    const latest_state = task?.state ?? status.state
    cx.send(state.leader.pid as Pid, StatusUpdate, { framework_id, status, latest_state })
  },
  STREAM_ACKNOWLEDGED(
    state: AgentState,
    { framework_id, task_id, closed }: Payload<typeof StreamAcknowledged>,
    cx: Context,
  ): void {
    const task = state.frameworks.get(framework_id.value)?.tasks.get(task_id.value)
    if (closed && task !== undefined) {
      removeTask(state, task)
      settle(state, task.executor, cx)
    }
    proceed(state, cx)
  },
}

/** An acknowledgement of the scheduler, from the leader. */
export function acknowledge(
  state: AgentState,
  body: Payload<typeof AcknowledgeStream>,
  cx: Context,
): void {
  const { framework_id, task_id, uuid } = body
  if (state.updates !== undefined) {
    cx.send(state.updates, AcknowledgeStream, { framework_id, task_id, uuid })
  }
}

/** A status that an executor reports. What is not worth storing is answered all the same. */
export function reported(
  state: AgentState,
  executor: Executor,
  status: TaskStatus,
  cx: Context,
): void {
  const { framework } = executor
  const agent = state.info.id
  if (status.agent_id !== undefined && status.agent_id.value !== agent?.value) return
  if (status.uuid === undefined) return
  const answer = { task_id: status.task_id, uuid: status.uuid }
  const task = framework.tasks.get(status.task_id.value)
  if (framework.terminating || task === undefined || isUntimely(task, status)) {
    cx.log('debug', 'a status is dropped', { task: status.task_id.value, state: status.state })
    take(executor.pid, answer, cx)
    if (!framework.terminating && isEndedAlive(task, status)) {
      event(executor, { type: 'KILL', kill: { task_id: status.task_id } }, cx)
    }
    return
  }
  const full: TaskStatus = {
    ...whileDraining(state, framework.info, status),
    ...(executor.preempted && isTerminal(status.state) && preemption(executor)),
    source: 'SOURCE_EXECUTOR',
    container_status: placed(state, {
      container_id: { value: task.executor.container },
      ...status.container_status,
    }),
    executor_id: task.executor.info.executor_id,
    timestamp: status.timestamp ?? cx.now() / 1000,
    agent_id: { value: agentId(state) },
  }
  applyStatus(task, full)
  send(state, framework.id, full, cx)
}

/** What is known of the address of a container: that of its host, if it has no network of its own. */
function placed({ ip }: AgentState, known: ContainerStatus): ContainerStatus {
  const { network_infos = [] } = known
  if (network_infos.length > 0) return known
  return { ...known, network_infos: [{ ip_addresses: [{ ip_address: ip }] }] }
}

/** How tasks end whose executor has to give back what it borrowed (agent.md §10). */
export function preemption({ framework }: Executor) {
  return {
    state: forFramework(framework.info, 'TASK_GONE'),
    reason: 'REASON_CONTAINER_PREEMPTED',
    message: 'the revocable resources that it used are needed',
  } as const
}

/** For a task that is not there yet, or is over: unless it repeats the very status that ended it. */
function isUntimely(task: AgentTask, status: TaskStatus): boolean {
  if (task.phase === 'pending' || task.phase === 'queued') return true
  if (task.phase !== 'terminated') return false
  const last = task.statuses.at(-1)?.uuid
  return last === undefined || Buffer.compare(last, status.uuid ?? new Uint8Array()) !== 0
}

/**
 * Whether it runs although the agent has ended it, by its own word, or has seen its end acknowledged: nobody
 * else would stop it. Nothing is said to TASK_KILLING, which may be the answer to that.
 */
function isEndedAlive(task: AgentTask | undefined, { state }: TaskStatus): boolean {
  if (state !== 'TASK_STARTING' && state !== 'TASK_RUNNING') return false
  if (task === undefined) return true
  return task.phase === 'terminated' && task.statuses.at(-1)?.source === 'SOURCE_AGENT'
}

/** A status of the agent's own making, for a task that it may not (any more) know. */
export function storeStatus(
  state: AgentState,
  framework: string,
  status: Pick<TaskStatus, 'task_id' | 'state'> & Partial<TaskStatus>,
  cx: Context,
): void {
  const known = state.frameworks.get(framework)
  const task = known?.tasks.get(status.task_id.value)
  const full: TaskStatus = {
    ...whileDraining(state, known?.info, status),
    ...(task !== undefined && { container_status: placed(state, {}) }),
    source: 'SOURCE_AGENT',
    timestamp: cx.now() / 1000,
    agent_id: { value: agentId(state) },
    uuid: new Uint8Array(Buffer.from(cx.newId().replaceAll('-', ''), 'hex')),
  }
  if (task !== undefined && !applyStatus(task, full)) return
  send(state, framework, full, cx)
}

/** Ends a task by the agent's word. */
export function endTask(
  state: AgentState,
  task: AgentTask,
  status: Pick<TaskStatus, 'state' | 'reason' | 'message'>,
  cx: Context,
): void {
  if (!isTerminal(status.state)) throw new Error(`${status.state} ends no task`)
  const { framework, info } = task.executor
  const ids = { task_id: task.info.task_id, executor_id: info.executor_id }
  storeStatus(state, framework.id, { ...ids, ...status }, cx)
}

function send(state: AgentState, framework: string, status: TaskStatus, cx: Context): void {
  if (state.updates === undefined) throw new Error('a status came before the update streams')
  cx.send(state.updates, StoreUpdate, { framework_id: { value: framework }, status })
}

function take(
  executor: Pid | undefined,
  body: { readonly task_id: { value: string }; readonly uuid: Uint8Array },
  cx: Context,
): void {
  if (executor !== undefined) cx.send(executor, StatusTaken, body)
}
