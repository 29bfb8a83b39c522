/**
 * The registry's contents and what each operation changes in them. Pure: an operation is applied to the
 * contents in memory and yields the changes to make durable. Spec: master.md §3, §7;
 * replicated-log.md §11.
 */
import type { DiskRecord, Registry, RegistryOperation } from '../../protocol/registrar.ts'
import {
  type AgentInfo,
  type DrainInfo,
  type MachineId,
  type MachineInfo,
  machineKey,
  type QuotaConfig,
  type TimeInfo,
} from '../../protocol/v1/index.ts'

/** What the registrar knows; the same as on disk, except for what is being written. */
export interface Contents {
  epoch: number
  readonly admitted: Map<string, AgentInfo>
  /** Since when. */
  readonly unreachable: Map<string, TimeInfo>
  readonly gone: Map<string, TimeInfo>
  readonly weights: Map<string, number>
  readonly drains: Map<string, DrainInfo>
  readonly disks: Map<string, DiskRecord>
  readonly deactivated: Map<string, true>
  /** By `machineKey`. */
  readonly machines: Map<string, MachineInfo>
  readonly quotas: Map<string, QuotaConfig>
  /** Minimum capabilities of a master that recovers this. */
  readonly capabilities: Map<string, true>
}

/** One kind of record; together with an id it is the key of a record in the store. */
export type Kind = Exclude<keyof Contents, 'epoch'>

/** What the records hold. */
type Value = { [K in Kind]: Contents[K] extends Map<string, infer V> ? V : never }[Kind]

/** A record to write, or to delete where there is no `value`. */
export interface Change {
  readonly kind: Kind
  readonly id: string
  readonly value?: Value
}

export function emptyContents(): Contents {
  return {
    epoch: 0,
    admitted: new Map(),
    unreachable: new Map(),
    gone: new Map(),
    weights: new Map(),
    drains: new Map(),
    disks: new Map(),
    deactivated: new Map(),
    machines: new Map(),
    quotas: new Map(),
    capabilities: new Map(),
  }
}

/** The contents as the document that a master recovers from; the lists are oldest first. */
export function toRegistry(contents: Contents): Registry {
  const since = (times: ReadonlyMap<string, TimeInfo>) =>
    [...times]
      .sort(([, a], [, b]) => a.nanoseconds - b.nanoseconds)
      .map(([value, timestamp]) => ({ agent_id: { value }, timestamp }))
  return {
    epoch: contents.epoch,
    admitted: [...contents.admitted.values()],
    unreachable: since(contents.unreachable),
    gone: since(contents.gone),
    weights: Object.fromEntries(contents.weights),
    drains: [...contents.drains].map(([value, drain_info]) => ({
      agent_id: { value },
      drain_info,
    })),
    disks: [...contents.disks].map(([value, disk]) => ({ agent_id: { value }, ...disk })),
    deactivated: [...contents.deactivated.keys()].map((value) => ({ value })),
    machines: [...contents.machines.values()],
    quotas: [...contents.quotas.values()],
  }
}

/** Applies one operation; no changes mean that it did not apply. */
export function apply(contents: Contents, operation: RegistryOperation): Change[] {
  switch (operation.type) {
    case 'ADMIT_AGENT': {
      const id = idOf(operation.agent_info)
      if (isKnown(contents, id)) return []
      return admit(contents, id, operation.agent_info)
    }
    case 'UPDATE_AGENT': {
      const id = idOf(operation.agent_info)
      if (!contents.admitted.has(id)) return []
      return admit(contents, id, operation.agent_info)
    }
    case 'MARK_UNREACHABLE':
      return moveOut(contents, 'unreachable', operation.agent_id.value, operation.timestamp)
    case 'MARK_REACHABLE': {
      const id = idOf(operation.agent_info)
      if (contents.admitted.has(id) || contents.gone.has(id)) return []
      const left = remove(contents, 'unreachable', id)
      return [...left, ...admit(contents, id, operation.agent_info)]
    }
    case 'MARK_GONE':
      return moveOut(contents, 'gone', operation.agent_id.value, operation.timestamp)
    case 'REMOVE_AGENT':
      return leave(contents, 'admitted', operation.agent_id.value)
    case 'RECORD_DISK_AGE': {
      const { value: id } = operation.agent_id
      const { disk_age, timestamp } = operation
      if (!contents.admitted.has(id) && !contents.unreachable.has(id)) return []
      if (disk_age <= (contents.disks.get(id)?.disk_age ?? 0)) return []
      return [put(contents, 'disks', id, { disk_age, timestamp })]
    }
    case 'PRUNE':
      return [
        ...operation.unreachable.flatMap((id) => leave(contents, 'unreachable', id.value)),
        ...operation.gone.flatMap((id) => remove(contents, 'gone', id.value)),
        ...operation.left.flatMap(({ value }) =>
          isKnown(contents, value) ? [] : remove(contents, 'disks', value),
        ),
      ]
    case 'UPDATE_WEIGHTS':
      return Object.entries(operation.weights).map(([id, value]) =>
        put(contents, 'weights', id, value),
      )
    case 'UPDATE_QUOTA':
      return operation.quota_configs.flatMap((config) =>
        isEmptyQuota(config)
          ? remove(contents, 'quotas', config.role)
          : [put(contents, 'quotas', config.role, config)],
      )
    case 'DRAIN_AGENT':
    case 'MARK_AGENT_DRAINED':
    case 'DEACTIVATE_AGENT':
    case 'REACTIVATE_AGENT':
      return applyToService(contents, operation)
    case 'UPDATE_SCHEDULE':
    case 'START_MAINTENANCE':
    case 'STOP_MAINTENANCE':
      return applyToMachines(contents, operation)
  }
}

type OperationOf<Type extends RegistryOperation['type']> = Extract<
  RegistryOperation,
  { type: Type }
>

/** Taking agents out of service and back; states.md §4.3. */
function applyToService(
  contents: Contents,
  operation: OperationOf<
    'DRAIN_AGENT' | 'MARK_AGENT_DRAINED' | 'DEACTIVATE_AGENT' | 'REACTIVATE_AGENT'
  >,
): Change[] {
  const id = operation.agent_id.value
  if (!contents.admitted.has(id) && !contents.unreachable.has(id)) return []
  const drain = contents.drains.get(id)
  switch (operation.type) {
    case 'DRAIN_AGENT': {
      const { config } = operation
      return [
        put(contents, 'drains', id, { state: 'DRAINING', config }),
        put(contents, 'deactivated', id, true),
      ]
    }
    case 'MARK_AGENT_DRAINED':
      if (drain?.state !== 'DRAINING') return []
      return [put(contents, 'drains', id, { ...drain, state: 'DRAINED' })]
    case 'DEACTIVATE_AGENT':
      return [put(contents, 'deactivated', id, true)]
    case 'REACTIVATE_AGENT':
      if (drain?.state === 'DRAINING') return []
      return [...remove(contents, 'deactivated', id), ...remove(contents, 'drains', id)]
  }
}

/** Machines and their maintenance; all of an operation or nothing (operator-api.md §B.1). */
function applyToMachines(
  contents: Contents,
  operation: OperationOf<'UPDATE_SCHEDULE' | 'START_MAINTENANCE' | 'STOP_MAINTENANCE'>,
): Change[] {
  switch (operation.type) {
    case 'UPDATE_SCHEDULE': {
      const scheduled = new Map(operation.machines.map((each) => [machineKey(each.id), each]))
      const unscheduled = [...contents.machines].filter(([key]) => !scheduled.has(key))
      if (unscheduled.some(([, { mode }]) => mode === 'DOWN')) return []
      return [
        ...unscheduled.flatMap(([key]) => remove(contents, 'machines', key)),
        ...[...scheduled].map(([key, machine]) => {
          const mode = contents.machines.get(key)?.mode ?? 'DRAINING'
          return put(contents, 'machines', key, { ...machine, mode })
        }),
      ]
    }
    case 'START_MAINTENANCE':
      return eachInMode(contents, operation.machines, 'DRAINING', (key, machine) =>
        put(contents, 'machines', key, { ...machine, mode: 'DOWN' }),
      )
    case 'STOP_MAINTENANCE':
      return eachInMode(contents, operation.machines, 'DOWN', (key) => {
        contents.machines.delete(key)
        return { kind: 'machines', id: key }
      })
  }
}

function eachInMode(
  { machines }: Contents,
  ids: readonly MachineId[],
  mode: MachineInfo['mode'],
  change: (key: string, machine: MachineInfo) => Change,
): Change[] {
  const keys = [...new Set(ids.map(machineKey))]
  if (keys.some((key) => machines.get(key)?.mode !== mode)) return []
  return keys.map((key) => change(key, machines.get(key)!))
}

function isEmptyQuota({ guarantees = {}, limits = {} }: QuotaConfig): boolean {
  return Object.keys(guarantees).length === 0 && Object.keys(limits).length === 0
}

function isKnown({ admitted, unreachable, gone }: Contents, id: string): boolean {
  return admitted.has(id) || unreachable.has(id) || gone.has(id)
}

function admit(contents: Contents, id: string, value: AgentInfo): Change[] {
  return [put(contents, 'admitted', id, value)]
}

/** Into the list of the unreachable or gone; only an agent that is admitted (or unreachable) can go. */
function moveOut(
  contents: Contents,
  kind: 'unreachable' | 'gone',
  id: string,
  value: TimeInfo,
): Change[] {
  const left = remove(contents, 'admitted', id)
  if (kind === 'gone') left.push(...remove(contents, 'unreachable', id))
  if (left.length === 0) return []
  if (kind === 'gone') left.push(...outOfService(contents, id))
  return [...left, put(contents, kind, id, value)]
}

/** An agent that leaves for good, and what operators had decided about it. */
function leave(contents: Contents, kind: 'admitted' | 'unreachable', id: string): Change[] {
  const left = remove(contents, kind, id)
  return left.length === 0 ? [] : [...left, ...outOfService(contents, id)]
}

function outOfService(contents: Contents, id: string): Change[] {
  return [...remove(contents, 'drains', id), ...remove(contents, 'deactivated', id)]
}

/** Sets a record. */
export function put<K extends Kind>(
  contents: Contents,
  kind: K,
  id: string,
  value: Value & Parameters<Contents[K]['set']>[1],
): Change {
  contents[kind].set(id, value as never)
  return { kind, id, value }
}

/** Deletes a record, if it is there. */
export function remove(contents: Contents, kind: Kind, id: string): Change[] {
  return contents[kind].delete(id) ? [{ kind, id }] : []
}

function idOf({ id }: AgentInfo): string {
  return id?.value ?? ''
}
