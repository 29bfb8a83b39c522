/**
 * The ledger on disk, in two phases: first what is to be, then the volumes, then that it is so. Whatever
 * moment the agent or its host dies at, a new life finds the old ledger, or one that is to be carried out
 * (again): never half of one. Outcomes of operations are part of the same record, so that none is told
 * whose effect was lost, and none is lost whose effect stays. Spec: agent.md §8.
 *
 * | key                  | value |
 * | ---                  | --- |
 * | `resources`          | LedgerRecord |
 * | `resources.target`   | LedgerRecord that `resources` is to become, while its volumes change |
 */
import { encode, unpack } from '../../protocol/codec.ts'
import type { Operation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import type { Disk, Store, StoreOperation } from '../../src/runtime/index.ts'
import { changeVolumes, type VolumePlace } from './volumes.ts'

export interface LedgerRecord {
  /** Those that the flags do not tell: dynamically reserved ones and persistent volumes. */
  readonly resources: readonly Resource[]
  readonly operations: readonly Operation[]
  /** What turns the former record's volumes into these. */
  readonly remove: readonly VolumePlace[]
  readonly make: readonly VolumePlace[]
}

const keys = { state: 'resources', target: 'resources.target' }

/** @throws DiskError: what is on disk is unknown then, the agent must start anew */
export async function writeLedger(disk: Disk, store: Store, record: LedgerRecord): Promise<void> {
  if (record.remove.length + record.make.length > 0) {
    await store.commit([put(keys.target, record)])
    await changeVolumes(disk, record)
  }
  await store.commit([
    put(keys.state, { ...record, remove: [], make: [] }),
    { type: 'delete', key: keys.target },
  ])
}

/** What is or is to be; nothing if no operation was ever applied. Changes nothing. */
export async function readLedger(store: Store): Promise<LedgerRecord | undefined> {
  const found = (await store.get(keys.target)) ?? (await store.get(keys.state))
  return found === undefined ? undefined : (unpack(found) as LedgerRecord)
}

/** The same, after what a former life began was brought to its end. */
export async function recoverLedger(disk: Disk, store: Store): Promise<LedgerRecord | undefined> {
  const record = await readLedger(store)
  if (record !== undefined && record.remove.length + record.make.length > 0) {
    await writeLedger(disk, store, record)
  }
  return record
}

function put(key: string, record: LedgerRecord): StoreOperation {
  return { type: 'put', key, value: encode(record) }
}
