/**
 * Executors: starting their actors, what they say, and their end. Spec: agent.md §6, executor-api.md §4,
 * §7.
 */
import { ExecutorMessage, ExitedExecutor } from '../../protocol/agent.ts'
import {
  EndExecutor,
  type ExecutorEnded,
  type ExecutorSubscribed,
  type ReportData,
  type ReportStatus,
  SendEvent,
} from '../../protocol/container.ts'
import type { executor as api } from '../../protocol/index.ts'
import type { Payload } from '../../protocol/message.ts'
import type { ExecutorId } from '../../protocol/v1/ids.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { Context, Pid, StoreOperation } from '../../src/runtime/index.ts'
import { commandExecutor, customExecutor, destroy, type Place } from '../executor/index.ts'
import { deleteExecutor, deleteFramework, deleteTask, putExecutor } from './checkpoints.ts'
import { discard } from './gc.ts'
import { dropLost } from './lost-tasks.ts'
import { type RunIds, runOf } from './paths.ts'
import { recoveredOne } from './recovery.ts'
import {
  type AgentState,
  type AgentTask,
  agentId,
  type Executor,
  forFramework,
  removeExecutor,
  removeTask,
} from './state.ts'
import { endTask, preemption, reported } from './statuses.ts'
import { proceed } from './stop.ts'

export const executors = {
  REPORT_STATUS(state: AgentState, body: Payload<typeof ReportStatus>, cx: Context): void {
    const executor = find(state, body)
    if (executor !== undefined) reported(state, executor, body.status, cx)
  },
  REPORT_DATA(state: AgentState, body: Payload<typeof ReportData>, cx: Context): void {
    const executor = find(state, body)
    if (executor === undefined || executor.framework.terminating) return
    if (state.phase === 'RUNNING') cx.send(state.leader?.pid as Pid, ExecutorMessage, body)
  },
  EXECUTOR_SUBSCRIBED(state: AgentState, body: Payload<typeof ExecutorSubscribed>, cx: Context) {
    const executor = find(state, body)
    if (executor !== undefined) subscribed(state, executor, body, cx)
  },
  EXECUTOR_ENDED(state: AgentState, body: Payload<typeof ExecutorEnded>, cx: Context): void {
    const executor = find(state, body)
    if (executor !== undefined) ended(state, executor, body, cx)
  },
}

function find(
  state: AgentState,
  ids: { readonly framework_id: { value: string }; readonly executor_id: { value: string } },
): Executor | undefined {
  return state.frameworks.get(ids.framework_id.value)?.executors.get(ids.executor_id.value)
}

export function idsOf(state: AgentState, executor: Executor): RunIds {
  return {
    agent: agentId(state),
    framework: executor.framework.id,
    executor: executor.info.executor_id.value,
    container: executor.container,
  }
}

/** Starts the actor of an executor; `recovered` where its container may live already. */
export function startExecutor(
  state: AgentState,
  executor: Executor,
  recovered: boolean,
  cx: Context,
): void {
  const { options } = state
  const run = runOf(options.work_dir, idsOf(state, executor))
  const grace = executor.info.shutdown_grace_period
  const place: Place = {
    agent_id: agentId(state),
    framework: executor.framework.info,
    executor_id: executor.info.executor_id.value,
    sandbox: run.sandbox,
    shutdownGraceMs: grace ? grace.nanoseconds / 1e6 : options.executor_shutdown_grace_ms,
    recoveryTimeoutMs: options.recovery_timeout_ms,
    subscriptionBackoffMs: options.executor_reregistration_timeout_ms,
  }
  const shared = { owner: cx.self, place, container_id: executor.container, run }
  if (!executor.command) {
    executor.pid = cx.spawn(
      customExecutor({
        ...shared,
        executor: executor.info,
        agent: state.info,
        natsUrl: options.nats_url || cx.host.env().MESETA_NATS_URL || 'nats://127.0.0.1:4222',
        registrationTimeoutMs: options.executor_registration_timeout_ms,
        reregistrationTimeoutMs: options.executor_reregistration_timeout_ms,
        heartbeatMs: options.executor_heartbeat_ms,
        recovered,
      }),
    )
    return
  }
  const [task] = executor.tasks.values()
  if (task === undefined) throw new Error('a command executor has no task')
  executor.phase = 'running'
  executor.pid = cx.spawn(
    commandExecutor({
      ...shared,
      task: task.info,
      switchUser: options.switch_user,
      ...(recovered ? formerLife(task) : {}),
    }),
  )
}

/** What a command task told before its agent was restarted. */
function formerLife({ statuses, state }: AgentTask) {
  const running = statuses.find((status) => status.state === 'TASK_RUNNING')?.timestamp
  return {
    recovered: statuses.length === 0 ? 'NONE' : state,
    ...(running !== undefined && { runningSinceMs: running * 1000 }),
  } as const
}

/** executor-api.md §4 */
function subscribed(
  state: AgentState,
  executor: Executor,
  body: Payload<typeof ExecutorSubscribed>,
  cx: Context,
): void {
  const { framework } = executor
  if (framework.terminating || executor.phase === 'terminating') {
    end(executor, cx)
    return
  }
  executor.phase = 'running'
  for (const status of body.unacknowledged_updates) reported(state, executor, status, cx)
  dropLost(state, executor, body, cx)
  recoveredOne(state, cx)
  if (!executor.used && !hasWork(executor)) {
    end(executor, cx)
    return
  }
  event(
    executor,
    {
      type: 'SUBSCRIBED',
      subscribed: {
        executor_info: executor.info,
        framework_info: framework.info,
        agent_info: state.info,
        container_id: { value: executor.container },
      },
    },
    cx,
  )
  deliver(state, executor, cx)
}

/** Whether it has tasks that have not ended. */
export function hasWork({ tasks }: Executor): boolean {
  return [...tasks.values()].some(({ phase }) => phase !== 'terminated')
}

/** Gives a subscribed executor what is queued for it, in the order of arrival, groups as one. */
export function deliver(state: AgentState, executor: Executor, cx: Context): void {
  if (executor.phase !== 'running') return
  for (const task of executor.tasks.values()) {
    if (task.phase !== 'queued') continue
    if (!executor.used) use(state, executor, cx)
    const launch = ++executor.launches
    if (task.group === undefined) {
      sent(task, launch)
      event(executor, { type: 'LAUNCH', launch: { task: task.info } }, cx)
      continue
    }
    const members = task.group.flatMap((id) => executor.tasks.get(id) ?? [])
    for (const member of members) sent(member, launch)
    const tasks = members.map(({ info }) => info)
    event(executor, { type: 'LAUNCH_GROUP', launch_group: { task_group: { tasks } } }, cx)
  }
}

function sent(task: AgentTask, launch: number): void {
  task.phase = 'launched'
  task.launch = launch
}

/** From now on it is not ended for having nothing to do, not even by the agent's next life. */
function use(state: AgentState, executor: Executor, cx: Context): void {
  const { framework, info, container } = executor
  executor.used = true
  const record = { framework_id: framework.id, info, container_id: container, used: true }
  cx.job(() => state.store.commit([putExecutor(record)]))
}

export function event(executor: Executor, body: api.Event, cx: Context): void {
  if (executor.pid !== undefined) cx.send(executor.pid, SendEvent, { event: body })
}

/**
 * Ends an executor and its tasks; one that was never started is gone at once. Its own grace period counts,
 * unless `maxGraceMs` is shorter.
 */
export function end(executor: Executor, cx: Context, maxGraceMs?: number): void {
  if (executor.phase === 'terminated') return
  executor.phase = executor.pid === undefined ? 'terminated' : 'terminating'
  const limit = maxGraceMs === undefined ? {} : { max_grace_ms: maxGraceMs }
  if (executor.pid !== undefined) cx.send(executor.pid, EndExecutor, limit)
}

/** Its actor crashed: nobody watches the container any more, so it is found again and destroyed. */
export function actorCrashed(state: AgentState, executor: Executor, detail: string, cx: Context) {
  cx.log('error', 'the actor of an executor crashed', {
    executor: executor.info.executor_id.value,
    detail,
  })
  executor.phase = 'terminating'
  const run = runOf(state.options.work_dir, idsOf(state, executor))
  cx.job(
    () => destroy(run, cx.ports),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      const message = `the actor of the executor crashed: ${detail}`
      ended(state, executor, { status: -1, cause: { message } }, cx)
    },
  )
}

/** agent.md §6, executor-api.md §7 */
function ended(
  state: AgentState,
  executor: Executor,
  { status, cause }: Pick<Payload<typeof ExecutorEnded>, 'status' | 'cause'>,
  cx: Context,
): void {
  const { framework, command, info } = executor
  executor.phase = 'terminated'
  executor.pid = undefined
  for (const task of [...executor.tasks.values()]) {
    if (framework.terminating || task.phase === 'terminated') continue
    endTask(state, task, endOf(task, status, cause), cx)
  }
  if (!command) tellExited(state, framework.id, info.executor_id, status, cx)
  recoveredOne(state, cx)
  settle(state, executor, cx)
  proceed(state, cx)
}

/** Gives the master back what it holds for an executor that runs no more, or never did (status -1). */
export function tellExited(
  state: AgentState,
  framework: string,
  executor_id: ExecutorId,
  status: number,
  cx: Context,
): void {
  const exit = { framework_id: { value: framework }, executor_id, status }
  if (state.phase === 'RUNNING') cx.send(state.leader?.pid as Pid, ExitedExecutor, exit)
  else state.exits.push(exit)
}

function endOf(
  { executor }: AgentTask,
  status: number,
  cause: Payload<typeof ExecutorEnded>['cause'],
): Pick<TaskStatus, 'state' | 'reason' | 'message'> {
  if (executor.preempted) return preemption(executor)
  const end: TaskState = cause?.state ?? 'TASK_FAILED'
  return {
    state: forFramework(executor.framework.info, end),
    reason: cause?.reason ?? ('REASON_EXECUTOR_TERMINATED' as const),
    message: cause?.message ?? `the executor ended with status ${status}`,
  }
}

/** Lets go of an executor that has ended and whose tasks are all acknowledged. */
export function settle(state: AgentState, executor: Executor, cx: Context): void {
  if (executor.phase !== 'terminated') return
  const { framework } = executor
  // Let go of already; its id may be another's.
  if (framework.executors.get(executor.info.executor_id.value) !== executor) return
  const operations: StoreOperation[] = []
  if (framework.terminating) {
    for (const task of [...executor.tasks.values()]) {
      operations.push(deleteTask(framework.id, task.info.task_id.value))
      removeTask(state, task)
    }
  }
  if (executor.tasks.size > 0) return
  if (!executor.command)
    operations.push(deleteExecutor(framework.id, executor.info.executor_id.value))
  discard(state, executor, cx)
  if (removeExecutor(state, executor).frameworkGone)
    operations.push(...deleteFramework(framework.id))
  if (operations.length > 0) cx.job(() => state.store.commit(operations))
  proceed(state, cx)
}
