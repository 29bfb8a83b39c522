/**
 * The content of one file of the in-memory disk: what programs read, what would survive a crash, and
 * which sectors differ (`spec/simulation.md` §5).
 */
import type { Random } from '../runtime/ports.ts'

/** What a disk writes as a whole; a torn write is torn here. */
export const sectorBytes = 512

export class FileContent {
  /** What programs read. */
  readonly #live = new Bytes()
  /** What a crash cannot take away. */
  readonly #durable = new Bytes()
  /** Sectors to be written by the next sync. */
  readonly #dirty = new Set<number>()
  /** Sectors whose sync failed: marked clean by the kernel, and perhaps never written. */
  readonly #doubtful = new Set<number>()

  get size(): number {
    return this.#live.size
  }

  /** A copy; shorter at the end of the file. */
  read(position: number, length: number): Uint8Array {
    return this.#live.view.slice(position, position + length)
  }

  write(position: number, data: Uint8Array): void {
    if (data.length === 0) return
    const before = this.size
    this.#live.resize(Math.max(before, position + data.length))
    this.#live.view.set(data, position)
    this.#markDirty(Math.min(before, position), position + data.length)
  }

  truncate(size: number): void {
    const before = this.size
    this.#live.resize(size)
    this.#markDirty(Math.min(before, size), Math.max(before, size))
  }

  sync(): void {
    this.#durable.resize(this.size)
    for (const sector of this.#dirty) this.#durable.copySector(this.#live, sector)
    this.#dirty.clear()
  }

  /** The kernel forgets that these pages are dirty: no later sync writes them. */
  failSync(): void {
    for (const sector of this.#dirty) this.#doubtful.add(sector)
    this.#dirty.clear()
  }

  /** The host dies: each unsynced sector, and the size, is the old or the new one. */
  crash(random: Random): void {
    const unsynced = [...new Set([...this.#dirty, ...this.#doubtful])].sort((a, b) => a - b)
    if (unsynced.length > 0 || this.size !== this.#durable.size) {
      const survives = fate(random, unsynced)
      this.#durable.resize(crashedSize(random, this.#durable.size, this.size))
      for (const sector of unsynced)
        if (survives(sector)) this.#durable.copySector(this.#live, sector)
    }
    this.#live.become(this.#durable)
    this.#dirty.clear()
    this.#doubtful.clear()
  }

  /** Silent corruption: the bit is wrong on disk and in memory, and nobody is told. */
  flipBit(position: number, bit: number): void {
    for (const { view } of [this.#live, this.#durable])
      if (position < view.length) view[position]! ^= 1 << bit
  }

  #markDirty(from: number, to: number): void {
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector += 1)
      this.#dirty.add(sector)
  }
}

/** Bytes that grow cheaply. */
class Bytes {
  #buffer = new Uint8Array(0)
  size = 0

  get view(): Uint8Array {
    return this.#buffer.subarray(0, this.size)
  }

  /** New bytes are zero. */
  resize(size: number): void {
    if (size > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#buffer.length))
      grown.set(this.view)
      this.#buffer = grown
    } else if (size > this.size) {
      this.#buffer.fill(0, this.size, size)
    }
    this.size = size
  }

  /** Takes one sector from `source`, as far as both reach. */
  copySector(source: Bytes, sector: number): void {
    const start = sector * sectorBytes
    const end = Math.min(start + sectorBytes, this.size, source.size)
    if (start < end) this.#buffer.set(source.#buffer.subarray(start, end), start)
  }

  become(source: Bytes): void {
    this.#buffer = source.view.slice()
    this.size = source.size
  }
}

/** Old size, new size, or, while growing, any sector boundary between. */
function crashedSize(random: Random, before: number, after: number): number {
  const choice = random.int(3)
  if (choice === 0) return before
  if (choice === 1 || after <= before) return after
  const sectors = Math.ceil((after - before) / sectorBytes)
  return Math.min(after, before + random.int(sectors + 1) * sectorBytes)
}

/**
 * Draws which of the unsynced items survive: all, none, a prefix, or each by itself. Plain coin flips
 * alone would almost never show the first three, which are the common ones in life.
 */
export function fate<T>(random: Random, items: readonly T[]): (item: T) => boolean {
  const choice = random.int(4)
  if (choice === 0) return () => true
  if (choice === 1) return () => false
  const kept =
    choice === 2
      ? new Set(items.slice(0, random.int(items.length + 1)))
      : new Set(items.filter(() => random.int(2) === 1))
  return (item) => kept.has(item)
}
