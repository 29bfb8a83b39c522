/**
 * What of an agent survives its process: records in one ordered store, written with group commit and
 * fsync before anyone is told (design.md §6). They survive a crash of the process and of the host. Ids
 * hold no `/`, so keys never collide.
 *
 * Records of frameworks that do not checkpoint are written too: a recovering agent must know which
 * containers to destroy (agent.md §4).
 *
 * | key                 | value |
 * | ---                 | --- |
 * | `agent`             | AgentInfo, with its id |
 * | `boot`              | boot id of the host |
 * | `framework/F`       | FrameworkInfo |
 * | `executor/F/E`      | ExecutorRecord; none for command tasks |
 * | `task/F/T`          | TaskRecord |
 * | `stream/F/T/N`      | see actors/updates |
 */
import { encode, unpack } from '../../protocol/codec.ts'
import type { AgentInfo } from '../../protocol/v1/agent.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Store, StoreOperation } from '../../src/runtime/index.ts'

export interface ExecutorRecord {
  readonly framework_id: string
  readonly info: ExecutorInfo
  readonly container_id: string
  /** It was given a task. */
  readonly used?: boolean
}

export interface TaskRecord {
  readonly framework_id: string
  readonly executor_id: string
  readonly info: TaskInfo
  /** Container of a command task; those of other tasks stand with their executor. */
  readonly container_id?: string
}

export interface Identity {
  readonly info: AgentInfo | undefined
  readonly boot: string | undefined
}

export interface Checkpoints extends Identity {
  readonly frameworks: readonly FrameworkInfo[]
  readonly executors: readonly ExecutorRecord[]
  readonly tasks: readonly TaskRecord[]
}

const keys = {
  agent: 'agent',
  boot: 'boot',
  framework: (framework: string) => `framework/${framework}`,
  executor: (framework: string, executor: string) => `executor/${framework}/${executor}`,
  task: (framework: string, task: string) => `task/${framework}/${task}`,
}

function put(key: string, value: unknown): StoreOperation {
  return { type: 'put', key, value: encode(value) }
}

export const putAgent = (info: AgentInfo): StoreOperation => put(keys.agent, info)
export const putBoot = (boot: string): StoreOperation => put(keys.boot, boot)
export const putFramework = (info: FrameworkInfo): StoreOperation =>
  put(keys.framework(info.id?.value ?? ''), info)
export const putExecutor = (record: ExecutorRecord): StoreOperation =>
  put(keys.executor(record.framework_id, record.info.executor_id.value), record)
export const putTask = (record: TaskRecord): StoreOperation =>
  put(keys.task(record.framework_id, record.info.task_id.value), record)

export const deleteFramework = (framework: string): StoreOperation => ({
  type: 'delete',
  key: keys.framework(framework),
})
export const deleteExecutor = (framework: string, executor: string): StoreOperation => ({
  type: 'delete',
  key: keys.executor(framework, executor),
})
export const deleteTask = (framework: string, task: string): StoreOperation => ({
  type: 'delete',
  key: keys.task(framework, task),
})

/** Who the agent was, and on which boot of its host. */
export async function readIdentity(store: Store): Promise<Identity> {
  const [info, boot] = await Promise.all([store.get(keys.agent), store.get(keys.boot)])
  return {
    info: info === undefined ? undefined : (unpack(info) as AgentInfo),
    boot: boot === undefined ? undefined : (unpack(boot) as string),
  }
}

/** Everything that was written. */
export async function readCheckpoints(store: Store): Promise<Checkpoints> {
  const [identity, frameworks, executors, tasks] = await Promise.all([
    readIdentity(store),
    readAll<FrameworkInfo>(store, 'framework'),
    readAll<ExecutorRecord>(store, 'executor'),
    readAll<TaskRecord>(store, 'task'),
  ])
  return { ...identity, frameworks, executors, tasks }
}

async function readAll<T>(store: Store, kind: string): Promise<T[]> {
  // `0` follows `/` in the order of keys.
  const entries = await store.range(`${kind}/`, `${kind}0`)
  return entries.map(([, value]) => unpack(value) as T)
}
