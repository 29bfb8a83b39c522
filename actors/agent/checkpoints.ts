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
 * | `leaving`           | true: a master does not want this agent any more |
 * | `boot`              | boot id of the host |
 * | `age`               | how old this disk is (disk-age.ts) |
 * | `framework/F`       | FrameworkInfo |
 * | `over/F`            | true: what is left of the framework is to end, and nobody is to be told |
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
  readonly diskAge: number
  /** It was told to leave: who comes now is another agent. */
  readonly leaving: boolean
}

export interface Checkpoints extends Identity {
  readonly frameworks: readonly FrameworkInfo[]
  /** Ids of those whose end was ordered. */
  readonly over: ReadonlySet<string>
  readonly executors: readonly ExecutorRecord[]
  readonly tasks: readonly TaskRecord[]
}

const keys = {
  agent: 'agent',
  leaving: 'leaving',
  boot: 'boot',
  age: 'age',
  framework: (framework: string) => `framework/${framework}`,
  over: (framework: string) => `over/${framework}`,
  executor: (framework: string, executor: string) => `executor/${framework}/${executor}`,
  task: (framework: string, task: string) => `task/${framework}/${task}`,
}

function put(key: string, value: unknown): StoreOperation {
  return { type: 'put', key, value: encode(value) }
}

export const putAgent = (info: AgentInfo): StoreOperation => put(keys.agent, info)
export const putLeaving = (): StoreOperation => put(keys.leaving, true)
export const putBoot = (boot: string): StoreOperation => put(keys.boot, boot)
export const putAge = (age: number): StoreOperation => put(keys.age, age)
export const putFramework = (info: FrameworkInfo): StoreOperation =>
  put(keys.framework(info.id?.value ?? ''), info)
export const putOver = (framework: string): StoreOperation => put(keys.over(framework), true)
export const putExecutor = (record: ExecutorRecord): StoreOperation =>
  put(keys.executor(record.framework_id, record.info.executor_id.value), record)
export const putTask = (record: TaskRecord): StoreOperation =>
  put(keys.task(record.framework_id, record.info.task_id.value), record)

/** Who the agent was, and that it was to leave. */
export const deleteAgent = (): StoreOperation[] => [
  { type: 'delete', key: keys.agent },
  { type: 'delete', key: keys.leaving },
]
export const deleteFramework = (framework: string): StoreOperation[] => [
  { type: 'delete', key: keys.framework(framework) },
  { type: 'delete', key: keys.over(framework) },
]
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
  const [info, boot, age, leaving] = await Promise.all([
    store.get(keys.agent),
    store.get(keys.boot),
    store.get(keys.age),
    store.get(keys.leaving),
  ])
  return {
    info: info === undefined ? undefined : (unpack(info) as AgentInfo),
    boot: boot === undefined ? undefined : (unpack(boot) as string),
    diskAge: age === undefined ? 0 : (unpack(age) as number),
    leaving: leaving !== undefined,
  }
}

/** Everything that was written. */
export async function readCheckpoints(store: Store): Promise<Checkpoints> {
  const [identity, frameworks, over, executors, tasks] = await Promise.all([
    readIdentity(store),
    readAll<FrameworkInfo>(store, 'framework'),
    readKeys(store, 'over'),
    readAll<ExecutorRecord>(store, 'executor'),
    readAll<TaskRecord>(store, 'task'),
  ])
  return { ...identity, frameworks, over: new Set(over), executors, tasks }
}

async function readAll<T>(store: Store, kind: string): Promise<T[]> {
  const entries = await rangeOf(store, kind)
  return entries.map(([, value]) => unpack(value) as T)
}

/** What follows the kind in each key. */
async function readKeys(store: Store, kind: string): Promise<string[]> {
  const entries = await rangeOf(store, kind)
  return entries.map(([key]) => key.slice(kind.length + 1))
}

function rangeOf(store: Store, kind: string) {
  // `0` follows `/` in the order of keys.
  return store.range(`${kind}/`, `${kind}0`)
}
