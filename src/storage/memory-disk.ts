/**
 * The `Disk` port in memory, for tests and simulations: a tree of inodes with volatile pages, crashes
 * and injected faults (`spec/simulation.md` §5). Its rules are those of `disk.ts`.
 *
 * Each call is a crash point twice: with a latency, half of it passes before the effect and half after.
 */
import { type Clock, type Disk, DiskError, type FileHandle, type Random } from '../runtime/ports.ts'
import { type FileChange, type FileMode, requireAbsolute, requireMode } from './disk.ts'
import { type FileNode, MemoryTree, type Node, newDirectory } from './memory-tree.ts'

/** A call, as fault plans see it. */
export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'unlink'
  | 'list'
  | 'stat'
  | 'makeDirectory'
  | 'removeTree'
  | 'symlink'

export interface DiskFaults {
  /** Asked before each call; a code makes it fail. A failing `sync` leaves its pages marked clean. */
  readonly fail?: (operation: DiskOperation, path: string) => 'IO' | 'NO_SPACE' | undefined
  /** How long a call takes, in ms. Absent or 0: it answers in the same turn. */
  readonly latencyMs?: (operation: DiskOperation, path: string) => number
}

export interface MemoryDiskOptions {
  readonly clock: Clock
  /** Bytes of content that fit. Default: 1 TiB. */
  readonly capacity?: number
}

export interface MemoryDisk extends Disk {
  /** Replaces the faults in force. */
  setFaults(faults: DiskFaults): void
  /** Bytes of content that fit from now on; a write that does not fit is cut short at the byte. */
  setCapacity(bytes: number): void
  /**
   * The host dies. What was synced stays as it was; every other page, size and directory entry
   * survives or is lost as `random` says. Open handles and calls under way never answer again.
   */
  crash(random: Random): void
  /** The node's process dies: calls under way have no effect and no answer; all data stays. */
  endProcess(): void
  /** Silent corruption of one bit. */
  flipBit(path: string, position: number, bit: number): void
}

export function memoryDisk(options: MemoryDiskOptions): MemoryDisk {
  const { clock } = options
  const tree = new MemoryTree()
  let faults: DiskFaults = {}
  let capacity = options.capacity ?? 2 ** 40
  let used = 0
  let incarnation = 0

  const pause = (ms: number): Promise<void> =>
    ms > 0 ? new Promise((resolve) => clock.setTimeout(resolve, ms)) : Promise.resolve()

  /** Runs one call of the process that lived when it was made. */
  async function call<T>(
    operation: DiskOperation,
    path: string,
    effect: () => T,
    onFault: () => void = () => undefined,
    born = incarnation,
  ): Promise<T> {
    requireAbsolute(path)
    const halfMs = (faults.latencyMs?.(operation, path) ?? 0) / 2
    if (halfMs > 0) await pause(halfMs)
    if (born !== incarnation) return new Promise(() => undefined)
    const code = faults.fail?.(operation, path)
    if (code !== undefined) {
      onFault()
      throw new DiskError(code, path, `injected fault: ${operation} ${path}`)
    }
    const result = effect()
    if (halfMs > 0) await pause(halfMs)
    return born === incarnation ? result : new Promise(() => undefined)
  }

  /** Writes what fits and accounts for it. */
  function write(file: FileNode, path: string, position: number, data: Uint8Array): void {
    const { content } = file
    const grown = Math.max(0, position + data.length - content.size)
    const excess = Math.max(0, used + grown - capacity)
    const written = data.subarray(0, Math.max(0, data.length - excess))
    const before = content.size
    content.write(position, written)
    used += content.size - before
    file.mtimeMs = clock.now()
    if (excess > 0) throw new DiskError('NO_SPACE', path, `no space left: ${path}`)
  }

  function truncate(file: FileNode, size: number): void {
    used += size - file.content.size
    file.content.truncate(size)
    file.mtimeMs = clock.now()
  }

  function openFile(path: string, mode: FileMode): FileHandle {
    const exists = mode === 'read' || tree.find(path, true) !== undefined
    const file = exists ? tree.file(path) : tree.createFile(path, clock.now())
    const born = incarnation
    let open = true
    const through = <T>(
      operation: DiskOperation,
      effect: () => T,
      onFault?: () => void,
    ): Promise<T> =>
      call(
        operation,
        path,
        () => {
          if (open) return effect()
          throw new DiskError('IO', path, `file is closed: ${path}`)
        },
        onFault,
        born,
      )
    // Changes keep their order, also when their latencies differ.
    let tail: Promise<unknown> = Promise.resolve()
    const inOrder = (
      operation: DiskOperation,
      effect: () => void,
      onFault?: () => void,
    ): Promise<void> => {
      const result = tail.then(() => through(operation, effect, onFault))
      tail = result.catch(() => undefined)
      return result
    }
    const change = async (operation: FileChange, effect: () => void): Promise<void> => {
      requireMode(path, mode, operation)
      return inOrder(operation === 'truncate' ? 'truncate' : 'write', effect)
    }
    return {
      read: (position, length) => through('read', () => file.content.read(position, length)),
      write(position, data) {
        const copy = data.slice()
        return change('write', () => write(file, path, position, copy))
      },
      append(data) {
        const copy = data.slice()
        return change('append', () => write(file, path, file.content.size, copy))
      },
      truncate: (size) => change('truncate', () => truncate(file, size)),
      size: () => through('stat', () => file.content.size),
      sync: () =>
        inOrder(
          'sync',
          () => file.content.sync(),
          () => file.content.failSync(),
        ),
      close: () =>
        inOrder('stat', () => {
          open = false
        }),
    }
  }

  function release(node: Node): void {
    if (node.kind === 'file') used -= node.content.size
    if (node.kind === 'directory') for (const child of node.entries.values()) release(child)
  }

  function measure(): number {
    let bytes = 0
    const visit = (node: Node): void => {
      if (node.kind === 'file') bytes += node.content.size
      if (node.kind === 'directory') for (const child of node.entries.values()) visit(child)
    }
    visit(tree.directory('/'))
    return bytes
  }

  function makeDirectory(path: string): void {
    let place = ''
    for (const name of path.split('/').filter((part) => part !== '')) {
      place = `${place}/${name}`
      const node = tree.find(place, true)
      if (node === undefined) tree.link(place, newDirectory(clock.now()), clock.now())
      else if (node.kind !== 'directory')
        throw new DiskError(
          place === path ? 'EXISTS' : 'NOT_A_DIRECTORY',
          path,
          `is a file: ${place}`,
        )
    }
  }

  return {
    open: (path, mode) => call('open', path, () => openFile(path, mode)),
    readFile: (path) =>
      call('read', path, () => {
        const { content } = tree.file(path)
        return content.read(0, content.size)
      }),
    async writeFile(path, data) {
      const copy = data.slice()
      return call('write', path, () => {
        const exists = tree.find(path, true) !== undefined
        const file = exists ? tree.file(path) : tree.createFile(path, clock.now())
        truncate(file, 0)
        write(file, path, 0, copy)
      })
    },
    rename: (from, to) =>
      call('rename', from, () => {
        const replaced = tree.find(to, false)
        const moved = tree.find(from, false)
        tree.rename(from, to, clock.now())
        if (replaced !== undefined && replaced !== moved) release(replaced)
      }),
    unlink: (path) =>
      call('unlink', path, () => {
        const node = tree.find(path, false)
        if (node === undefined) throw new DiskError('NOT_FOUND', path, `no such file: ${path}`)
        if (node.kind === 'directory') throw new DiskError('IO', path, `is a directory: ${path}`)
        tree.unlink(path, clock.now())
        release(node)
      }),
    list: (path) => call('list', path, () => [...tree.directory(path).entries.keys()].sort()),
    makeDirectory: (path) => call('makeDirectory', path, () => makeDirectory(path)),
    removeTree: (path) =>
      call('removeTree', path, () => {
        const node = tree.find(path, false)
        if (node === undefined) return
        tree.unlink(path, clock.now())
        release(node)
      }),
    symlink: (target, path) =>
      call('symlink', path, () => {
        if (tree.find(path, false) !== undefined)
          throw new DiskError('EXISTS', path, `exists already: ${path}`)
        tree.link(path, { kind: 'symlink', target, mtimeMs: clock.now() }, clock.now())
      }),
    readlink: (path) =>
      call('stat', path, () => {
        const node = tree.find(path, false)
        if (node === undefined) throw new DiskError('NOT_FOUND', path, `no such file: ${path}`)
        if (node.kind === 'symlink') return node.target
        throw new DiskError('IO', path, `not a symbolic link: ${path}`)
      }),
    stat: (path) =>
      call('stat', path, () => {
        const node = findOrNothing(tree, path)
        if (node === undefined) return undefined
        const size = node.kind === 'file' ? node.content.size : 0
        return { kind: node.kind, size, mtimeMs: node.mtimeMs }
      }),
    syncDirectory: (path) => call('syncDirectory', path, () => tree.sync(path)),
    space: (path) =>
      call('stat', path, () => ({ total: capacity, free: Math.max(0, capacity - used) })),
    setFaults(next) {
      faults = next
    },
    setCapacity(bytes) {
      capacity = bytes
    },
    crash(random) {
      incarnation += 1
      tree.crash(random)
      used = measure()
    },
    endProcess() {
      incarnation += 1
    },
    flipBit(path, position, bit) {
      tree.file(path).content.flipBit(position, bit)
    },
  }
}

/** As lstat(2), but a parent that is no directory means the same as no parent. */
function findOrNothing(tree: MemoryTree, path: string): Node | undefined {
  try {
    return tree.find(path, false)
  } catch (error) {
    if (error instanceof DiskError && error.code === 'NOT_A_DIRECTORY') return undefined
    throw error
  }
}
