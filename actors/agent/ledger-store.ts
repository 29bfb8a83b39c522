/**
 * The ledger on disk, in two phases: first what is to be, then the volumes, then that it is so. Whatever
 * moment the agent or its host dies at, a new life finds the old ledger, or one that is to be carried out
 * (again): never half of one. Outcomes of operations are part of the same record, so that none is told
 * whose effect was lost, and none is lost whose effect stays. Spec: agent.md §8.
 *
 * | key                  | value |
 * | ---                  | --- |
 * | `resources`          | Resource[]: those that the flags do not tell |
 * | `operation/U`        | Operation with its outcome, by uuid in hex, until that is acknowledged |
 * | `resources.target`   | LedgerChange under way, while volumes are removed and made |
 */
import { encode, unpack } from '../../protocol/codec.ts'
import type { Operation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import type { Disk, Store, StoreOperation } from '../../src/runtime/index.ts'
import { hex } from './ledger.ts'
import { changeVolumes, type VolumeChanges } from './volumes.ts'

/** What one write changes. */
export interface LedgerChange extends VolumeChanges {
  /** All that the flags do not tell: dynamically reserved ones and persistent volumes. */
  readonly resources: readonly Resource[]
  /** New ones, and the uuids in hex of those that were acknowledged. */
  readonly ended: readonly Operation[]
  readonly acknowledged: readonly string[]
}

const keys = {
  resources: 'resources',
  target: 'resources.target',
  operation: (uuid: string) => `operation/${uuid}`,
}

/** @throws DiskError: what is on disk is unknown then, the agent must start anew */
export async function writeLedger(disk: Disk, store: Store, change: LedgerChange): Promise<void> {
  if (change.remove.length + change.make.length > 0) {
    await store.commit([put(keys.target, change)])
    await changeVolumes(disk, change)
  }
  await store.commit([
    put(keys.resources, change.resources),
    ...change.ended.map((each) => put(keys.operation(hex(each.uuid.value)), each)),
    ...change.acknowledged.map((uuid) => drop(keys.operation(uuid))),
    drop(keys.target),
  ])
}

/** What is reserved or is going to be. Changes nothing. */
export async function readCheckpointed(store: Store): Promise<readonly Resource[]> {
  const change = await readChange(store)
  if (change !== undefined) return change.resources
  const found = await store.get(keys.resources)
  return found === undefined ? [] : (unpack(found) as Resource[])
}

/** The ledger, after the change that a former life began was brought to its end. */
export async function recoverLedger(
  disk: Disk,
  store: Store,
): Promise<{ readonly resources: readonly Resource[]; readonly operations: Operation[] }> {
  const change = await readChange(store)
  if (change !== undefined) await writeLedger(disk, store, change)
  // `0` follows `/` in the order of keys.
  const operations = await store.range('operation/', 'operation0')
  return {
    resources: await readCheckpointed(store),
    operations: operations.map(([, value]) => unpack(value) as Operation),
  }
}

/** What removes operations of nobody's interest, by uuid in hex. */
export function deleteOperations(uuids: Iterable<string>): StoreOperation[] {
  return Array.from(uuids, (uuid) => drop(keys.operation(uuid)))
}

async function readChange(store: Store): Promise<LedgerChange | undefined> {
  const found = await store.get(keys.target)
  return found === undefined ? undefined : (unpack(found) as LedgerChange)
}

function put(key: string, value: unknown): StoreOperation {
  return { type: 'put', key, value: encode(value) }
}

function drop(key: string): StoreOperation {
  return { type: 'delete', key }
}
