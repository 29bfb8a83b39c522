/**
 * Identifiers, times and addresses of Mesos v1. Spec: scheduler-api.md, Appendix A.2.
 *
 * Ids become path segments and subject tokens. That is checked where an id enters (`idProblem`,
 * `frameworkIdProblem`), not in the documents: an ACCEPT with one bad task id must fail this task
 * alone (scheduler-api.md §6.1), not the call.
 */
import Type, { type Static } from 'typebox'
import { Bytes, Int32, named } from '../schema.ts'
import { newFramework, token } from '../subjects.ts'
import { Parameter } from './resources.ts'

const id = Type.Object({ value: Type.String() })

export interface FrameworkId extends Static<typeof id> {}
export const FrameworkId = named<FrameworkId>('FrameworkID', id)

export interface OfferId extends Static<typeof id> {}
export const OfferId = named<OfferId>('OfferID', id)

export interface AgentId extends Static<typeof id> {}
export const AgentId = named<AgentId>('AgentID', id)

export interface TaskId extends Static<typeof id> {}
export const TaskId = named<TaskId>('TaskID', id)

export interface ExecutorId extends Static<typeof id> {}
export const ExecutorId = named<ExecutorId>('ExecutorID', id)

export interface OperationId extends Static<typeof id> {}
export const OperationId = named<OperationId>('OperationID', id)

/** A container, and the container it is nested in. */
export interface ContainerId {
  value: string
  parent?: ContainerId
}
export const ContainerId = named<ContainerId>(
  'ContainerID',
  Type.Cyclic(
    {
      ContainerID: Type.Object({
        value: Type.String(),
        parent: Type.Optional(Type.Ref('ContainerID')),
      }),
    },
    'ContainerID',
  ),
)

/** 16 bytes of a UUID, in a message of its own. */
const uuid = Type.Object({ value: Bytes })
export interface Uuid extends Static<typeof uuid> {}
export const Uuid = named<Uuid>('UUID', uuid)

/** int64; a moment of today is beyond 2^53, and a double holds it to a quarter of a microsecond. */
const Nanoseconds = Type.Integer({ minimum: -(2 ** 63), maximum: 2 ** 63 })

/** A moment, nanoseconds since the Unix epoch. */
const timeInfo = Type.Object({ nanoseconds: Nanoseconds })
export interface TimeInfo extends Static<typeof timeInfo> {}
export const TimeInfo = named<TimeInfo>('TimeInfo', timeInfo)

const durationInfo = Type.Object({ nanoseconds: Nanoseconds })
export interface DurationInfo extends Static<typeof durationInfo> {}
export const DurationInfo = named<DurationInfo>('DurationInfo', durationInfo)

const address = Type.Object({
  hostname: Type.Optional(Type.String()),
  ip: Type.Optional(Type.String()),
  port: Int32,
})
export interface Address extends Static<typeof address> {}
export const Address = named<Address>('Address', address)

const url = Type.Object({
  scheme: Type.String(),
  address: Address,
  path: Type.Optional(Type.String()),
  query: Type.Optional(Type.Array(Parameter)),
  fragment: Type.Optional(Type.String()),
})
export interface Url extends Static<typeof url> {}
export const Url = named<Url>('URL', url)

const unavailability = Type.Object({ start: TimeInfo, duration: Type.Optional(DurationInfo) })
/** A window of maintenance; without a duration it is unbounded. */
export interface Unavailability extends Static<typeof unavailability> {}
export const Unavailability = named<Unavailability>('Unavailability', unavailability)

const machineId = Type.Object({
  hostname: Type.Optional(Type.String()),
  ip: Type.Optional(Type.String()),
})
export interface MachineId extends Static<typeof machineId> {}
export const MachineId = named<MachineId>('MachineID', machineId)

/** Longest id, in bytes of UTF-8: the longest name of a file. */
export const idBytesMax = 255

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unfitForPath = /[/\\\u0000-\u001f\u007f]/

/**
 * Why a text cannot be the id of a task, executor, agent or framework, or undefined if it can: ids
 * are names of directories (scheduler-api.md §6.1 rule 1).
 * @example idProblem('../etc') // 'must not hold "/", "\\" or control characters'
 */
export function idProblem(id: string): string | undefined {
  if (id === '') return 'must not be empty'
  if (Buffer.byteLength(id) > idBytesMax) return `must have at most ${idBytesMax} bytes`
  if (id === '.' || id === '..') return 'must not be "." or ".."'
  if (unfitForPath.test(id)) return 'must not hold "/", "\\" or control characters'
  return undefined
}

/** As `idProblem`, for the id of a framework, which stands in subjects that people type. */
export function frameworkIdProblem(id: string): string | undefined {
  const problem = idProblem(id)
  if (problem) return problem
  if (id === newFramework) return `must not be "${newFramework}", which stands for no id`
  return token(id) === id ? undefined : 'must not hold ".", "*", ">", "%" or blanks'
}

/**
 * The first id directly within a payload that `idProblem` refuses, as a sentence that names the place.
 * @example idFieldsProblem('kill', { task_id: { value: '..' } }) // 'kill.task_id.value: must not be ...'
 */
export function idFieldsProblem(payloadName: string, payload: object): string | undefined {
  for (const [name, value] of Object.entries(payload)) {
    if (name !== 'task_id' && name !== 'executor_id' && name !== 'agent_id') continue
    const problem = idProblem((value as { value: string }).value)
    if (problem) return `${payloadName}.${name}.value: ${problem}`
  }
  return undefined
}
