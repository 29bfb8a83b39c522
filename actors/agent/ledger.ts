/**
 * What an agent has, as data: the resources of its flags with what operations made of them, and the
 * operations whose outcome is not acknowledged. Spec: resources.md §6, agent.md §8.
 */
import type { ApplyOperation } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import type { OfferOperation, Operation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  applyOperation,
  contains,
  filter,
  formatFault,
  formatResources,
  isSpeculative,
  merge,
  needsCheckpoint,
  none,
  type Resources,
  resources,
  unallocate,
  unallocatedOperation,
} from '../../src/resources/index.ts'
import { placeOf, type VolumePlace, volumeProblem } from './volumes.ts'

export interface Ledger {
  /** Without allocation. */
  total: Resources
  /** What is lent to revocable tasks in all; not part of `total`. */
  oversubscribed: Resources
  /** Another one whenever the master may be wrong about `total`: see protocol/agent.ts. */
  version: string
  /** The one that the master was told at the last registration. */
  reportedVersion: string
  /** By uuid in hex, oldest first. The master bounds them: it sends no more than it may hold. */
  readonly operations: Map<string, AgentOperation>
  /** Something has changed since the last write began. */
  dirty: boolean
  /** A write is under way. */
  writing: boolean
  /** Acknowledged since then, by uuid in hex. */
  readonly acknowledged: Set<string>
  /** Volumes to remove and to make with the next write, by path. */
  readonly remove: Map<string, VolumePlace>
  readonly make: Map<string, VolumePlace>
  /** To be called after the write under way, and after the one that comes then. */
  waiting: Array<() => void>
  waitingNext: Array<() => void>
}

export interface AgentOperation {
  /** With its terminal status, which is what waits for acknowledgement. */
  readonly document: Operation
  /** It is on disk, and so is what it did. */
  durable: boolean
  /** The wait before its status is sent again, ms. */
  intervalMs: number
}

export function newLedger(total: Resources): Ledger {
  return {
    total,
    oversubscribed: none,
    version: '',
    reportedVersion: '',
    operations: new Map(),
    dirty: false,
    writing: false,
    acknowledged: new Set(),
    remove: new Map(),
    make: new Map(),
    waiting: [],
    waitingNext: [],
  }
}

/** All that the master may offer. */
export function reportedResources({ total, oversubscribed }: Ledger): Resource[] {
  return [...total, ...oversubscribed]
}

/** What of it the flags do not tell after a restart. */
export function checkpointed({ total }: Ledger): Resources {
  return filter(total, needsCheckpoint)
}

/** What a task asks for that is not here, or undefined: such as a volume that was destroyed (row 11). */
export function unknownResources(
  { total }: Ledger,
  list: readonly Resource[] = [],
): string | undefined {
  const wanted = unallocate(filter(resources(list), needsCheckpoint))
  return contains(total, wanted) ? undefined : formatResources(wanted)
}

/**
 * Why an operation is not carried out; or, after which the ledger has changed, nothing. `used` sums up
 * what live tasks and executors hold, without allocation.
 */
export function carryOut(
  ledger: Ledger,
  workDir: string,
  { info, resource_version }: Pick<Payload<typeof ApplyOperation>, 'info' | 'resource_version'>,
  used: () => Resources,
): Result<void, Refusal> {
  if (resource_version !== ledger.version) {
    const message = 'the resources of the agent have changed since it was decided on'
    return err({ state: 'OPERATION_DROPPED', message })
  }
  const operation = unallocatedOperation(info)
  const error = (message: string) => err({ state: 'OPERATION_ERROR' as const, message })
  if (!isSpeculative(operation.type)) return error(`the agent does not know ${operation.type}`)
  const made = (operation.create?.volumes ?? []).map((volume) => resources([volume])[0] ?? volume)
  const gone = (operation.destroy?.volumes ?? []).map((volume) => resources([volume])[0] ?? volume)
  for (const volume of made) {
    const problem = volumeProblem(volume)
    if (problem !== undefined) return error(problem)
  }
  if (gone.length > 0) {
    const held = used()
    if (gone.some((volume) => contains(held, merge([volume])))) {
      return error('a task or an executor uses the volume')
    }
  }
  const result = applyOperation(ledger.total, operation)
  if (!result.ok) return error(formatFault(result.error))
  ledger.total = result.value
  for (const volume of gone) {
    const place = placeOf(workDir, volume)
    ledger.make.delete(place.path)
    ledger.remove.set(place.path, place)
  }
  for (const volume of made) {
    const place = placeOf(workDir, volume)
    ledger.make.set(place.path, place)
  }
  return ok(undefined)
}

/** How an operation ends that is not carried out. */
export interface Refusal {
  readonly state: 'OPERATION_DROPPED' | 'OPERATION_ERROR'
  readonly message: string
}

/** The record of an operation that has ended, one way or the other. */
export function operationDocument(
  request: Pick<Payload<typeof ApplyOperation>, 'framework_id' | 'operation_id' | 'operation_uuid'>,
  info: OfferOperation,
  refusal: Refusal | undefined,
  ids: { readonly agent: string; readonly uuid: Uint8Array },
): Operation {
  const { framework_id, operation_id, operation_uuid } = request
  const agent_id = { value: ids.agent }
  const latest_status = {
    ...(operation_id !== undefined && { operation_id }),
    state: refusal?.state ?? ('OPERATION_FINISHED' as const),
    ...(refusal !== undefined && { message: refusal.message }),
    uuid: { value: ids.uuid },
    agent_id,
  }
  return {
    ...(framework_id !== undefined && { framework_id }),
    agent_id,
    info,
    latest_status,
    statuses: [latest_status],
    uuid: operation_uuid,
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
