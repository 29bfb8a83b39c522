/** What the actor of a command task knows, and how its end becomes a status. */
import { exitStatusLabel, type TaskState, type TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Pid } from '../../src/runtime/index.ts'
import { type Container, type ExitStatus, newContainer } from './container.ts'
import { durationMs, type Place } from './environment.ts'
import type { Run } from './run.ts'

export interface CommandArgs {
  /** The agent. */
  readonly owner: Pid
  readonly task: TaskInfo
  readonly place: Place
  readonly container_id: string
  readonly run: Run
  /** Whether tasks run as the user that their command or framework names. */
  readonly switchUser: boolean
  /** Absent for a new task; else the last state stored by a former life of the agent. */
  readonly recovered?: TaskState | 'NONE'
  /** When that former life found it running, ms since the epoch: monotonic time does not survive. */
  readonly runningSinceMs?: number
}

export interface CommandState {
  readonly args: CommandArgs
  readonly container: Container
  /** Statuses reported and not durable yet, by uuid in hex. */
  readonly unstored: Set<string>
  kill: Kill | undefined
  /** It ran longer than its `max_completion_time`. */
  timedOut: boolean
  exit: { readonly status: ExitStatus; readonly failure: string | undefined } | undefined
}

export interface Kill {
  /** Monotonic time of the first request, once SIGTERM was sent. */
  sinceMs: number | undefined
  graceMs: number
}

/** Of tasks that name none, ms (executor-api.md §9.2). */
export const killGraceMs = 3000

export function newCommandState(args: CommandArgs): CommandState {
  return {
    args,
    container: newContainer(args.run),
    unstored: new Set(),
    // A kill that was under way when the agent died goes on.
    kill:
      args.recovered === 'TASK_KILLING'
        ? { sinceMs: undefined, graceMs: graceOf(args.task, undefined) }
        : undefined,
    timedOut: false,
    exit: undefined,
  }
}

/** The grace period of a kill, ms. */
export function graceOf(
  task: TaskInfo,
  policy: { readonly grace_period?: { readonly nanoseconds: number } } | undefined,
): number {
  return (
    durationMs(policy?.grace_period) ?? durationMs(task.kill_policy?.grace_period) ?? killGraceMs
  )
}

/** Whether the state has been reported, perhaps by a former life. */
export function isPast(recovered: CommandArgs['recovered'], state: TaskState): boolean {
  const order: readonly string[] = ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING']
  return recovered !== undefined && order.indexOf(recovered) >= order.indexOf(state)
}

/** The task's last status, of its exit status and of what was done to it (executor-api.md §9.1). */
export function terminalStatus(
  state: Pick<CommandState, 'exit' | 'kill' | 'timedOut'> & {
    readonly args: Pick<CommandArgs, 'place' | 'recovered'>
  },
): Pick<TaskStatus, 'state' | 'message' | 'reason' | 'labels'> {
  const status = state.exit?.status
  if (status === undefined) return endOf(state)
  const labels = { labels: [{ key: exitStatusLabel, value: String(status) }] }
  return { ...endOf(state), labels }
}

function endOf(
  state: Parameters<typeof terminalStatus>[0],
): Pick<TaskStatus, 'state' | 'message' | 'reason'> {
  const { exit, kill, timedOut, args } = state
  const message = exit?.failure ?? exitMessage(exit?.status)
  if (timedOut) {
    return {
      state: 'TASK_FAILED',
      reason: 'REASON_MAX_COMPLETION_TIME_REACHED',
      message: 'Command ran longer than its max_completion_time',
    }
  }
  if (kill !== undefined) return { state: 'TASK_KILLED', message }
  if (exit?.failure === undefined) {
    if (exit?.status === 0) return { state: 'TASK_FINISHED', message }
    const lost = exit?.status === undefined && { reason: 'REASON_EXECUTOR_TERMINATED' as const }
    return { state: 'TASK_FAILED', ...lost, message }
  }
  if (args.recovered === undefined) {
    return { state: 'TASK_FAILED', reason: 'REASON_CONTAINER_LAUNCH_FAILED', message }
  }
  const never = args.recovered === 'NONE' || args.recovered === 'TASK_STARTING'
  const aware = (args.place.framework.capabilities ?? []).some(
    ({ type }) => type === 'PARTITION_AWARE',
  )
  if (!never) return { state: 'TASK_FAILED', reason: 'REASON_EXECUTOR_TERMINATED', message }
  return { state: aware ? 'TASK_DROPPED' : 'TASK_LOST', reason: 'REASON_AGENT_RESTARTED', message }
}

/** A shell cannot tell `exit 137` from death by signal 9; neither can this. */
function exitMessage(status: ExitStatus): string {
  if (status === undefined) return 'Command ended, its exit status is not known'
  return status > 128 && status <= 192
    ? `Command terminated by signal ${status - 128}`
    : `Command exited with status ${status}`
}
