/** Tasks and task groups. Spec: scheduler-api.md, Appendix A.2; operator-api.md §F.4 (Task). */
import Type, { type Static } from 'typebox'
import { Bytes, mapOf, named } from '../schema.ts'
import { CheckInfo, CommandInfo, ExecutorInfo, HealthCheck, KillPolicy } from './command.ts'
import { ContainerInfo, DiscoveryInfo } from './container.ts'
import { AgentId, DurationInfo, ExecutorId, FrameworkId, TaskId } from './ids.ts'
import { Labels, Resource } from './resources.ts'
import { TaskState, TaskStatus } from './status.ts'

/** A limit on a resource; the text "Infinity" means none. */
const Limit = Type.Object({ value: Type.Union([Type.Number(), Type.Literal('Infinity')]) })

const taskInfo = Type.Object({
  name: Type.String(),
  task_id: TaskId,
  agent_id: AgentId,
  resources: Type.Optional(Type.Array(Resource)),
  /** Exactly one of `executor` and `command` for LAUNCH. */
  executor: Type.Optional(ExecutorInfo),
  command: Type.Optional(CommandInfo),
  container: Type.Optional(ContainerInfo),
  health_check: Type.Optional(HealthCheck),
  check: Type.Optional(CheckInfo),
  kill_policy: Type.Optional(KillPolicy),
  data: Type.Optional(Bytes),
  labels: Type.Optional(Labels),
  discovery: Type.Optional(DiscoveryInfo),
  max_completion_time: Type.Optional(DurationInfo),
  limits: Type.Optional(mapOf(Limit)),
})
export interface TaskInfo extends Static<typeof taskInfo> {}
export const TaskInfo = named<TaskInfo>('TaskInfo', taskInfo)

/** Tasks that are launched and killed together, in one executor. */
const taskGroupInfo = Type.Object({ tasks: Type.Optional(Type.Array(TaskInfo)) })
export interface TaskGroupInfo extends Static<typeof taskGroupInfo> {}
export const TaskGroupInfo = named<TaskGroupInfo>('TaskGroupInfo', taskGroupInfo)

/** A task as the master and the agents keep it. */
const task = Type.Object({
  name: Type.String(),
  task_id: TaskId,
  framework_id: FrameworkId,
  executor_id: Type.Optional(ExecutorId),
  agent_id: AgentId,
  /** The latest state known; may be ahead of what the framework has been told. */
  state: TaskState,
  resources: Type.Optional(Type.Array(Resource)),
  /** The latest status of each run of equal states, without `data`. */
  statuses: Type.Optional(Type.Array(TaskStatus)),
  /** State and uuid of the last status forwarded to the framework. */
  status_update_state: Type.Optional(TaskState),
  status_update_uuid: Type.Optional(Bytes),
  labels: Type.Optional(Labels),
  discovery: Type.Optional(DiscoveryInfo),
  container: Type.Optional(ContainerInfo),
  health_check: Type.Optional(HealthCheck),
  kill_policy: Type.Optional(KillPolicy),
  user: Type.Optional(Type.String()),
  limits: Type.Optional(mapOf(Limit)),
})
export interface Task extends Static<typeof task> {}
export const Task = named<Task>('Task', task)
