/**
 * What an agent knows, and the pure operations on it. Rebuilt from checkpoints after each start: nothing
 * here is trusted across a crash. Spec: agent.md §5, §6.
 */
import type { ExitedExecutor } from '../../protocol/agent.ts'
import type { Leader } from '../../protocol/leader.ts'
import type { Payload } from '../../protocol/message.ts'
import type { AgentInfo, DrainConfig } from '../../protocol/v1/agent.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { FrameworkCapabilityType, FrameworkInfo } from '../../protocol/v1/framework.ts'
import { isTerminal, type TaskState, type TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { resources } from '../../src/resources/index.ts'
import type { Pid, Store } from '../../src/runtime/index.ts'
import type { ResourceEstimator } from './estimators.ts'
import { hex, type Ledger, newLedger } from './ledger.ts'
import type { AgentOptions } from './options.ts'
import type { AgentArgs } from './prepare.ts'
import type { QosController } from './qos.ts'

/** Kept for operators, oldest dropped first (agent.md §5; command tasks are executors of their own). */
export const completedTasksMax = 1000
export const completedFrameworksMax = 50
/** Tasks that one agent takes at a time; those beyond are dropped. */
export const tasksMax = 50_000

/**
 * - `pending`: being checkpointed; not known to any executor.
 * - `queued`: checkpointed, waiting for its executor to subscribe.
 * - `launched`: given to its executor.
 * - `terminated`: ended, its last status not acknowledged yet.
 */
export type TaskPhase = 'pending' | 'queued' | 'launched' | 'terminated'

export interface AgentTask {
  readonly info: TaskInfo
  readonly executor: Executor
  /** Ids of its whole group, in order; absent if it stands alone. */
  readonly group: readonly string[] | undefined
  phase: TaskPhase
  /** With which launch of its executor it was sent (`Executor.launches`); absent if by a former life. */
  launch: number | undefined
  /** The latest; may be ahead of what the scheduler was told. */
  state: TaskState
  /** The latest status of each run of equal states. */
  readonly statuses: TaskStatus[]
  /** Uuids, in hex, of all statuses that were applied: a repeated one is no news. */
  readonly applied: Set<string>
  /** The last status sent to the master. */
  forwarded: TaskStatus | undefined
}

export type ExecutorPhase = 'registering' | 'running' | 'terminating' | 'terminated'

export interface Executor {
  readonly framework: Framework
  readonly info: ExecutorInfo
  readonly container: string
  /** Made up for one command task. */
  readonly command: boolean
  phase: ExecutorPhase
  /** Its actor, while there is one. */
  pid: Pid | undefined
  /** Whether a task was ever given to it. */
  used: boolean
  /** LAUNCH and LAUNCH_GROUP events that this life of the agent sent it. */
  launches: number
  /** It has to give back what it borrowed. */
  preempted: boolean
  /** Not completed ones, in the order of arrival. */
  readonly tasks: Map<string, AgentTask>
}

export interface Framework {
  readonly id: string
  info: FrameworkInfo
  /** Its end was ordered: nobody waits for statuses. */
  terminating: boolean
  readonly executors: Map<string, Executor>
  readonly tasks: Map<string, AgentTask>
}

/** What operators are told of a task that is over. */
export interface CompletedTask {
  readonly framework: string
  readonly info: TaskInfo
  readonly executor: string
  readonly state: TaskState
  readonly statuses: readonly TaskStatus[]
}

export type AgentPhase = 'RECOVERING' | 'DISCONNECTED' | 'RUNNING' | 'TERMINATING'

export interface AgentState {
  readonly options: AgentOptions
  readonly store: Store
  readonly bootId: string
  readonly estimator: ResourceEstimator
  readonly controller: QosController
  readonly startedMs: number
  /** The state of the machine, for handlers. */
  phase: AgentPhase
  /** With its id once it has one. */
  info: AgentInfo
  /** As on disk (disk-age.ts). */
  diskAge: number
  /** Address of the host. */
  readonly ip: string
  leader: Leader | undefined
  /** Highest epoch heard of. */
  epoch: number
  pingTimeoutMs: number
  /** The node is going down: first its tasks do, if they are to, then the agent takes nothing more. */
  stop: 'ENDING' | 'CLOSING' | undefined
  /** Grows with each attempt to register; answers to older ones are late. */
  attempt: number
  detector: Pid | undefined
  updates: Pid | undefined
  /** Until recovery has read the disk, that of an agent without operations. */
  readonly ledger: Ledger
  readonly frameworks: Map<string, Framework>
  /**
   * Of executors that ended since the last report to a master was made, which it was not told of: no more than
   * there were, as nothing is launched meanwhile.
   */
  exits: Payload<typeof ExitedExecutor>[]
  readonly completedTasks: CompletedTask[]
  readonly completedFrameworks: FrameworkInfo[]
  /** Sandboxes to remove: path -> monotonic time at which it may go, ms. */
  readonly garbage: Map<string, number>
  /** Those whose removal is under way. */
  readonly removing: Set<string>
  /** Set while the agent drains, by its master's word. */
  drain: { readonly config: DrainConfig; readonly startMs: number } | undefined
  /** Tasks that the agent holds, pending and terminated ones too. */
  taskCount: number
}

export function newAgentState(args: AgentArgs, startedMs: number): AgentState {
  return {
    options: args.options,
    store: args.store,
    bootId: args.bootId,
    estimator: args.estimator,
    controller: args.controller,
    startedMs,
    phase: 'RECOVERING',
    info: args.info,
    diskAge: 0,
    ip: args.ip,
    leader: undefined,
    epoch: 0,
    // Until a master says otherwise (agent.md §2).
    pingTimeoutMs: 75_000,
    stop: undefined,
    attempt: 0,
    detector: undefined,
    updates: undefined,
    ledger: newLedger(resources(args.info.resources ?? [])),
    frameworks: new Map(),
    exits: [],
    completedTasks: [],
    completedFrameworks: [],
    garbage: new Map(),
    removing: new Set(),
    drain: undefined,
    taskCount: 0,
  }
}

/** @throws if it has none: the caller is in a state that only registered agents reach. */
export function agentId(state: AgentState): string {
  const { id } = state.info
  if (id === undefined) throw new Error('the agent has no id yet')
  return id.value
}

export function newFramework(info: FrameworkInfo): Framework {
  return {
    id: info.id?.value ?? '',
    info,
    terminating: false,
    executors: new Map(),
    tasks: new Map(),
  }
}

/** The framework of that id, added if it is new. */
export function frameworkOf(state: AgentState, info: FrameworkInfo): Framework {
  const id = info.id?.value ?? ''
  let framework = state.frameworks.get(id)
  if (framework === undefined) {
    framework = newFramework(info)
    state.frameworks.set(id, framework)
  }
  return framework
}

export function hasCapability(info: FrameworkInfo, type: FrameworkCapabilityType): boolean {
  return (info.capabilities ?? []).some((capability) => capability.type === type)
}

/** Frameworks that do not know the newer states are told TASK_LOST (states.md §1). */
export function forFramework(info: FrameworkInfo, state: TaskState): TaskState {
  const newer = state === 'TASK_DROPPED' || state === 'TASK_GONE'
  return newer && !hasCapability(info, 'PARTITION_AWARE') ? 'TASK_LOST' : state
}

export function addExecutor(
  framework: Framework,
  info: ExecutorInfo,
  container: string,
  command: boolean,
): Executor {
  const executor: Executor = {
    framework,
    info,
    container,
    command,
    phase: 'registering',
    pid: undefined,
    used: command,
    launches: 0,
    preempted: false,
    tasks: new Map(),
  }
  framework.executors.set(info.executor_id.value, executor)
  return executor
}

export function addTask(
  state: AgentState,
  executor: Executor,
  info: TaskInfo,
  group: readonly string[] | undefined,
): AgentTask {
  const task: AgentTask = {
    info,
    executor,
    group,
    phase: 'pending',
    launch: undefined,
    state: 'TASK_STAGING',
    statuses: [],
    applied: new Set(),
    forwarded: undefined,
  }
  executor.tasks.set(info.task_id.value, task)
  executor.framework.tasks.set(info.task_id.value, task)
  state.taskCount++
  return task
}

/** Takes a status into account, once; false if the task has ended before (agent.md §7). */
export function applyStatus(task: AgentTask, status: TaskStatus): boolean {
  if (task.phase === 'terminated') return false
  const uuid = hex(status.uuid ?? new Uint8Array())
  if (task.applied.has(uuid)) return true
  task.applied.add(uuid)
  task.state = status.state
  if (isTerminal(status.state)) task.phase = 'terminated'
  const { data: _, ...kept } = status
  if (task.statuses.at(-1)?.state === status.state) task.statuses.pop()
  task.statuses.push(kept)
  return true
}

/** A task whose last status is acknowledged, or that never came to life. */
export function removeTask(state: AgentState, task: AgentTask): void {
  const { executor, info } = task
  const id = info.task_id.value
  if (!executor.tasks.delete(id)) return
  executor.framework.tasks.delete(id)
  state.taskCount--
  state.completedTasks.push({
    framework: executor.framework.id,
    info,
    executor: executor.info.executor_id.value,
    state: task.state,
    statuses: task.statuses,
  })
  if (state.completedTasks.length > completedTasksMax) state.completedTasks.shift()
}

/** Drops an executor from its framework, and the framework if that was its last. */
export function removeExecutor(state: AgentState, executor: Executor): { frameworkGone: boolean } {
  const { framework } = executor
  const id = executor.info.executor_id.value
  if (framework.executors.get(id) === executor) framework.executors.delete(id)
  if (framework.executors.size > 0 || state.frameworks.get(framework.id) !== framework) {
    return { frameworkGone: false }
  }
  state.frameworks.delete(framework.id)
  const known = state.completedFrameworks.findIndex(({ id }) => id?.value === framework.id)
  if (known >= 0) state.completedFrameworks.splice(known, 1)
  state.completedFrameworks.push(framework.info)
  if (state.completedFrameworks.length > completedFrameworksMax) state.completedFrameworks.shift()
  return { frameworkGone: true }
}
