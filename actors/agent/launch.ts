/**
 * Launching tasks: checked, checkpointed, given a sandbox, then handed to an executor. A task is durable
 * before anything of it can be seen. Spec: agent.md §5.
 */
import type { RunTasks } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { needsCheckpoint, resources as resourcesOf } from '../../src/resources/index.ts'
import { type Context, type Disk, DiskError, type StoreOperation } from '../../src/runtime/index.ts'
import { putExecutor, putFramework, putTask } from './checkpoints.ts'
import { deliver, end, idsOf, settle, startExecutor } from './executors.ts'
import { keep } from './gc.ts'
import { isSilent, refusalOf } from './launch-checks.ts'
import { whenWritten } from './operations.ts'
import { latestPath, runOf } from './paths.ts'
import { obeys } from './registration.ts'
import {
  type AgentState,
  type AgentTask,
  addExecutor,
  addTask,
  type Executor,
  frameworkOf,
} from './state.ts'
import { endTask, storeStatus } from './statuses.ts'
import { linkVolumes } from './volumes.ts'

type Launch = Payload<typeof RunTasks>

export const launching = {
  RUN_TASKS(state: AgentState, launch: Launch, cx: Context): void {
    if (!obeys(state, launch.epoch, cx)) return
    const silence = isSilent(state, launch)
    if (silence !== undefined) {
      const tasks = launch.tasks.map(({ task_id }) => task_id.value)
      cx.log('warn', `a launch is passed over: ${silence}`, { tasks })
      return
    }
    const accepted = refuse(state, launch, cx)
    if (accepted.length === 0) return
    const taken = accepted.map(({ task_id }) => task_id.value)
    cx.log('debug', 'launches', { epoch: launch.epoch, tasks: taken })
    const framework = frameworkOf(state, launch.framework_info)
    framework.info = launch.framework_info
    const { executor: info, group } = launch
    if (info === undefined) {
      for (const task of accepted) {
        const executor = addExecutor(framework, commandInfo(task), cx.newId(), true)
        checkpoint(state, executor, [addTask(state, executor, task, undefined)], cx)
      }
      return
    }
    const ids = group ? taken : undefined
    const executor =
      framework.executors.get(info.executor_id.value) ??
      addExecutor(framework, info, cx.newId(), false)
    const tasks = accepted.map((task) => addTask(state, executor, task, ids))
    checkpoint(state, executor, tasks, cx)
  },
}

/** Tells those that cannot be launched; returns the others. A group is all or nothing. */
function refuse(state: AgentState, launch: Launch, cx: Context): readonly TaskInfo[] {
  const id = launch.framework_info.id?.value ?? ''
  const framework = state.frameworks.get(id)
  const refusals = launch.tasks.map((task) => refusalOf(state, framework, launch, task))
  const first = refusals.find((refusal) => refusal !== undefined)
  return launch.tasks.filter((task, index) => {
    const refusal = launch.group ? first : refusals[index]
    if (refusal === undefined) return true
    const executor = launch.executor?.executor_id ?? { value: task.task_id.value }
    storeStatus(state, id, { task_id: task.task_id, executor_id: executor, ...refusal }, cx)
    const known = framework?.executors.get(executor.value)
    // A misunderstanding about who runs: the live one goes, so that both sides agree (row 14).
    if (launch.launch_executor && launch.executor !== undefined && known !== undefined) {
      end(known, cx)
      settle(state, known, cx)
    }
    return false
  })
}

/** The executor that is made up for a command task (executor-api.md §9.3). */
export function commandInfo(task: TaskInfo): ExecutorInfo {
  const text = task.command?.value ?? ''
  const shown = text.length <= 15 ? text : `${text.slice(0, 12)}...`
  return {
    executor_id: { value: task.task_id.value },
    name: `Command Executor (Task: ${task.task_id.value}) (Command: sh -c '${shown}')`,
    source: task.task_id.value,
    ...(task.command === undefined ? {} : { command: task.command }),
    ...(task.labels === undefined ? {} : { labels: task.labels }),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
  }
}

function checkpoint(
  state: AgentState,
  executor: Executor,
  tasks: readonly AgentTask[],
  cx: Context,
): void {
  const { framework, command, info, container } = executor
  const framework_id = framework.id
  const executor_id = info.executor_id.value
  const isNew = executor.pid === undefined && executor.tasks.size === tasks.length
  const operations: StoreOperation[] = [putFramework(framework.info)]
  if (isNew && !command)
    operations.push(putExecutor({ framework_id, info, container_id: container }))
  for (const task of tasks) {
    const record = { framework_id, executor_id, info: task.info }
    operations.push(putTask(command ? { ...record, container_id: container } : record))
  }
  const ids = idsOf(state, executor)
  const { work_dir } = state.options
  if (isNew) keep(state, ids)
  const { sandbox } = runOf(work_dir, ids)
  const consumers = [...(isNew ? [info] : []), ...tasks.map((task) => task.info)]
  const used = consumers.flatMap(({ resources = [] }) => resources)
  const { disk } = cx.ports
  const makePlace = async () => {
    if (isNew) await makeSandbox(disk, sandbox, latestPath(work_dir, ids))
    await linkVolumes(disk, work_dir, sandbox, used)
  }
  const start = () =>
    cx.job(
      async () => {
        // Both at once; the sandbox may fail, the commit must not.
        const [failure] = await Promise.all([
          failureOf(makePlace()),
          state.store.commit(operations),
        ])
        return failure
      },
      (outcome) => {
        if (!outcome.ok) throw outcome.error
        checkpointed(state, executor, tasks, outcome.value, cx)
      },
    )
  // Its volumes may be those of an operation that came just before; other tasks need not wait for it.
  if (resourcesOf(used).some(needsCheckpoint)) whenWritten(state, start)
  else start()
}

/** The link `latest` follows the newest run. */
async function makeSandbox(disk: Disk, sandbox: string, latest: string): Promise<void> {
  const link = () => disk.symlink(sandbox.slice(sandbox.lastIndexOf('/') + 1), latest)
  await disk.makeDirectory(sandbox)
  await link().catch(async (error: unknown) => {
    if (!(error instanceof DiskError && error.code === 'EXISTS')) throw error
    await disk.unlink(latest)
    await link()
  })
}

/** What went wrong, or undefined. */
async function failureOf(work: Promise<void>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function checkpointed(
  state: AgentState,
  executor: Executor,
  tasks: readonly AgentTask[],
  failure: string | undefined,
  cx: Context,
): void {
  if (executor.framework.terminating) {
    end(executor, cx)
    settle(state, executor, cx)
    return
  }
  // Those killed meanwhile are terminated.
  const alive = tasks.filter(({ phase }) => phase === 'pending')
  for (const task of alive) task.phase = executor.command ? 'launched' : 'queued'
  if (failure !== undefined) {
    for (const task of alive) {
      const message = `the sandbox could not be made: ${failure}`
      const reason = 'REASON_CONTAINER_LAUNCH_FAILED'
      endTask(state, task, { state: 'TASK_FAILED', reason, message }, cx)
    }
  }
  const wanted = [...executor.tasks.values()].some(({ phase }) => phase !== 'terminated')
  if (executor.pid !== undefined) deliver(executor, cx)
  else if (wanted) startExecutor(state, executor, false, cx)
  else {
    executor.phase = 'terminated'
    settle(state, executor, cx)
  }
}
