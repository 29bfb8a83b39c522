/**
 * Recovery: from the checkpoints of a former life to the present. Containers are found again through
 * their shims; what ran goes on, what ended meanwhile tells its exit status. Spec: agent.md §4.
 */
import type { Payload } from '../../protocol/message.ts'
import type { StreamsRecovered } from '../../protocol/updates.ts'
import { isTerminal, type TaskStatus } from '../../protocol/v1/status.ts'
import { applyCheckpointed, formatFault, resources } from '../../src/resources/index.ts'
import type { Context, StoreOperation } from '../../src/runtime/index.ts'
import { updates } from '../updates/index.ts'
import {
  type Checkpoints,
  deleteFramework,
  deleteTask,
  putBoot,
  readCheckpoints,
} from './checkpoints.ts'
import { settle, startExecutor } from './executors.ts'
import { destroyAll, forget } from './forget.ts'
import { watchDisk } from './gc.ts'
import { shutDownFramework } from './kill.ts'
import { commandInfo } from './launch.ts'
import { hex } from './ledger.ts'
import { recoverLedger } from './ledger-store.ts'
import { differenceOf } from './prepare.ts'
import {
  type AgentState,
  addExecutor,
  addTask,
  applyStatus,
  type Executor,
  frameworkOf,
} from './state.ts'
import { endTask } from './statuses.ts'

/** Entry of RECOVERING. The streams answer with STREAMS_RECOVERED. */
export function recover(state: AgentState, cx: Context): void {
  state.updates = cx.spawn(
    updates({
      owner: cx.self,
      store: state.store,
      retryMinMs: state.options.update_retry_min_ms,
      retryMaxMs: state.options.update_retry_max_ms,
      forget: (framework, task) => [deleteTask(framework, task)],
    }),
  )
}

export const recovery = {
  STREAMS_RECOVERED(
    state: AgentState,
    { streams }: Payload<typeof StreamsRecovered>,
    cx: Context,
  ): void {
    const { disk } = cx.ports
    cx.job(
      async () => {
        const found = await readCheckpoints(state.store)
        // After a reboot nothing runs, and pids are others'.
        if (found.leaving && found.boot === state.bootId)
          await destroyAll(state.options.work_dir, found, cx.ports)
        return [found, await recoverLedger(disk, state.store)] as const
      },
      (outcome) => {
        if (!outcome.ok) throw outcome.error
        const [found, ledger] = outcome.value
        restoreLedger(state, ledger, found.info?.id?.value)
        restore(state, found, streams, cx)
      },
    )
  },
}

/** The flags' resources with what operations made of them. */
function restoreLedger(
  { ledger, info }: AgentState,
  found: Awaited<ReturnType<typeof recoverLedger>>,
  agent: string | undefined,
): void {
  const flags = resources(info.resources ?? [])
  const total = applyCheckpointed(flags, resources(found.resources))
  // Looked at before the agent was started (prepare.ts).
  if (!total.ok) throw new Error(formatFault(total.error))
  ledger.total = total.value
  for (const document of found.operations) {
    // Those of the agent that was here before a reboot concern nobody.
    if (document.agent_id?.value !== agent) continue
    const operation = { document, durable: true, intervalMs: 0 }
    ledger.operations.set(hex(document.uuid.value), operation)
  }
}

type Streams = Payload<typeof StreamsRecovered>['streams']

function restore(state: AgentState, found: Checkpoints, streams: Streams, cx: Context): void {
  const rebooted = found.boot !== undefined && found.boot !== state.bootId
  if (found.info?.id !== undefined) state.info = { ...state.info, id: found.info.id }
  state.diskAge = found.diskAge
  const operations: StoreOperation[] = [putBoot(state.bootId)]
  rebuild(state, found, streams)
  for (const id of [...found.frameworks.map(({ id }) => id?.value ?? ''), ...found.over]) {
    if (!state.frameworks.has(id)) operations.push(...deleteFramework(id))
  }
  const isNew =
    found.leaving ||
    found.info === undefined ||
    (rebooted && differenceOf(found.info, state.info) !== undefined)
  if (isNew) operations.push(...forget(state, found, streams, cx))
  else {
    for (const framework of [...state.frameworks.values()]) {
      const isOver = found.over.has(framework.id)
      for (const executor of [...framework.executors.values()]) {
        revive(state, executor, { rebooted, isOver }, cx)
      }
      // Those that do not checkpoint lose their tasks with the agent (agent.md §4).
      if (isOver || (!rebooted && framework.info.checkpoint !== true))
        shutDownFramework(state, framework, cx)
    }
  }
  cx.job(
    () => state.store.commit(operations),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      watchDisk(state, cx)
      // Executors that do not come back are destroyed by their own actors after the same time.
      cx.after('recovered', state.options.executor_reregistration_timeout_ms, () =>
        finish(state, cx),
      )
      recoveredOne(state, cx)
    },
  )
}

/** Puts the records back together. */
function rebuild(state: AgentState, found: Checkpoints, streams: Streams): void {
  const infos = new Map(found.frameworks.map((info) => [info.id?.value ?? '', info]))
  const statuses = new Map<string, readonly TaskStatus[]>(
    streams.map((each) => [`${each.framework_id.value}/${each.task_id.value}`, each.statuses]),
  )
  for (const { framework_id, info, container_id, used = false } of found.executors) {
    const framework = infos.get(framework_id)
    if (framework === undefined) continue
    addExecutor(frameworkOf(state, framework), info, container_id, false).used = used
  }
  for (const { framework_id, executor_id, info, container_id } of found.tasks) {
    const frameworkInfo = infos.get(framework_id)
    if (frameworkInfo === undefined) continue
    const framework = frameworkOf(state, frameworkInfo)
    const executor =
      container_id === undefined
        ? framework.executors.get(executor_id)
        : addExecutor(framework, commandInfo(info), container_id, true)
    if (executor === undefined) continue
    executor.used = true
    const task = addTask(state, executor, info, undefined)
    task.phase = 'launched'
    for (const status of statuses.get(`${framework_id}/${info.task_id.value}`) ?? []) {
      applyStatus(task, status)
    }
  }
}

function revive(
  state: AgentState,
  executor: Executor,
  { rebooted, isOver }: { readonly rebooted: boolean; readonly isOver: boolean },
  cx: Context,
): void {
  const { command, tasks } = executor
  const over = [...tasks.values()].every((task) => isTerminal(task.state))
  if (rebooted || (command && over)) {
    executor.phase = 'terminated'
    for (const task of [...tasks.values()]) {
      if (task.phase === 'terminated' || isOver) continue
      const message = 'the host was restarted'
      const reason = 'REASON_EXECUTOR_TERMINATED'
      endTask(state, task, { state: 'TASK_FAILED', reason, message }, cx)
    }
    // One that had nothing to do leaves nobody to wait for.
    settle(state, executor, cx)
    return
  }
  startExecutor(state, executor, true, cx)
}

/** An executor has subscribed or ended: recovery is over when none is awaited. */
export function recoveredOne(state: AgentState, cx: Context): void {
  if (state.phase !== 'RECOVERING') return
  const awaited = [...state.frameworks.values()].some(({ executors }) =>
    [...executors.values()].some(({ command, phase }) => !command && phase === 'registering'),
  )
  if (!awaited) finish(state, cx)
}

function finish(state: AgentState, cx: Context): void {
  if (state.phase !== 'RECOVERING') return
  cx.cancel('recovered')
  cx.raise({ type: 'RECOVERED' })
  if (state.stop === 'ENDING') cx.raise({ type: 'END_TASKS' })
}
