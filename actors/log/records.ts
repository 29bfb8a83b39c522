/**
 * What a replica keeps on disk (replicated-log.md §7), and how it is read back.
 *
 *     metadata      {node, status, promised, generations, votes}
 *     progress      {begin, learned: [[from, to], ...]}
 *     a/<position>  {promised, performed?, body?, learned?}
 *
 * The store is sealed: a record that was changed, cut short, put in another's place or replaced since is
 * noticed. A replica that finds such a one holds none of its votes for true: it becomes CORRUPT and stays out
 * until the others have filled it again.
 */
import { encode, unpack } from '../../protocol/codec.ts'
import type { Body, Generations, Status, Votes } from '../../protocol/log.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import type { Store, StoreOperation } from '../../src/runtime/index.ts'
import type { SealedStore } from '../../src/storage/sealed-store.ts'
import { Intervals, type Range } from './intervals.ts'
import { emptyReplica, type OpenRecord, type Replica } from './replica.ts'

interface Metadata {
  /** Whose disk this is: another's votes are not ours. */
  readonly node: string
  /** Never RETURNING: what has a vote keeps it until somebody knows better. */
  readonly status: Status
  readonly promised: number
  readonly generations: Generations
  readonly votes: Votes
}

interface Progress {
  readonly begin: number
  readonly learned: readonly Range[]
}

export interface StoredRecord extends OpenRecord {
  readonly learned?: boolean
}

const METADATA = 'metadata'
const PROGRESS = 'progress'
const PREFIX = 'a/'
/** Follows all records in the order of keys. */
const RECORDS_END = 'a0'
/** Records read at once while a store is scanned. */
const SCAN_CHUNK = 512
/** Digits of the largest safe integer. */
const POSITION_DIGITS = 16

export function recordKey(position: number): string {
  return PREFIX + String(position).padStart(POSITION_DIGITS, '0')
}

/** The position whose record stands under a key, if one's does. */
export function positionOf(key: string): number | undefined {
  return key.startsWith(PREFIX) ? Number(key.slice(PREFIX.length)) : undefined
}

/** The operations that make the replica's changes durable, in order; takes them away. */
export function takeOperations(replica: Replica): StoreOperation[] {
  const operations: StoreOperation[] = []
  let metadata = false
  let progress = replica.unmarked
  for (const change of replica.changes) {
    switch (change.type) {
      case 'METADATA':
        metadata = true
        break
      case 'PROGRESS':
        progress = true
        break
      case 'RECORD':
        operations.push(put(recordKey(change.position), change.record))
        break
      case 'LEARNED': {
        const record: StoredRecord = { promised: 0, body: change.entry.body, learned: true }
        operations.push(put(recordKey(change.entry.position), record))
        break
      }
    }
  }
  replica.changes = []
  replica.unmarked = false
  const { node, promised, generations, votes, begin, learned } = replica
  if (metadata) {
    const status = replica.status === 'RETURNING' ? 'VOTING' : replica.status
    const stored: Metadata = { node, status, promised, generations, votes }
    operations.push(put(METADATA, stored))
  }
  if (progress)
    operations.push(put(PROGRESS, { begin, learned: learned.ranges } satisfies Progress))
  return operations
}

/** What marks a store as not to be trusted. */
export function condemnation(node: string): StoreOperation {
  const metadata: Metadata = { node, status: 'CORRUPT', promised: 0, generations: {}, votes: {} }
  return put(METADATA, metadata)
}

/** Deletes the records of [from, to). */
export function removal(from: number, to: number): StoreOperation[] {
  const operations: StoreOperation[] = []
  for (let position = from; position < to; position++) {
    operations.push({ type: 'delete', key: recordKey(position) })
  }
  return operations
}

/** Operations at once while a store is emptied. */
const WIPE_CHUNK = 10_000

/**
 * Removes everything but the metadata, whatever it is. Not atomic: the metadata must say CORRUPT meanwhile.
 * From then on the store knows all that stands in it.
 */
export async function wipe(store: SealedStore): Promise<void> {
  let operations: StoreOperation[] = [{ type: 'delete', key: PROGRESS }]
  for (let next = PREFIX; ; ) {
    const keys = await store.keys(next, RECORDS_END, SCAN_CHUNK)
    for (const key of keys) operations.push({ type: 'delete', key })
    const last = keys.at(-1)
    if (last === undefined) break
    next = after(last)
    if (operations.length < WIPE_CHUNK) continue
    await store.commit(operations)
    operations = []
  }
  await store.commit(operations)
  await store.verify()
}

/** The record of a position; an error if there is none. */
export function decodeRecord(
  position: number,
  value: Uint8Array | undefined,
): Result<StoredRecord> {
  if (value === undefined) return err(`${recordKey(position)} is missing`)
  return ok(unpack(value) as StoredRecord)
}

/** A learned body. @throws DiskError */
export async function readBody(store: Store, position: number): Promise<Result<Body>> {
  const record = decodeRecord(position, await store.get(recordKey(position)))
  if (!record.ok) return record
  const { body } = record.value
  return body === undefined ? err(`${recordKey(position)} holds no body`) : ok(body)
}

export interface Loaded {
  readonly replica: Replica
  /** Lowest position that may have a record. */
  readonly first: number
}

/** The node whose replica a store holds, if it says so. @throws DiskError */
export async function ownerOf(store: Store): Promise<string | undefined> {
  const metadata = await read<Metadata>(store, METADATA)
  return metadata?.node
}

/**
 * Reads a whole store, chunk by chunk. The error is a sentence: what stands there is not what was written.
 * @throws DiskError if it cannot be read, or is not what was written
 */
export async function load(
  store: Pick<SealedStore, 'get' | 'range' | 'verify'>,
  node: string,
): Promise<Result<Loaded>> {
  const metadata = await read<Metadata>(store, METADATA)
  const replica = emptyReplica(node)
  Object.assign(replica, metadata)
  if (replica.status === 'CORRUPT') return ok({ replica, first: 0 })
  const progress = await read<Progress>(store, PROGRESS)
  const marked = new Intervals(progress?.learned)
  replica.begin = progress?.begin ?? 0
  replica.end = Math.max(0, replica.begin - 1)
  let first = replica.begin
  let records = 0
  for await (const chunk of scan(store, PREFIX)) {
    for (const [key, value] of chunk) {
      const position = Number(key.slice(PREFIX.length))
      records++
      first = Math.min(first, position)
      if (position >= replica.begin)
        takeIn(replica, position, unpack(value) as StoredRecord, marked)
    }
  }
  if (metadata === undefined && (progress !== undefined || records > 0)) {
    return err(`${METADATA} is missing`)
  }
  await store.verify()
  for (const [from, to] of marked.ranges) {
    const [gap] = replica.learned.gaps(Math.max(from, replica.begin), to)
    if (gap !== undefined) return err(`${recordKey(gap[0])} is missing`)
  }
  return ok({ replica, first })
}

function takeIn(
  replica: Replica,
  position: number,
  { learned, ...record }: StoredRecord,
  marked: Intervals,
): void {
  replica.end = Math.max(replica.end, position)
  if (learned === true || marked.has(position)) {
    replica.learned.add(position)
    return
  }
  replica.open.set(position, record)
  if (record.body?.type === 'APPEND') replica.openBytes += record.body.data.length + 32
}

async function* scan(
  store: Pick<Store, 'range'>,
  from: string,
): AsyncGenerator<ReadonlyArray<readonly [string, Uint8Array]>> {
  for (let next = from; ; ) {
    const chunk = await store.range(next, RECORDS_END, SCAN_CHUNK)
    yield chunk
    const last = chunk.at(-1)
    if (last === undefined || chunk.length < SCAN_CHUNK) return
    next = after(last[0])
  }
}

/** The least key after one. */
function after(key: string): string {
  return `${key}\0`
}

function put(key: string, content: unknown): StoreOperation {
  return { type: 'put', key, value: encode(content) }
}

async function read<Content>(store: Pick<Store, 'get'>, key: string): Promise<Content | undefined> {
  const value = await store.get(key)
  return value && (unpack(value) as Content)
}
