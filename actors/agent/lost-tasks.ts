/**
 * Tasks that were sent to their executor and did not reach it. Each SUBSCRIBE says which tasks the executor
 * has, and one that it does not name is lost, as nothing is sent twice. But a SUBSCRIBE may have been on its
 * way while the task was: repeated before its answer came, or kept by a broker that was away. Of a task that
 * was sent a moment ago it says nothing; the executor is asked to subscribe once more, later.
 * Spec: executor-api.md §4.
 */
import type { Context } from '../../src/runtime/index.ts'
import { event } from './executors.ts'
import { type AgentState, type AgentTask, type Executor, forFramework } from './state.ts'
import { endTask } from './statuses.ts'

/** How long a SUBSCRIBE may be on its way, ms: programs repeat it after less than that. */
const crossingMs = 5000

/** Ends those that a SUBSCRIBE ought to name and does not; `named` holds the ids that it names. */
export function dropLost(
  state: AgentState,
  executor: Executor,
  named: ReadonlySet<string>,
  cx: Context,
): void {
  const doubtful: AgentTask[] = []
  for (const task of [...executor.tasks.values()]) {
    if (!isUnheardOf(task) || named.has(task.info.task_id.value)) continue
    if (task.sentMs !== undefined && cx.monotonic() - task.sentMs < crossingMs) doubtful.push(task)
    else drop(state, task, cx)
  }
  askAgain(executor, doubtful, cx)
}

/** Sent, and nothing was told of it since. */
function isUnheardOf({ phase, state }: AgentTask): boolean {
  return phase === 'launched' && state === 'TASK_STAGING'
}

function askAgain(executor: Executor, doubtful: readonly AgentTask[], cx: Context): void {
  const timer = `doubt ${executor.container}`
  cx.cancel(timer)
  if (doubtful.length === 0) return
  cx.after(timer, crossingMs, () => {
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
