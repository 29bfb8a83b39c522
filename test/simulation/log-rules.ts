/** The replicated log, judged by the disks of all replicas, dead ones too (replicated-log.md §13). */
import { unpack } from '../../protocol/codec.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'

/** What was seen of the logs of one cluster so far. */
interface Seen {
  /** Bodies that some replica has learned, by position, as text. */
  readonly learned: Map<string, string>
  /** Highest promise by host. */
  readonly promised: Map<string, number>
}

const seenOf = new WeakMap<Cluster, Seen>()
/** Bytes of the checksum before each value. */
const checksumBytes = 4

interface StoredRecord {
  readonly body?: unknown
  readonly learned?: boolean
}
interface StoredMetadata {
  readonly status: string
  readonly promised: number
}
interface StoredProgress {
  readonly learned: ReadonlyArray<readonly [from: number, to: number]>
}

/** §13.1-3: what is learned at a position is the same everywhere and for ever; promises never go down. */
export function checkLogs(cluster: Cluster): void {
  const seen = seenOf.get(cluster) ?? { learned: new Map(), promised: new Map() }
  seenOf.set(cluster, seen)
  for (const host of cluster.masters) {
    const disk = host.storage.contents('/m/log')
    const metadata = read<StoredMetadata>(disk.get('metadata'))
    if (metadata === undefined || metadata.status === 'CORRUPT') continue
    const before = seen.promised.get(host.name) ?? 0
    if (metadata.promised < before)
      throw new Violation('L3', `${host.name} promised ${before}, and now ${metadata.promised}`)
    seen.promised.set(host.name, metadata.promised)
    const ranges = read<StoredProgress>(disk.get('progress'))?.learned ?? []
    for (const [key, value] of disk) {
      if (!key.startsWith('a/')) continue
      const position = Number(key.slice(2))
      const record = read<StoredRecord>(value)
      const known =
        record?.learned || ranges.some(([from, to]) => from <= position && position <= to)
      if (record?.body === undefined || !known) continue
      const body = JSON.stringify(record.body)
      const other = seen.learned.get(key)
      if (other !== undefined && other !== body)
        throw new Violation(
          'L1',
          `position ${position} is ${body.slice(0, 200)} at ${host.name}, and was ${other.slice(0, 200)}`,
        )
      seen.learned.set(key, body)
    }
  }
}

function read<T>(value: Uint8Array | undefined): T | undefined {
  return value === undefined ? undefined : (unpack(value.subarray(checksumBytes)) as T)
}
