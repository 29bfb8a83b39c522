/** The replicated log, judged by the disks of all replicas, dead ones too (replicated-log.md §13). */
import { encode, unpack } from '../../protocol/codec.ts'
import type { Body } from '../../protocol/log.ts'
import { unseal } from '../../src/storage/sealed-store.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'

interface StoredRecord {
  readonly promised: number
  readonly performed?: number
  readonly body?: Body
  readonly learned?: boolean
}
interface StoredMetadata {
  readonly status: string
  readonly promised: number
}
interface StoredProgress {
  readonly begin: number
  readonly learned: ReadonlyArray<readonly [from: number, to: number]>
}

/** What was seen of one disk of a replica. */
interface Disk {
  /** Highest promise for all positions, and the beginning of the log. */
  promised: number
  begin: number
  /** Records as they were when they were looked at: equal bytes need no second look. */
  readonly values: Map<string, { readonly value: Uint8Array; readonly learned: boolean }>
  /** Highest promise for each open position. */
  readonly promises: Map<number, number>
}

/** What was seen of one log, on the disks of all its replicas. */
export class LogHistory {
  readonly #disks = new Map<string, Disk>()
  /** Bodies that some replica has learned, by position, encoded. */
  readonly #learned = new Map<number, string>()
  /** Bodies by position and the proposal under which they were written, encoded. */
  readonly #written = new Map<string, string>()

  /**
   * Looks at what is durable on one disk of a replica.
   * @throws Violation L1 (§13.1), L2 (§13.2, 7), L3 (§13.3), L4 (§13.4), L10 (§13.10)
   */
  look(replica: string, contents: ReadonlyMap<string, Uint8Array>): void {
    const metadata = read<StoredMetadata>('metadata', contents.get('metadata'))
    // What it promised was lost with the disk that held it; the others know not to count on it.
    if (metadata?.status !== 'VOTING') this.#disks.delete(replica)
    if (metadata === undefined || metadata.status === 'CORRUPT') return
    const seen = this.#diskOf(replica)
    if (metadata.promised < seen.promised)
      throw new Violation('L3', `${replica} promised ${seen.promised}, now ${metadata.promised}`)
    seen.promised = metadata.promised
    const progress = read<StoredProgress>('progress', contents.get('progress'))
    const { begin = 0, learned: ranges = [] } = progress ?? {}
    if (begin < seen.begin)
      throw new Violation('L10', `${replica} began at ${seen.begin}, and begins at ${begin} now`)
    seen.begin = begin
    for (const [key, value] of contents) {
      if (!key.startsWith('a/')) continue
      const position = Number(key.slice(2))
      const isMarked = ranges.some(([from, to]) => from <= position && position <= to)
      const known = seen.values.get(key)
      if (known?.value === value && known.learned === isMarked) continue
      seen.values.set(key, { value, learned: isMarked })
      const record = read<StoredRecord>(key, value)
      if (record !== undefined) this.#record(replica, seen, position, record, isMarked)
    }
  }

  #record(
    replica: string,
    { promises }: Disk,
    position: number,
    { promised, performed, body, learned }: StoredRecord,
    isMarked: boolean,
  ): void {
    const text = body && Buffer.from(encode(body)).toString('latin1')
    const isLearned = learned === true || isMarked
    if (isLearned && text !== undefined) this.#same('L1', this.#learned, position, text, replica)
    // What is chosen was told by another, and stands for no vote.
    if (learned === true) return
    if (performed !== undefined && text !== undefined)
      this.#same('L2', this.#written, `${position} under ${performed}`, text, replica)
    if (performed !== undefined && performed > promised)
      throw new Violation('L4', `${replica} wrote ${position} under ${performed} of ${promised}`)
    const before = promises.get(position) ?? 0
    if (promised < before)
      throw new Violation('L3', `${replica} promised ${before} at ${position}, now ${promised}`)
    promises.set(position, promised)
  }

  #same<Key>(rule: string, all: Map<Key, string>, key: Key, text: string, replica: string): void {
    const other = all.get(key)
    if (other !== undefined && other !== text)
      throw new Violation(rule, `${key} is ${show(text)} at ${replica}, and was ${show(other)}`)
    all.set(key, text)
  }

  #diskOf(replica: string): Disk {
    const known = this.#disks.get(replica)
    if (known !== undefined) return known
    const disk = { promised: 0, begin: 0, values: new Map(), promises: new Map() }
    this.#disks.set(replica, disk)
    return disk
  }
}

const seenOf = new WeakMap<Cluster, Map<string, LogHistory>>()

/** The registry's log, and that of the registers where there are some. */
export function checkLogs(cluster: Cluster): void {
  const seen = seenOf.get(cluster) ?? new Map<string, LogHistory>()
  seenOf.set(cluster, seen)
  for (const path of ['/m/log', '/m/state']) {
    const history = seen.get(path) ?? new LogHistory()
    seen.set(path, history)
    for (const { name, disks, storage } of cluster.masters)
      history.look(`${name} on disk ${disks}`, storage.contents(path))
  }
}

/** What stands there, if it is what was written. */
function read<T>(key: string, value: Uint8Array | undefined): T | undefined {
  const content = value && unseal(key, value)
  return content && (unpack(content) as T)
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
