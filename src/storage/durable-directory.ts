import { dirname } from 'node:path'
import type { Disk } from '../runtime/ports.ts'

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
