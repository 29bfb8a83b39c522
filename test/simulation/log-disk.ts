/** What the disk of a replica holds (actors/log/records.ts), as far as it is what was written. */
import { recordKey, type StoredRecord } from '../../actors/log/records.ts'
import { unpack } from '../../protocol/codec.ts'
import type { Generations, Status, Votes } from '../../protocol/log.ts'
import { unseal } from '../../src/storage/sealed-store.ts'

export type Contents = ReadonlyMap<string, Uint8Array>

export interface StoredMetadata {
  readonly status: Status
  readonly promised: number
  readonly generations: Generations
  readonly votes: Votes
}
interface StoredProgress {
  readonly begin: number
  readonly learned: ReadonlyArray<readonly [from: number, to: number]>
}

export function readMetadata(contents: Contents): StoredMetadata | undefined {
  return read('metadata', contents)
}

export function readProgress(contents: Contents): StoredProgress {
  return read<StoredProgress>('progress', contents) ?? { begin: 0, learned: [] }
}

export function readRecord(contents: Contents, position: number): StoredRecord | undefined {
  return read(recordKey(position), contents)
}

function read<T>(key: string, contents: Contents): T | undefined {
  const value = contents.get(key)
  const content = value && unseal(key, value)
  return content && (unpack(content) as T)
}
