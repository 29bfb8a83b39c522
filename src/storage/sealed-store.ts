/**
 * Values that show if they are not what was written: each begins with the CRC-32 of its key and content, so
 * that one that was changed, cut short or put in another's place is noticed. LevelDB's own checksums are not
 * looked at when it reads. `spec/simulation.md` §5: never wrong data.
 */
import { crc32 } from 'node:zlib'
import { DiskError, type Store, type StoreOperation } from '../runtime/ports.ts'

const checksumBytes = 4

/** The value to store for `content` under `key`. */
export function seal(key: string, content: Uint8Array): Uint8Array {
  const value = new Uint8Array(checksumBytes + content.length)
  value.set(content, checksumBytes)
  new DataView(value.buffer).setUint32(0, checksum(key, content))
  return value
}

/** What was sealed, or undefined if this is not it. */
export function unseal(key: string, value: Uint8Array): Uint8Array | undefined {
  if (value.length < checksumBytes) return undefined
  const content = value.subarray(checksumBytes)
  const stored = new DataView(value.buffer, value.byteOffset).getUint32(0)
  return stored === checksum(key, content) ? content : undefined
}

/** `store` with sealed values. What it reads and is not what was written throws a DiskError, IO. */
export function sealedStore(store: Store, path: string): Store {
  const open = (key: string, value: Uint8Array): Uint8Array => {
    const content = unseal(key, value)
    if (content !== undefined) return content
    throw new DiskError('IO', path, `store ${path} is corrupt: ${key} does not match its checksum`)
  }
  return {
    async get(key) {
      const value = await store.get(key)
      return value === undefined ? undefined : open(key, value)
    },
    async range(from, to, limit) {
      const entries = await store.range(from, to, limit)
      return entries.map(([key, value]) => [key, open(key, value)] as const)
    },
    commit: (operations) => store.commit(operations.map(sealed)),
    close: () => store.close(),
  }
}

function sealed(operation: StoreOperation): StoreOperation {
  if (operation.type === 'delete') return operation
  return { ...operation, value: seal(operation.key, operation.value) }
}

function checksum(key: string, content: Uint8Array): number {
  return crc32(content, crc32(key))
}
