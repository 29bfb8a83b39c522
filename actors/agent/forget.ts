/**
 * Where an agent of the past has left its checkpoints, and another one begins: the master told it to leave,
 * or its host was restarted with other settings. Of the former one nothing goes on, and nobody is told
 * anything in its name; reservations and volumes belong to the host, and stay. Spec: agent.md §2, §4.
 */
import type { Payload } from '../../protocol/message.ts'
import { CleanUpStreams, type StreamsRecovered } from '../../protocol/updates.ts'
import type { Context, Ports, StoreOperation } from '../../src/runtime/index.ts'
import { destroy } from '../executor/index.ts'
import {
  type Checkpoints,
  deleteAgent,
  deleteExecutor,
  deleteFramework,
  deleteTask,
} from './checkpoints.ts'
import { deleteOperations } from './ledger-store.ts'
import { runOf } from './paths.ts'
import type { AgentState } from './state.ts'

/** Destroys all containers of an agent that had begun to leave, and may have died before it was through. */
export async function destroyAll(
  workDir: string,
  { info, executors, tasks }: Checkpoints,
  ports: Ports,
): Promise<void> {
  const agent = info?.id?.value
  if (agent === undefined) return
  const runs = [
    ...executors.map(({ framework_id, info, container_id }) => ({
      framework: framework_id,
      executor: info.executor_id.value,
      container: container_id,
    })),
    ...tasks.flatMap(({ framework_id, executor_id, container_id }) =>
      container_id === undefined
        ? []
        : { framework: framework_id, executor: executor_id, container: container_id },
    ),
  ]
  await Promise.all(runs.map((run) => destroy(runOf(workDir, { agent, ...run }), ports)))
}

/**
 * Lets go of all that the agent has just found; returns what makes that durable. Streams go apart from it:
 * those that are left when the agent dies in between are found without an agent, and forgotten then.
 */
export function forget(
  state: AgentState,
  found: Checkpoints,
  streams: Payload<typeof StreamsRecovered>['streams'],
  cx: Context,
): StoreOperation[] {
  const former = found.info?.id?.value
  if (former !== undefined) {
    const why = found.leaving
      ? 'it was told to leave'
      : 'the host was restarted with other settings'
    cx.log('warn', `${why}: this is a new agent now`, { former })
  }
  const operations = [...deleteAgent(), ...deleteOperations(state.ledger.operations.keys())]
  const { id: _, ...info } = state.info
  state.info = info
  state.frameworks.clear()
  state.taskCount = 0
  state.ledger.operations.clear()
  for (const { framework_id, info: task } of found.tasks) {
    operations.push(deleteTask(framework_id, task.task_id.value))
  }
  for (const { framework_id, info: executor } of found.executors) {
    operations.push(deleteExecutor(framework_id, executor.executor_id.value))
  }
  for (const { id } of found.frameworks) {
    if (id !== undefined) operations.push(...deleteFramework(id.value))
  }
  for (const id of new Set(streams.map(({ framework_id }) => framework_id.value))) {
    if (state.updates !== undefined)
      cx.send(state.updates, CleanUpStreams, { framework_id: { value: id } })
  }
  return operations
}
