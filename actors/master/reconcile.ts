/** RECONCILE and KILL: what a framework asks about its tasks. Spec: states.md §7, scheduler-api.md §7. */
import { type Failure, failure } from '../../protocol/errors.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type { AgentId, Task, TaskState, TaskStatus } from '../../protocol/v1/index.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { sendStatus } from './events.ts'
import { type Framework, isActive, type MasterState } from './state.ts'
import { fateOf, killTask, lastToldState, masterStatus } from './tasks.ts'

/** Calls of one framework whose answers wait for those before; further ones are refused. */
const RECONCILIATIONS_MAX = 16

/**
 * All active tasks if none is named; else an answer for each by the table of states.md §7. A framework may
 * have a hundred thousand tasks: the answers to one call after the other go out in slices.
 */
export function reconcile(
  state: MasterState,
  framework: Framework,
  { reconcile: { tasks = [] } }: CallOf<'RECONCILE'>,
  cx: Context,
): Failure | undefined {
  const { id, reconciliations } = framework
  if (reconciliations.length >= RECONCILIATIONS_MAX) {
    return failure('RATE_LIMITED', { sender: id, limit: RECONCILIATIONS_MAX })
  }
  reconciliations.push(answers(state, framework, tasks, cx))
  if (reconciliations.length === 1) goOn(framework, cx)
  return undefined
}

function goOn(framework: Framework, cx: Context): void {
  const [first] = framework.reconciliations
  if (first === undefined) return
  inSlices(first, cx, () => {
    framework.reconciliations.shift()
    goOn(framework, cx)
  })
}

/** One a step. */
function* answers(
  state: MasterState,
  framework: Framework,
  tasks: CallOf<'RECONCILE'>['reconcile']['tasks'] & object,
  cx: Context,
): Generator<void, void> {
  const { streamId } = framework
  // Whoever subscribes anew asks anew; nobody hears the answers who is gone.
  const isOver = () =>
    framework.streamId !== streamId ||
    !isActive(framework) ||
    state.frameworks.get(framework.id) !== framework
  if (tasks.length === 0) {
    for (const task of framework.tasks.values()) {
      if (isOver()) return
      const status = knownStatus(task, cx)
      if (status !== undefined) sendStatus(state, framework, status, cx)
      yield
    }
  }
  for (const { task_id, agent_id } of tasks) {
    if (isOver()) return
    reconcileTask(state, framework, task_id.value, agent_id, cx)
    yield
  }
}

/** KILL: a task that is not active is answered as if it had been reconciled. */
export function kill(
  state: MasterState,
  framework: Framework,
  { kill: { task_id, agent_id, kill_policy } }: CallOf<'KILL'>,
  cx: Context,
): undefined {
  const task = framework.tasks.get(task_id.value)
  if (task === undefined) reconcileTask(state, framework, task_id.value, agent_id, cx)
  else if (agent_id === undefined || agent_id.value === task.agent_id.value) {
    killTask(state, task, kill_policy, cx)
  }
}

function reconcileTask(
  state: MasterState,
  framework: Framework,
  taskId: string,
  agentId: AgentId | undefined,
  cx: Context,
): void {
  const task = framework.tasks.get(taskId)
  const status =
    task === undefined
      ? strangerStatus(state, framework, taskId, agentId?.value, cx)
      : knownStatus(task, cx)
  if (status !== undefined) sendStatus(state, framework, status, cx)
}

/** Nothing about a task of which the framework was not told that it has ended: the agent is about to. */
function knownStatus(task: Task, cx: Context): TaskStatus | undefined {
  const told = lastToldState(task)
  if (told === undefined) return undefined
  const last = task.statuses?.at(-1)
  return {
    ...masterStatus(task.task_id.value, told, cx),
    reason: 'REASON_RECONCILIATION',
    message: 'reconciliation: latest task state',
    agent_id: task.agent_id,
    ...(task.executor_id !== undefined && { executor_id: task.executor_id }),
    ...(last?.healthy !== undefined && { healthy: last.healthy }),
    ...(last?.check_status !== undefined && { check_status: last.check_status }),
    ...(last?.container_status !== undefined && { container_status: last.container_status }),
  }
}

/** Nothing while an agent that may have the task is not back from before a failover. */
function strangerStatus(
  state: MasterState,
  framework: Framework,
  taskId: string,
  agentId: string | undefined,
  cx: Context,
): TaskStatus | undefined {
  const answer = (aware: TaskState, message: string): TaskStatus => ({
    ...masterStatus(taskId, fateOf(framework, aware), cx),
    reason: 'REASON_RECONCILIATION',
    message: `reconciliation: ${message}`,
    ...(agentId !== undefined && { agent_id: { value: agentId } }),
  })
  if (agentId === undefined) {
    return state.recovered.size > 0 ? undefined : answer('TASK_UNKNOWN', 'the task is unknown')
  }
  if (state.recovered.has(agentId)) return undefined
  if (state.agents.has(agentId)) return answer('TASK_GONE', 'the agent does not know the task')
  const unreachable_time = state.unreachable.get(agentId)
  if (unreachable_time !== undefined) {
    return { ...answer('TASK_UNREACHABLE', 'the agent is unreachable'), unreachable_time }
  }
  if (state.gone.has(agentId)) return answer('TASK_GONE_BY_OPERATOR', 'the agent is gone for good')
  return answer('TASK_UNKNOWN', 'neither task nor agent are known')
}
