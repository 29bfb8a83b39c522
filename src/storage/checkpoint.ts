/**
 * Checkpoints: small files that are replaced as a whole, so that a reader finds the old value or the
 * new one and never a mixture (`spec/agent.md` §3).
 *
 * Layout: magic "MCP1", payload length (u32 LE), CRC-32 of the payload (u32 LE), payload.
 */
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { type Disk, DiskError } from '../runtime/ports.ts'

const magic = 0x3150434d // "MCP1", little endian
const headerBytes = 12

/** What a checkpoint outlives. A process crash keeps the page cache; a host crash does not. */
export type Survives = 'process-crash' | 'host-crash'

/** What is on disk: no file, a file that is not a whole checkpoint, or the value. */
export type Checkpoint =
  | { readonly type: 'absent' }
  | { readonly type: 'corrupt'; readonly reason: string }
  | { readonly type: 'value'; readonly data: Uint8Array }

/**
 * Replaces the checkpoint at `path`, whose directory must exist. When it resolves, the value survives
 * what `survives` says; if it rejects, the old or the new value is there. One writer per path at a
 * time: the temporary file has a fixed name, so that a crash leaves at most one behind.
 * @throws DiskError; after a failed fsync the process must end, for the bytes may be lost
 */
export async function writeCheckpoint(
  disk: Disk,
  path: string,
  data: Uint8Array,
  survives: Survives = 'host-crash',
): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await disk.open(temporary, 'write')
  try {
    await file.truncate(0)
    await file.write(0, encode(data))
    if (survives === 'host-crash') await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  if (survives === 'host-crash') await disk.syncDirectory(dirname(path))
}

/** Reads a checkpoint. An empty or torn file is `corrupt`: the host died before its data arrived. */
export async function readCheckpoint(disk: Disk, path: string): Promise<Checkpoint> {
  let bytes: Uint8Array
  try {
    bytes = await disk.readFile(path)
  } catch (error) {
    if (error instanceof DiskError && error.code === 'NOT_FOUND') return { type: 'absent' }
    throw error
  }
  return decode(bytes, path)
}

/**
 * Creates a directory and its parents so that they survive a host crash: each entry that had to be
 * made is synced in its parent.
 */
export async function makeDurableDirectory(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path)
  if (parent === path || (await disk.stat(path)) !== undefined) return
  await makeDurableDirectory(disk, parent)
  await disk.makeDirectory(path)
  await disk.syncDirectory(parent)
}

function encode(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, data.length, true)
  view.setUint32(8, crc32(data), true)
  bytes.set(data, headerBytes)
  return bytes
}

function decode(bytes: Uint8Array, path: string): Checkpoint {
  const corrupt = (why: string): Checkpoint => ({
    type: 'corrupt',
    reason: `checkpoint ${basename(path)} ${why}`,
  })
  if (bytes.length < headerBytes) return corrupt(`has ${bytes.length} bytes, less than its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== magic) return corrupt('does not begin with its magic number')
  const length = view.getUint32(4, true)
  const data = bytes.subarray(headerBytes)
  if (data.length !== length) return corrupt(`has ${data.length} bytes of payload, not ${length}`)
  if (crc32(data) !== view.getUint32(8, true)) return corrupt('fails its checksum')
  return { type: 'value', data }
}
