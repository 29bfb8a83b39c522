/**
 * The streams of statuses, as data: what is stored, what is in flight, what an acknowledgement means.
 * Spec: agent.md §7.
 */
import { encode, unpack } from '../../protocol/codec.ts'
import { isTerminal, type TaskStatus } from '../../protocol/v1/status.ts'
import type { StoreOperation } from '../../src/runtime/index.ts'

export interface Stream {
  readonly framework: string
  readonly task: string
  /** Every uuid ever received, in hex: a repeated one is answered and otherwise ignored. */
  readonly received: Set<string>
  /** Stored and not acknowledged, oldest first; only the first is in flight. */
  readonly pending: Entry[]
  /** Number of the next entry. */
  next: number
  /** The wait before the one in flight is sent again, ms. It is the stream's own (agent.md §7). */
  intervalMs: number
  /** An acknowledgement of the first is being written. */
  acknowledging: boolean
}

/** One stored status. */
export interface Entry {
  readonly number: number
  readonly status: TaskStatus
}

/** Value of a stored entry. */
interface StoredEntry {
  readonly status: TaskStatus
  readonly acknowledged: boolean
}

const prefix = 'stream/'
/** Follows `prefix` in the order of keys: `0` comes after `/`. */
export const range = { from: prefix, to: 'stream0' } as const

export function streamKey(framework: string, task: string): string {
  return `${framework}/${task}`
}

/** Ids hold no `/` (protocol/v1/ids.ts), so keys of different tasks never collide. */
function entryKey(stream: Stream, number: number): string {
  return `${prefix}${stream.framework}/${stream.task}/${String(number).padStart(8, '0')}`
}

export function newStream(framework: string, task: string): Stream {
  return {
    framework,
    task,
    received: new Set(),
    pending: [],
    next: 0,
    intervalMs: 0,
    acknowledging: false,
  }
}

export function hex(uuid: Uint8Array): string {
  return Buffer.from(uuid.buffer, uuid.byteOffset, uuid.byteLength).toString('hex')
}

/** Takes a new status in; returns its entry and what makes it durable. */
export function append(
  stream: Stream,
  status: TaskStatus,
): { readonly entry: Entry; readonly operation: StoreOperation } {
  const entry = { number: stream.next++, status }
  stream.received.add(hex(uuidOf(status)))
  return { entry, operation: put(stream, entry, false) }
}

export type Judgement = 'ACKNOWLEDGE' | 'DUPLICATE' | 'NOT_IN_FLIGHT' | 'UNKNOWN_STREAM'

/** What an acknowledgement with this uuid means to the stream. */
export function judge(stream: Stream | undefined, uuid: Uint8Array): Judgement {
  if (stream === undefined) return 'UNKNOWN_STREAM'
  const first = stream.pending[0]
  const text = hex(uuid)
  if (first !== undefined && hex(uuidOf(first.status)) === text) {
    return stream.acknowledging ? 'DUPLICATE' : 'ACKNOWLEDGE'
  }
  const waits = stream.pending.some(({ status }) => hex(uuidOf(status)) === text)
  return stream.received.has(text) && !waits ? 'DUPLICATE' : 'NOT_IN_FLIGHT'
}

/** What makes the acknowledgement of an entry durable: for the terminal one, that the stream is gone. */
export function acknowledgement(stream: Stream, entry: Entry): StoreOperation[] {
  if (isTerminal(entry.status.state)) return removal(stream)
  return [put(stream, entry, true)]
}

/** What removes a stream from the disk. */
export function removal(stream: Stream): StoreOperation[] {
  return Array.from({ length: stream.next }, (_, number) => ({
    type: 'delete',
    key: entryKey(stream, number),
  }))
}

export interface RecoveredStream {
  readonly stream: Stream
  /** Oldest first, the acknowledged ones too. */
  readonly statuses: TaskStatus[]
}

/** The streams that are on disk. */
export function recover(
  entries: ReadonlyArray<readonly [string, Uint8Array]>,
): Map<string, RecoveredStream> {
  const streams = new Map<string, RecoveredStream>()
  for (const [key, value] of entries) {
    const [, framework = '', task = '', number = ''] = key.split('/')
    const id = streamKey(framework, task)
    let found = streams.get(id)
    if (found === undefined) {
      found = { stream: newStream(framework, task), statuses: [] }
      streams.set(id, found)
    }
    const { status, acknowledged } = unpack(value) as StoredEntry
    found.statuses.push(status)
    found.stream.received.add(hex(uuidOf(status)))
    found.stream.next = Number(number) + 1
    if (!acknowledged) found.stream.pending.push({ number: Number(number), status })
  }
  return streams
}

export function uuidOf(status: TaskStatus): Uint8Array {
  if (status.uuid === undefined) throw new Error('a status without uuid reached the update streams')
  return status.uuid
}

function put(stream: Stream, { number, status }: Entry, acknowledged: boolean): StoreOperation {
  const value: StoredEntry = { status, acknowledged }
  return { type: 'put', key: entryKey(stream, number), value: encode(value) }
}
