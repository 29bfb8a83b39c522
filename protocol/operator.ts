/**
 * What operators ask the leading master (`masterCall`) and agents (`agentCall(id)`): Mesos v1's operator
 * API where it has a call, and calls of ours: KILL_TASK and those of operator-offers.ts.
 *
 * Every call is a request. A read is answered with `{type, <call in lower case>: {...}}`, a change with
 * an empty document, a refusal with an `ErrorReply`. Lists come in pages for who asks for that (paging.ts).
 * Spec: operator-api.md §B, §D, §F.1, §F.2.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { type AnyOf, member, validator } from './family.ts'
import { adminCalls } from './operator-admin.ts'
import { offerCalls } from './operator-offers.ts'
import { GetOperations, resourceCalls } from './operator-resources.ts'
import { list } from './paging.ts'
import { Bytes, Double, Empty, named, Uint64 } from './schema.ts'
import { AgentInfo, DrainConfig, MasterInfo, VersionInfo } from './v1/agent.ts'
import { ExecutorInfo, KillPolicy } from './v1/command.ts'
import { FrameworkInfo } from './v1/framework.ts'
import {
  DurationInfo,
  FrameworkId,
  frameworkIdProblem,
  idFieldsProblem,
  TaskId,
  TimeInfo,
} from './v1/ids.ts'
import {
  AgentState,
  ContainerState,
  ExecutorState,
  FileInfo,
  Flag,
  FrameworkState,
  Metric,
  Role,
} from './v1/state.ts'
import { Task } from './v1/task.ts'

export * from './operator-admin.ts'
export * from './operator-offers.ts'
export * from './operator-resources.ts'
export { isList, joinPages } from './paging.ts'

const accepted = named<Static<typeof Empty>>('Accepted', Empty)
const tasks = Type.Array(Task)

/** A reading call: its answer says its type and holds `fields`. */
function read<const Name extends string, Answer extends TProperties>(
  name: Name,
  doc: string,
  answer: Answer,
) {
  return member(name, doc, {}, Type.Object({ type: Type.Literal(name), ...answer }))
}

// --- What masters and agents both answer ---

export const GetHealth = read('GET_HEALTH', 'Is it there?', {
  get_health: Type.Object({ healthy: Type.Boolean() }),
})

export const GetFlags = read('GET_FLAGS', 'The settings it runs with.', {
  get_flags: Type.Object({ flags: Type.Optional(Type.Array(Flag)) }),
})

export const GetVersion = read('GET_VERSION', 'The version it runs.', {
  get_version: Type.Object({ version_info: VersionInfo }),
})

/** Unlike in Mesos the payload may be left out. */
export const GetMetrics = list(
  'GET_METRICS',
  'All metrics by name.',
  { get_metrics: Type.Object({ metrics: Type.Array(Metric) }) },
  { get_metrics: Type.Optional(Type.Object({ timeout: Type.Optional(DurationInfo) })) },
)

// --- Documents of the master's state ---

const masterTasks = Type.Object({
  /** Terminal ones too, until they are acknowledged. */
  tasks,
  unreachable_tasks: tasks,
  completed_tasks: tasks,
})
/** The tasks of the cluster. */
export interface MasterTasks extends Static<typeof masterTasks> {}
export const MasterTasks = named<MasterTasks>('Master.GetTasks', masterTasks)

const masterAgents = Type.Object({
  agents: Type.Array(AgentState),
  /** Known from the registry, not registered again yet. */
  recovered_agents: Type.Array(AgentInfo),
})
export interface MasterAgents extends Static<typeof masterAgents> {}
export const MasterAgents = named<MasterAgents>('Master.GetAgents', masterAgents)

const masterFrameworks = Type.Object({
  frameworks: Type.Array(FrameworkState),
  completed_frameworks: Type.Array(FrameworkState),
})
export interface MasterFrameworks extends Static<typeof masterFrameworks> {}
export const MasterFrameworks = named<MasterFrameworks>('Master.GetFrameworks', masterFrameworks)

const masterExecutors = Type.Object({ executors: Type.Array(ExecutorState) })
export interface MasterExecutors extends Static<typeof masterExecutors> {}
export const MasterExecutors = named<MasterExecutors>('Master.GetExecutors', masterExecutors)

const masterState = Type.Object({
  get_tasks: MasterTasks,
  get_executors: MasterExecutors,
  get_frameworks: MasterFrameworks,
  get_agents: MasterAgents,
})
export interface MasterState extends Static<typeof masterState> {}
export const MasterState = named<MasterState>('Master.GetState', masterState)

// --- The master's calls ---

export const GetState = list('GET_STATE', 'Agents, frameworks, executors and tasks at once.', {
  get_state: MasterState,
})

export const GetAgents = list('GET_AGENTS', 'The agents and their resources.', {
  get_agents: MasterAgents,
})

export const GetFrameworks = list('GET_FRAMEWORKS', 'The frameworks, those that ended too.', {
  get_frameworks: MasterFrameworks,
})

export const GetExecutors = list('GET_EXECUTORS', 'Executors other than those of plain commands.', {
  get_executors: MasterExecutors,
})

export const GetTasks = list('GET_TASKS', 'The tasks: active, unreachable and completed.', {
  get_tasks: MasterTasks,
})

export const GetRoles = list('GET_ROLES', 'Roles, their weights, frameworks and resources.', {
  get_roles: Type.Object({ roles: Type.Optional(Type.Array(Role)) }),
})

export const GetMaster = read('GET_MASTER', 'Who leads, and since when.', {
  get_master: Type.Object({
    master_info: Type.Optional(MasterInfo),
    /** Seconds since the Unix epoch. */
    start_time: Type.Optional(Double),
    elected_time: Type.Optional(Double),
    /** Ours: grows with every change of leadership. */
    epoch: Type.Optional(Type.Integer()),
    /** Ours: names of all masters' nodes. */
    masters: Type.Optional(Type.Array(Type.String())),
  }),
})

export const Teardown = member(
  'TEARDOWN',
  'Ends a framework: kills its tasks and forgets it.',
  { teardown: Type.Object({ framework_id: FrameworkId }) },
  accepted,
)

/** Ours: in Mesos only a framework kills its tasks. */
export const KillTask = member(
  'KILL_TASK',
  'Kills one task as if its framework had asked for it.',
  {
    kill_task: Type.Object({
      /** May be left out if only one framework has a task of this id. */
      framework_id: Type.Optional(FrameworkId),
      task_id: TaskId,
      kill_policy: Type.Optional(KillPolicy),
    }),
  },
  accepted,
)

export const masterCalls = [
  GetHealth,
  GetFlags,
  GetVersion,
  GetMetrics,
  GetState,
  GetAgents,
  GetFrameworks,
  GetExecutors,
  GetTasks,
  GetRoles,
  ...offerCalls,
  GetMaster,
  Teardown,
  KillTask,
  GetOperations,
  ...resourceCalls,
  ...adminCalls,
] as const

/** Any call to a master; `type` tells which. */
export type MasterCall = AnyOf<typeof masterCalls>

/** Validates a decoded value of either format as a call to a master. */
export const validateMasterCall = validator(masterCalls, {
  noun: 'call',
  unsupported: [
    'GET_LOGGING_LEVEL',
    'SET_LOGGING_LEVEL',
    'LIST_FILES',
    'READ_FILE',
    'SUBSCRIBE',
    'SET_QUOTA',
    'REMOVE_QUOTA',
  ],
  rule(call) {
    if (call.type === 'TEARDOWN') {
      const problem = frameworkIdProblem(call.teardown.framework_id.value)
      return problem && `teardown.framework_id.value: ${problem}`
    }
    return call.type === 'KILL_TASK' ? idFieldsProblem('kill_task', call.kill_task) : undefined
  },
})

// --- Documents of an agent's state ---

const agentTasks = Type.Object({
  /** Not delivered yet: waiting for authorization, or for their executor. */
  pending_tasks: tasks,
  queued_tasks: tasks,
  launched_tasks: tasks,
  /** Ended, not acknowledged yet. */
  terminated_tasks: tasks,
  completed_tasks: tasks,
})
/** The tasks of one agent. */
export interface AgentTasks extends Static<typeof agentTasks> {}
export const AgentTasks = named<AgentTasks>('Agent.GetTasks', agentTasks)

const executorInfos = Type.Array(Type.Object({ executor_info: ExecutorInfo }))
const agentExecutors = Type.Object({ executors: executorInfos, completed_executors: executorInfos })
export interface AgentExecutors extends Static<typeof agentExecutors> {}
export const AgentExecutors = named<AgentExecutors>('Agent.GetExecutors', agentExecutors)

const frameworkInfos = Type.Array(Type.Object({ framework_info: FrameworkInfo }))
const agentFrameworks = Type.Object({
  frameworks: frameworkInfos,
  completed_frameworks: frameworkInfos,
})
export interface AgentFrameworks extends Static<typeof agentFrameworks> {}
export const AgentFrameworks = named<AgentFrameworks>('Agent.GetFrameworks', agentFrameworks)

// --- An agent's calls ---

export const GetAgentState = list('GET_STATE', 'Frameworks, executors and tasks of the agent.', {
  get_state: Type.Object({
    get_tasks: AgentTasks,
    get_executors: AgentExecutors,
    get_frameworks: AgentFrameworks,
  }),
})

export const GetAgent = read('GET_AGENT', 'What the agent says of itself.', {
  get_agent: Type.Object({
    agent_info: Type.Optional(AgentInfo),
    drain_config: Type.Optional(DrainConfig),
    estimated_drain_start_time: Type.Optional(TimeInfo),
  }),
})

export const GetAgentTasks = list('GET_TASKS', 'The tasks of the agent.', {
  get_tasks: AgentTasks,
})

export const GetAgentExecutors = list('GET_EXECUTORS', 'The executors of the agent.', {
  get_executors: AgentExecutors,
})

export const GetAgentFrameworks = list('GET_FRAMEWORKS', 'The frameworks on the agent.', {
  get_frameworks: AgentFrameworks,
})

export const GetContainers = list(
  'GET_CONTAINERS',
  'The containers of the agent and what they use.',
  { get_containers: Type.Object({ containers: Type.Array(ContainerState) }) },
  {
    get_containers: Type.Optional(
      Type.Object({
        show_nested: Type.Optional(Type.Boolean()),
        show_standalone: Type.Optional(Type.Boolean()),
      }),
    ),
  },
)

export const ListFiles = list(
  'LIST_FILES',
  'The files of a directory of a sandbox.',
  { list_files: Type.Object({ file_infos: Type.Optional(Type.Array(FileInfo)) }) },
  { list_files: Type.Object({ path: Type.String() }) },
)

/** Most bytes that one READ_FILE gives. */
export const readFileBytesMax = 65_536

export const ReadFile = member(
  'READ_FILE',
  `Bytes of a file of a sandbox, at most ${readFileBytesMax} at a time.`,
  {
    read_file: Type.Object({
      path: Type.String(),
      offset: Uint64,
      length: Type.Optional(Uint64),
    }),
  },
  Type.Object({
    type: Type.Literal('READ_FILE'),
    /** `size` is the file's; `data` is empty for an offset behind its end. */
    read_file: Type.Object({ size: Uint64, data: Bytes }),
  }),
)

export const agentCalls = [
  GetHealth,
  GetFlags,
  GetVersion,
  GetMetrics,
  GetAgentState,
  GetAgent,
  GetAgentTasks,
  GetAgentExecutors,
  GetAgentFrameworks,
  GetContainers,
  GetOperations,
  ListFiles,
  ReadFile,
] as const

/** Any call to an agent; `type` tells which. */
export type AgentCall = AnyOf<typeof agentCalls>

/** Validates a decoded value of either format as a call to an agent. */
export const validateAgentCall = validator(agentCalls, {
  noun: 'call',
  unsupported: [
    'GET_LOGGING_LEVEL',
    'SET_LOGGING_LEVEL',
    'GET_RESOURCE_PROVIDERS',
    'LAUNCH_CONTAINER',
    'WAIT_CONTAINER',
    'KILL_CONTAINER',
    'REMOVE_CONTAINER',
    'LAUNCH_NESTED_CONTAINER',
    'WAIT_NESTED_CONTAINER',
    'KILL_NESTED_CONTAINER',
    'REMOVE_NESTED_CONTAINER',
    'LAUNCH_NESTED_CONTAINER_SESSION',
    'ATTACH_CONTAINER_INPUT',
    'ATTACH_CONTAINER_OUTPUT',
    'ADD_RESOURCE_PROVIDER_CONFIG',
    'UPDATE_RESOURCE_PROVIDER_CONFIG',
    'REMOVE_RESOURCE_PROVIDER_CONFIG',
    'MARK_RESOURCE_PROVIDER_GONE',
    'PRUNE_IMAGES',
  ],
})
