/** The space of the in-memory disk: what fits, and what is cut short. */
import { type Clock, DiskError } from '../runtime/ports.ts'
import type { FileNode, Node } from './memory-tree.ts'

/** Counts content only, as bytes; entries are free. */
export class Volume {
  readonly #clock: Clock
  capacity: number
  #used = 0

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock
    this.capacity = capacity
  }

  get free(): number {
    return Math.max(0, this.capacity - this.#used)
  }

  /**
   * Writes as much as fits.
   * @throws DiskError NO_SPACE after having written a part
   */
  write(file: FileNode, path: string, position: number, data: Uint8Array): void {
    const before = file.content.size
    const growth = Math.max(0, position + data.length - before)
    const excess = Math.max(0, growth - this.free)
    file.content.write(position, data.subarray(0, Math.max(0, data.length - excess)))
    this.#used += file.content.size - before
    file.mtimeMs = this.#clock.now()
    if (excess > 0) throw new DiskError('NO_SPACE', path, `no space left: ${path}`)
  }

  truncate(file: FileNode, size: number): void {
    this.#used += size - file.content.size
    file.content.truncate(size)
    file.mtimeMs = this.#clock.now()
  }

  /** A node and all below it were removed. */
  release(node: Node): void {
    this.#used -= bytesBelow(node)
  }

  /** Counts anew, after a crash. */
  measure(root: Node): void {
    this.#used = bytesBelow(root)
  }
}

function bytesBelow(node: Node): number {
  if (node.kind === 'file') return node.content.size
  if (node.kind === 'symlink') return 0
  let bytes = 0
  for (const child of node.entries.values()) bytes += bytesBelow(child)
  return bytes
}
