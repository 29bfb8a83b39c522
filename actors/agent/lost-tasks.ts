/**
 * Tasks that were sent to their executor and did not reach it. Each SUBSCRIBE says which tasks the executor
 * has, and one that it does not name is lost, as nothing is sent twice. But a SUBSCRIBE may have been made
 * before the task came: repeated until it was answered, or held by a broker for however long. Its mark tells
 * which launches precede it. Of a later one it says nothing; the executor is asked to subscribe once more,
 * with an event that comes after that launch.
 * Spec: executor-api.md §4.
 */
import type { ExecutorSubscribed } from '../../protocol/container.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Context } from '../../src/runtime/index.ts'
import { event } from './executors.ts'
import { type AgentState, type AgentTask, type Executor, forFramework } from './state.ts'
import { endTask } from './statuses.ts'

/** Pause before an executor is asked again, ms: it may be about to tell of the task. */
const askAgainMs = 5000

/** Ends those that a SUBSCRIBE ought to name and does not. */
export function dropLost(
  state: AgentState,
  executor: Executor,
  { unacknowledged_tasks, launches_seen }: Payload<typeof ExecutorSubscribed>,
  cx: Context,
): void {
  const named = new Set(unacknowledged_tasks.map(({ task_id }) => task_id.value))
  const doubtful: AgentTask[] = []
  for (const task of [...executor.tasks.values()]) {
    if (!isUnheardOf(task) || named.has(task.info.task_id.value)) continue
    if (precedes(task, launches_seen)) drop(state, task, cx)
    else doubtful.push(task)
  }
  askAgain(executor, doubtful, cx)
}

/** Sent, and nothing was told of it since. */
function isUnheardOf({ phase, state }: AgentTask): boolean {
  return phase === 'launched' && state === 'TASK_STAGING'
}

/** What a former life sent precedes all that this one did. */
function precedes({ launch = 0 }: AgentTask, launchesSeen: number | undefined): boolean {
  return launchesSeen !== undefined && launch <= launchesSeen
}

function askAgain(executor: Executor, doubtful: readonly AgentTask[], cx: Context): void {
  const timer = `doubt ${executor.container}`
  cx.cancel(timer)
  if (doubtful.length === 0) return
  cx.after(timer, askAgainMs, () => {
    if (executor.phase !== 'running' || !doubtful.some(isUnheardOf)) return
    event(executor, { type: 'HEARTBEAT', subscribed: false }, cx)
    askAgain(executor, doubtful, cx)
  })
}

function drop(state: AgentState, task: AgentTask, cx: Context): void {
  const status = {
    state: forFramework(task.executor.framework.info, 'TASK_DROPPED'),
    reason: 'REASON_AGENT_RESTARTED',
    message: 'the task did not reach its executor',
  } as const
  endTask(state, task, status, cx)
}
