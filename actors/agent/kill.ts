/** Ending tasks, executors, frameworks and the agent itself at a master's word. Spec: agent.md §5, §6. */
import type {
  FrameworkMessage,
  KillTask,
  ShutdownAgent,
  ShutdownExecutor,
  ShutdownFramework,
  UpdateFrameworkInfo,
} from '../../protocol/agent.ts'
import { EndTask } from '../../protocol/container.ts'
import type { Payload } from '../../protocol/message.ts'
import { CleanUpStreams, ResumeUpdates } from '../../protocol/updates.ts'
import type { KillPolicy } from '../../protocol/v1/command.ts'
import type { Context } from '../../src/runtime/index.ts'
import { deleteTask, putFramework, putLeaving, putOver } from './checkpoints.ts'
import { end, event, settle } from './executors.ts'
import { resendOperations } from './operations.ts'
import { leads, obeys } from './registration.ts'
import {
  type AgentState,
  type AgentTask,
  type Executor,
  type Framework,
  forFramework,
} from './state.ts'
import { endTask, storeStatus } from './statuses.ts'
import { proceed } from './stop.ts'

export const ending = {
  KILL_TASK(state: AgentState, body: Payload<typeof KillTask>, cx: Context): void {
    if (!obeys(state, body.epoch, cx)) return
    const { framework_id, task_id, kill_policy } = body
    const framework = state.frameworks.get(framework_id.value)
    if (framework?.terminating) return
    const task = framework?.tasks.get(task_id.value)
    if (task === undefined) {
      killUnknown(state, body, cx)
      return
    }
    killTask(state, task, kill_policy, cx)
  },
  SHUTDOWN_EXECUTOR(state: AgentState, body: Payload<typeof ShutdownExecutor>, cx: Context): void {
    if (!obeys(state, body.epoch, cx)) return
    const { framework_id, executor_id } = body
    const executor = state.frameworks.get(framework_id.value)?.executors.get(executor_id.value)
    if (executor !== undefined) shutDownExecutor(state, executor, cx)
  },
  SHUTDOWN_FRAMEWORK(
    state: AgentState,
    body: Payload<typeof ShutdownFramework>,
    cx: Context,
  ): void {
    if (!obeys(state, body.epoch, cx)) return
    const framework = state.frameworks.get(body.framework_id.value)
    if (framework !== undefined) shutDownFramework(state, framework, cx)
    else if (state.updates !== undefined) {
      cx.send(state.updates, CleanUpStreams, { framework_id: body.framework_id })
    }
  },
  SHUTDOWN_AGENT(state: AgentState, body: Payload<typeof ShutdownAgent>, cx: Context): void {
    // Also from a master that this agent is not registered with: it may have refused to.
    if (!leads(state, body.epoch, cx)) return
    cx.log('fatal', `the master does not want this agent: ${body.message}`)
    // It may die while its executors end, and must not come back as who it is.
    cx.job(
      () => state.store.commit([putLeaving()]),
      (outcome) => {
        // It was stopped meanwhile, and has closed its store.
        if (state.stop === 'CLOSING') return
        if (!outcome.ok) throw outcome.error
        cx.raise({ type: 'TERMINATE' })
      },
    )
  },
}

export const frameworkUpdates = {
  UPDATE_FRAMEWORK_INFO(
    state: AgentState,
    { epoch, framework_info }: Payload<typeof UpdateFrameworkInfo>,
    cx: Context,
  ): void {
    const { id } = framework_info
    if (!obeys(state, epoch, cx) || id === undefined) return
    const framework = state.frameworks.get(id.value)
    if (framework !== undefined && !framework.terminating) {
      framework.info = framework_info
      cx.job(() => state.store.commit([putFramework(framework_info)]))
    }
    if (state.updates !== undefined) cx.send(state.updates, ResumeUpdates, { framework_id: id })
    resendOperations(state, id.value, cx)
  },
  FRAMEWORK_MESSAGE(state: AgentState, body: Payload<typeof FrameworkMessage>, cx: Context): void {
    if (!obeys(state, body.epoch, cx)) return
    const framework = state.frameworks.get(body.framework_id.value)
    const executor = framework?.executors.get(body.executor_id.value)
    if (executor?.phase !== 'running' || executor.command) return
    event(executor, { type: 'MESSAGE', message: { data: body.data } }, cx)
  },
}

/** Ends a task, wherever it is; `killPolicy` stands instead of its own. */
export function killTask(
  state: AgentState,
  task: AgentTask,
  killPolicy: KillPolicy | undefined,
  cx: Context,
): void {
  const { executor, phase, info } = task
  if (phase === 'terminated' || executor.phase === 'terminating') return
  if (phase !== 'launched') {
    killBeforeDelivery(state, task, cx)
    return
  }
  if (executor.pid === undefined) return
  const policy = killPolicy === undefined ? {} : { kill_policy: killPolicy }
  if (executor.command) cx.send(executor.pid, EndTask, policy)
  else event(executor, { type: 'KILL', kill: { task_id: info.task_id, ...policy } }, cx)
}

/** Entry of TERMINATING. */
export function terminate(state: AgentState, cx: Context): void {
  for (const framework of [...state.frameworks.values()]) shutDownFramework(state, framework, cx)
  proceed(state, cx)
}

/** Its tasks end with a status each; those that it has not been given yet at once. */
export function shutDownExecutor(
  state: AgentState,
  executor: Executor,
  cx: Context,
  maxGraceMs?: number,
): void {
  for (const task of [...executor.tasks.values()]) {
    if (task.phase === 'pending' || task.phase === 'queued') killBeforeDelivery(state, task, cx)
  }
  end(executor, cx, maxGraceMs)
  settle(state, executor, cx)
}

export function shutDownFramework(state: AgentState, framework: Framework, cx: Context): void {
  if (framework.terminating) return
  framework.terminating = true
  // Found without its stream, a task would begin anew, or end once more: so this is written first.
  const over = [...framework.tasks.values()].filter(({ phase }) => phase === 'terminated')
  const operations = over.map(({ info }) => deleteTask(framework.id, info.task_id.value))
  cx.job(() => state.store.commit([putOver(framework.id), ...operations]))
  if (state.updates !== undefined) {
    cx.send(state.updates, CleanUpStreams, { framework_id: { value: framework.id } })
  }
  for (const executor of [...framework.executors.values()]) {
    // One that is being checkpointed ends when that is done (launch.ts).
    const pending = [...executor.tasks.values()].some(({ phase }) => phase === 'pending')
    if (pending && executor.pid === undefined) continue
    end(executor, cx)
    settle(state, executor, cx)
  }
}

/** The whole group goes, if the task belongs to one; its executor too, if it never had a task. */
function killBeforeDelivery(state: AgentState, { executor, info, group }: AgentTask, cx: Context) {
  const message = 'killed before it was delivered to its executor'
  const reason = 'REASON_TASK_KILLED_DURING_LAUNCH'
  let pending = false
  for (const id of group ?? [info.task_id.value]) {
    const member = executor.tasks.get(id)
    if (member === undefined || member.phase === 'terminated') continue
    pending ||= member.phase === 'pending'
    endTask(state, member, { state: 'TASK_KILLED', reason, message }, cx)
  }
  // What is still being checkpointed decides about its executor itself (launch.ts).
  if (pending || executor.used) return
  if ([...executor.tasks.values()].every(({ phase }) => phase === 'terminated')) end(executor, cx)
}

/** A task that has ended and was acknowledged needs no other end. */
function killUnknown(state: AgentState, body: Payload<typeof KillTask>, cx: Context): void {
  const framework = body.framework_id.value
  const task = body.task_id.value
  const over = state.completedTasks.some(
    (completed) => completed.framework === framework && completed.info.task_id.value === task,
  )
  if (over) return
  const info = state.frameworks.get(framework)?.info
  storeStatus(
    state,
    framework,
    {
      task_id: body.task_id,
      state: info === undefined ? 'TASK_LOST' : forFramework(info, 'TASK_DROPPED'),
      reason: 'REASON_EXECUTOR_TERMINATED',
      message: 'the agent does not know this task',
    },
    cx,
  )
}
