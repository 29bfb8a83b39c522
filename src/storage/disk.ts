/**
 * Files of the operating system, behind the `Disk` port.
 *
 * Both implementations of the port hold to these rules, which `ports.ts` leaves open:
 * - a handle opened with `write` or `append` creates the file if need be and never truncates it; it
 *   may also read. `write` needs mode `write`, `append` needs mode `append` (else DENIED);
 * - changes through one handle take effect in the order called, and `sync` covers all that were
 *   called before it, awaited or not;
 * - `stat` does not follow a symbolic link, everything else does.
 */
import { constants, promises as fs } from 'node:fs'
import { isAbsolute } from 'node:path'
import {
  type Disk,
  DiskError,
  type DiskErrorCode,
  type FileHandle,
  type FileStat,
} from '../runtime/ports.ts'

const errorCodes: Readonly<Record<string, DiskErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  EEXIST: 'EXISTS',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EACCES: 'DENIED',
  EPERM: 'DENIED',
  EROFS: 'DENIED',
  ENOTDIR: 'NOT_A_DIRECTORY',
  ENOTEMPTY: 'NOT_EMPTY',
}

export type FileMode = Parameters<Disk['open']>[1]
export type FileChange = 'write' | 'append' | 'truncate'

const openFlags = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | constants.O_CREAT,
  append: constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
} as const

/** What the operating system said, as a `DiskError`; unknown codes become `IO`. */
export function diskError(error: unknown, path: string): DiskError {
  if (error instanceof DiskError) return error
  const { code = 'unknown', message = String(error) } = error as NodeJS.ErrnoException
  return new DiskError(errorCodes[code] ?? 'IO', path, message, { cause: error })
}

/** @throws DiskError NOT_FOUND: a relative path would depend on where the node was started */
export function requireAbsolute(path: string): void {
  if (!isAbsolute(path)) throw new DiskError('NOT_FOUND', path, `path is not absolute: ${path}`)
}

/** @throws DiskError DENIED unless a handle opened with `mode` may do `operation` */
export function requireMode(path: string, mode: FileMode, operation: FileChange): void {
  if (operation === 'truncate' ? mode !== 'read' : mode === operation) return
  throw new DiskError('DENIED', path, `cannot ${operation}: ${path} was opened to ${mode}`)
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  requireAbsolute(path)
  try {
    return await work()
  } catch (error) {
    throw diskError(error, path)
  }
}

function kindOf(stat: {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}): FileStat['kind'] {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  return stat.isSymbolicLink() ? 'symlink' : 'other'
}

/** The files of this machine. */
export const systemDisk: Disk = {
  open: (path, mode) =>
    attempt(
      path,
      async () => new SystemFile(await fs.open(path, openFlags[mode], 0o644), path, mode),
    ),
  readFile: (path) => attempt(path, () => fs.readFile(path)),
  writeFile: (path, data) => attempt(path, () => fs.writeFile(path, data)),
  rename: (from, to) => attempt(from, () => fs.rename(from, to)),
  unlink: (path) => attempt(path, () => fs.unlink(path)),
  list: (path) => attempt(path, async () => (await fs.readdir(path)).sort()),
  makeDirectory: (path) =>
    attempt(path, async () => {
      await fs.mkdir(path, { recursive: true })
    }),
  removeTree: (path) => attempt(path, () => fs.rm(path, { recursive: true, force: true })),
  symlink: (target, path) => attempt(path, () => fs.symlink(target, path)),
  readlink: (path) => attempt(path, () => fs.readlink(path)),
  stat: (path) =>
    attempt(path, async () => {
      try {
        const stat = await fs.lstat(path)
        return { kind: kindOf(stat), size: stat.size, mtimeMs: stat.mtimeMs }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
        throw error
      }
    }),
  syncDirectory: (path) =>
    attempt(path, async () => {
      const directory = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        await directory.sync()
      } finally {
        await directory.close()
      }
    }),
  space: (path) =>
    attempt(path, async () => {
      const { bsize, blocks, bavail } = await fs.statfs(path)
      return { total: blocks * bsize, free: bavail * bsize }
    }),
}

class SystemFile implements FileHandle {
  readonly #file: fs.FileHandle
  readonly #path: string
  readonly #mode: FileMode
  /** The last change begun: the thread pool would otherwise run two of them in either order. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(file: fs.FileHandle, path: string, mode: FileMode) {
    this.#file = file
    this.#path = path
    this.#mode = mode
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return attempt(this.#path, async () => {
      const buffer = new Uint8Array(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await this.#file.read(
          buffer,
          filled,
          length - filled,
          position + filled,
        )
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return buffer.subarray(0, filled)
    })
  }

  write(position: number, data: Uint8Array): Promise<void> {
    return this.#change('write', () => this.#writeAll(data, position))
  }

  append(data: Uint8Array): Promise<void> {
    return this.#change('append', () => this.#writeAll(data, null))
  }

  truncate(size: number): Promise<void> {
    return this.#change('truncate', () => this.#file.truncate(size))
  }

  size(): Promise<number> {
    return attempt(this.#path, async () => (await this.#file.stat()).size)
  }

  // fdatasync leaves out times only: content and size are durable.
  sync(): Promise<void> {
    return this.#inOrder(() => this.#file.datasync())
  }

  close(): Promise<void> {
    return this.#inOrder(() => this.#file.close())
  }

  async #change(operation: FileChange, work: () => Promise<void>): Promise<void> {
    requireMode(this.#path, this.#mode, operation)
    await this.#inOrder(work)
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(() => attempt(this.#path, work))
    this.#tail = result.catch(() => undefined)
    return result
  }

  async #writeAll(data: Uint8Array, position: number | null): Promise<void> {
    for (let written = 0; written < data.length; ) {
      const at = position === null ? null : position + written
      const { bytesWritten } = await this.#file.write(data, written, data.length - written, at)
      written += bytesWritten
    }
  }
}
