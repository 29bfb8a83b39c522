/**
 * Draining: at the master's word the agent ends its tasks and takes no new ones. Nothing of it is written
 * down: the master says it again at each registration, and before that nothing can be launched.
 * Spec: agent.md §11, states.md §4.3.
 */
import type { DrainAgent } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { DrainConfig } from '../../protocol/v1/agent.ts'
import type { KillPolicy } from '../../protocol/v1/command.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { TaskStatus } from '../../protocol/v1/status.ts'
import type { Context } from '../../src/runtime/index.ts'
import { killTask } from './kill.ts'
import { obeys } from './registration.ts'
import { type AgentState, type AgentTask, hasCapability } from './state.ts'

export const draining = {
  DRAIN_AGENT(state: AgentState, { epoch, config }: Payload<typeof DrainAgent>, cx: Context): void {
    if (!obeys(state, epoch, cx)) return
    state.drain = config === undefined ? undefined : { config, startMs: cx.now() }
    if (config === undefined) return
    cx.log('info', 'drains', { tasks: state.taskCount })
    for (const { terminating, tasks } of state.frameworks.values()) {
      if (terminating) continue
      for (const task of [...tasks.values()]) {
        killTask(state, task, policyFor(config, task), cx)
      }
    }
  },
}

/** The task's own grace period, or the operator's if that is shorter or the only one. */
function policyFor(
  { max_grace_period: most }: DrainConfig,
  { info }: AgentTask,
): KillPolicy | undefined {
  const own = info.kill_policy?.grace_period
  if (most === undefined || (own !== undefined && own.nanoseconds <= most.nanoseconds)) {
    return undefined
  }
  return { grace_period: most }
}

/** A status of a task that ends while the agent drains says so. */
export function whileDraining<Status extends Pick<TaskStatus, 'state'>>(
  { drain }: AgentState,
  info: FrameworkInfo | undefined,
  status: Status,
): Status {
  if (drain === undefined) return status
  if (status.state !== 'TASK_KILLING' && status.state !== 'TASK_KILLED') return status
  const gone =
    status.state === 'TASK_KILLED' &&
    drain.config.mark_gone === true &&
    info !== undefined &&
    hasCapability(info, 'PARTITION_AWARE')
  const reason = 'REASON_AGENT_DRAINING'
  return { ...status, reason, ...(gone && { state: 'TASK_GONE_BY_OPERATOR' }) }
}
