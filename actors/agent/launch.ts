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
import { deliver, end, hasWork, idsOf, settle, startExecutor, tellExited } from './executors.ts'
import { keep } from './gc.ts'
import { shutDownExecutor } from './kill.ts'
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
  forFramework,
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
  const accepted = launch.tasks.filter((task, index) => {
    const refusal = launch.group ? first : refusals[index]
    if (refusal === undefined) return true
    const executor = launch.executor?.executor_id ?? { value: task.task_id.value }
    storeStatus(state, id, { task_id: task.task_id, executor_id: executor, ...refusal }, cx)
    return false
  })
  const wanted = launch.launch_executor ? launch.executor?.executor_id : undefined
  if (accepted.length > 0 || wanted === undefined) return accepted
  const known = framework?.executors.get(wanted.value)
  // The master reckons with an executor that will not be.
  if (known === undefined || known.phase === 'terminated') tellExited(state, id, wanted, -1, cx)
  // A misunderstanding about who runs: the live one goes, so that both sides agree (row 14).
  else shutDownExecutor(state, known, cx)
  return accepted
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

/** Writes tasks down and makes their place. The first tasks of an executor bring its sandbox and its start. */
function checkpoint(
  state: AgentState,
  executor: Executor,
  tasks: readonly AgentTask[],
  cx: Context,
): void {
  const { framework, info } = executor
  const isFirst = executor.pid === undefined && executor.tasks.size === tasks.length
  const ids = idsOf(state, executor)
  const { work_dir } = state.options
  if (isFirst) keep(state, ids)
  const { sandbox } = runOf(work_dir, ids)
  const consumers = [...(isFirst ? [info] : []), ...tasks.map((task) => task.info)]
  const used = consumers.flatMap(({ resources = [] }) => resources)
  const { disk } = cx.ports
  const makePlace = async () => {
    if (isFirst) await makeSandbox(disk, sandbox, latestPath(work_dir, ids))
    await linkVolumes(disk, work_dir, sandbox, used)
  }
  const start = () => {
    // A record of those killed meanwhile would stay: they may be acknowledged and forgotten already.
    if (framework.terminating || !hasWork(executor)) {
      checkpointed(state, executor, tasks, { isFirst, failure: undefined }, cx)
      return
    }
    const operations = recordsOf(executor, tasks, isFirst)
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
        checkpointed(state, executor, tasks, { isFirst, failure: outcome.value }, cx)
      },
    )
  }
  // Its volumes may be those of an operation that came just before; other tasks need not wait for it.
  if (resourcesOf(used).some(needsCheckpoint)) whenWritten(state, start)
  else start()
}

function recordsOf(
  { framework, command, info, container }: Executor,
  tasks: readonly AgentTask[],
  isFirst: boolean,
): StoreOperation[] {
  const framework_id = framework.id
  const executor_id = info.executor_id.value
  const operations = [putFramework(framework.info)]
  if (isFirst && !command)
    operations.push(putExecutor({ framework_id, info, container_id: container }))
  for (const task of tasks) {
    if (task.phase !== 'pending') continue
    const record = { framework_id, executor_id, info: task.info }
    operations.push(putTask(command ? { ...record, container_id: container } : record))
  }
  return operations
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
  { isFirst, failure }: { readonly isFirst: boolean; readonly failure: string | undefined },
  cx: Context,
): void {
  const { framework, command, info } = executor
  if (framework.terminating) {
    end(executor, cx)
    settle(state, executor, cx)
    return
  }
  if (failure !== undefined) {
    // Without a sandbox there is no executor, whoever else waits for it.
    for (const task of isFirst ? [...executor.tasks.values()] : tasks) {
      if (task.phase !== 'terminated') dropPlaceless(state, task, failure, cx)
    }
  }
  // Those killed meanwhile are terminated.
  for (const task of tasks) {
    if (task.phase === 'pending') task.phase = command ? 'launched' : 'queued'
  }
  if (executor.pid !== undefined) deliver(state, executor, cx)
  // Its first tasks start it, with all that is queued by then.
  else if (!isFirst) return
  else if (hasWork(executor)) startExecutor(state, executor, false, cx)
  else {
    if (!command) tellExited(state, framework.id, info.executor_id, -1, cx)
    executor.phase = 'terminated'
    settle(state, executor, cx)
  }
}

function dropPlaceless(state: AgentState, task: AgentTask, failure: string, cx: Context): void {
  const status = {
    state: forFramework(task.executor.framework.info, 'TASK_DROPPED'),
    reason: 'REASON_EXECUTOR_TERMINATED',
    message: `the sandbox could not be made: ${failure}`,
  } as const
  endTask(state, task, status, cx)
}
