/**
 * The `Disk` port in memory, for tests and simulations: a tree of inodes with volatile pages, crashes
 * and injected faults (`spec/simulation.md` §5). Its rules are those of `disk.ts`.
 */
import {
  type Clock,
  type Disk,
  DiskError,
  type FileHandle,
  type FileStat,
  type Random,
} from '../runtime/ports.ts'
import type { FileMode } from './disk.ts'
import { DiskCalls, type DiskFaults } from './memory-calls.ts'
import { MemoryHandle } from './memory-handle.ts'
import { type FileNode, MemoryTree, type Node, newDirectory } from './memory-tree.ts'
import { Volume } from './memory-volume.ts'

export type { DiskFaults, DiskOperation } from './memory-calls.ts'

export interface MemoryDiskOptions {
  readonly clock: Clock
  /** Bytes of content that fit. Default: 1 TiB. */
  readonly capacity?: number
}

/** An empty disk; it lives as long as this object, across `crash`. */
export function memoryDisk(options: MemoryDiskOptions): MemoryDisk {
  return new MemoryDisk(options.clock, options.capacity ?? 2 ** 40)
}

export class MemoryDisk implements Disk {
  readonly #clock: Clock
  readonly #calls: DiskCalls
  readonly #volume: Volume
  #tree = new MemoryTree()

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock
    this.#calls = new DiskCalls(clock)
    this.#volume = new Volume(clock, capacity)
  }

  /** Replaces the faults in force. */
  setFaults(faults: DiskFaults): void {
    this.#calls.setFaults(faults)
  }

  /** Bytes of content that fit from now on; a write that does not fit is cut short at the byte. */
  setCapacity(bytes: number): void {
    this.#volume.capacity = bytes
  }

  /**
   * The host dies. What was synced stays as it was; every other page, size and directory entry
   * survives or is lost as `random` says. Open handles and calls under way never answer again.
   */
  crash(random: Random): void {
    this.#calls.endProcess()
    this.#tree.crash(random)
    this.#volume.measure(this.#tree.directory('/'))
  }

  /** The host dies, and comes back with an empty disk. */
  wipe(): void {
    this.#calls.endProcess()
    this.#tree = new MemoryTree()
    this.#volume.measure(this.#tree.directory('/'))
  }

  /** The node's process dies: calls under way go no further and never answer; all data stays. */
  endProcess(): void {
    this.#calls.endProcess()
  }

  /** Silent corruption of one bit. */
  flipBit(path: string, position: number, bit: number): void {
    this.#tree.file(path).content.flipBit(position, bit)
  }

  open(path: string, mode: FileMode): Promise<FileHandle> {
    return this.#calls.run('open', path, () => {
      const file = mode === 'read' ? this.#tree.file(path) : this.#fileToWrite(path)
      return new MemoryHandle(this.#calls, this.#volume, file, path, mode)
    })
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#calls.run('read', path, () => {
      const { content } = this.#tree.file(path)
      return content.read(0, content.size)
    })
  }

  writeFile(path: string, data: Uint8Array): Promise<void> {
    const copy = data.slice()
    return this.#calls.run('write', path, () => {
      const file = this.#fileToWrite(path)
      this.#volume.truncate(file, 0)
      this.#volume.write(file, path, 0, copy)
    })
  }

  /**
   * What another process of the host writes: at once, and whoever dies meanwhile. `create`: only if there
   * is nothing of that name.
   * @throws DiskError
   */
  writeElsewhere(path: string, data: Uint8Array, mode: 'create' | 'append' | 'replace'): void {
    this.#calls.requireLuck('write', path)
    if (mode === 'create' && this.#tree.find(path, false) !== undefined)
      throw new DiskError('EXISTS', path, `exists already: ${path}`)
    const file = this.#fileToWrite(path)
    if (mode === 'replace') this.#volume.truncate(file, 0)
    this.#volume.write(file, path, file.content.size, data.slice())
  }

  rename(from: string, to: string): Promise<void> {
    return this.#calls.run('rename', from, () => {
      const replaced = this.#tree.rename(from, to, this.#clock.now())
      if (replaced !== undefined) this.#volume.release(replaced)
    })
  }

  unlink(path: string): Promise<void> {
    return this.#calls.run('unlink', path, () => {
      const node = this.#existing(path)
      if (node.kind === 'directory') throw new DiskError('IO', path, `is a directory: ${path}`)
      this.#remove(path, node)
    })
  }

  list(path: string): Promise<string[]> {
    return this.#calls.run('list', path, () =>
      [...this.#tree.directory(path).entries.keys()].sort(),
    )
  }

  makeDirectory(path: string): Promise<void> {
    return this.#calls.run('makeDirectory', path, () => {
      let place = ''
      for (const name of path.split('/').filter((part) => part !== '')) {
        place = `${place}/${name}`
        const node = this.#tree.find(place, true)
        if (node?.kind === 'directory') continue
        if (node !== undefined) throw notADirectory(path, place)
        this.#tree.link(place, newDirectory(this.#clock.now()), this.#clock.now())
      }
    })
  }

  removeTree(path: string): Promise<void> {
    return this.#calls.run('removeTree', path, () => {
      const node = this.#tree.find(path, false)
      if (node !== undefined) this.#remove(path, node)
    })
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#calls.run('symlink', path, () => {
      if (this.#tree.find(path, false) !== undefined)
        throw new DiskError('EXISTS', path, `exists already: ${path}`)
      const mtimeMs = this.#clock.now()
      this.#tree.link(path, { kind: 'symlink', target, mtimeMs }, mtimeMs)
    })
  }

  readlink(path: string): Promise<string> {
    return this.#calls.run('stat', path, () => {
      const node = this.#existing(path)
      if (node.kind === 'symlink') return node.target
      throw new DiskError('IO', path, `not a symbolic link: ${path}`)
    })
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#calls.run('stat', path, () => {
      const node = this.#findOrNothing(path)
      if (node === undefined) return undefined
      const size = node.kind === 'file' ? node.content.size : 0
      return { kind: node.kind, size, mtimeMs: node.mtimeMs }
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#calls.run('syncDirectory', path, () => this.#tree.sync(path))
  }

  space(path: string): Promise<{ readonly total: number; readonly free: number }> {
    return this.#calls.run('stat', path, () => {
      return { total: this.#volume.capacity, free: this.#volume.free }
    })
  }

  #fileToWrite(path: string): FileNode {
    const exists = this.#tree.find(path, true) !== undefined
    return exists ? this.#tree.file(path) : this.#tree.createFile(path, this.#clock.now())
  }

  #existing(path: string): Node {
    const node = this.#tree.find(path, false)
    if (node === undefined) throw new DiskError('NOT_FOUND', path, `no such file: ${path}`)
    return node
  }

  /** As lstat(2), but a parent that is no directory means the same as no parent. */
  #findOrNothing(path: string): Node | undefined {
    try {
      return this.#tree.find(path, false)
    } catch (error) {
      if (error instanceof DiskError && error.code === 'NOT_A_DIRECTORY') return undefined
      throw error
    }
  }

  #remove(path: string, node: Node): void {
    this.#tree.unlink(path, this.#clock.now())
    this.#volume.release(node)
  }
}

function notADirectory(path: string, place: string): DiskError {
  const code = place === path ? 'EXISTS' : 'NOT_A_DIRECTORY'
  return new DiskError(code, path, `not a directory: ${place}`)
}
