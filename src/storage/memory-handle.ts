/** An open file of the in-memory disk. */
import { DiskError, type FileHandle } from '../runtime/ports.ts'
import { type FileChange, type FileMode, requireMode } from './disk.ts'
import type { DiskCalls, DiskOperation } from './memory-calls.ts'
import type { FileNode } from './memory-tree.ts'
import type { Volume } from './memory-volume.ts'

export class MemoryHandle implements FileHandle {
  readonly #calls: DiskCalls
  readonly #volume: Volume
  readonly #file: FileNode
  readonly #path: string
  readonly #mode: FileMode
  /** The process that opened it: with it the handle dies. */
  readonly #incarnation: number
  #open = true
  /** The last change begun: changes keep their order, also when their latencies differ. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(calls: DiskCalls, volume: Volume, file: FileNode, path: string, mode: FileMode) {
    this.#calls = calls
    this.#volume = volume
    this.#file = file
    this.#path = path
    this.#mode = mode
    this.#incarnation = calls.incarnation
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#call('read', () => this.#file.content.read(position, length))
  }

  write(position: number, data: Uint8Array): Promise<void> {
    const copy = data.slice()
    return this.#change('write', () => this.#volume.write(this.#file, this.#path, position, copy))
  }

  append(data: Uint8Array): Promise<void> {
    const copy = data.slice()
    return this.#change('append', () =>
      this.#volume.write(this.#file, this.#path, this.#file.content.size, copy),
    )
  }

  truncate(size: number): Promise<void> {
    return this.#change('truncate', () => this.#volume.truncate(this.#file, size))
  }

  size(): Promise<number> {
    return this.#call('stat', () => this.#file.content.size)
  }

  sync(): Promise<void> {
    const { content } = this.#file
    return this.#inOrder(() =>
      this.#call(
        'sync',
        () => content.sync(),
        () => content.failSync(),
      ),
    )
  }

  close(): Promise<void> {
    return this.#inOrder(async () => {
      this.#open = false
    })
  }

  async #change(operation: FileChange, effect: () => void): Promise<void> {
    requireMode(this.#path, this.#mode, operation)
    const call = operation === 'truncate' ? 'truncate' : 'write'
    await this.#inOrder(() => this.#call(call, effect))
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(work)
    this.#tail = result.catch(() => undefined)
    return result
  }

  #call<T>(operation: DiskOperation, effect: () => T, onFault?: () => void): Promise<T> {
    const checked = (): T => {
      if (this.#open) return effect()
      throw new DiskError('IO', this.#path, `file is closed: ${this.#path}`)
    }
    return this.#calls.run(operation, this.#path, checked, onFault, this.#incarnation)
  }
}
