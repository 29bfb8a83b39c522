/**
 * The `Storage` and `Store` ports in memory, for tests and simulations.
 *
 * What is durable lives in a `StoreImage` that outlives the node, so that a restarted node finds it.
 * A crash keeps a prefix of the commits under way, each of them whole: LevelDB's log is sequential.
 */
import {
  type Clock,
  DiskError,
  type Random,
  type Storage,
  type Store,
  type StoreOperation,
} from '../runtime/ports.ts'
import { type CommitGroup, CommitQueue } from './commit-queue.ts'
import { compareKeys } from './key-order.ts'

/** Former values are kept of so many keys: those that were changed last. */
const formerMax = 64

/** The durable contents of one store: keys in order, and their values. */
class StoreImage {
  readonly #values = new Map<string, Uint8Array>()
  readonly #keys: string[] = []
  /** What stood under a key before what stands there now; undefined: nothing. */
  readonly #former = new Map<string, Uint8Array | undefined>()
  /** The next read that comes by this key finds its former value. */
  #stale: string | undefined
  held = false
  /** Counts what was applied to it, and the reads that found what stood there before. */
  changes = 0
  staleReads = 0

  get(key: string): Uint8Array | undefined {
    return this.#read(key)?.slice()
  }

  range(from: string, to: string, limit: number): Array<readonly [string, Uint8Array]> {
    const found: Array<readonly [string, Uint8Array]> = []
    for (const key of this.#keysFrom(from)) {
      if (compareKeys(key, to) >= 0 || found.length >= limit) break
      const value = this.#read(key)
      if (value !== undefined) found.push([key, value.slice()])
    }
    return found
  }

  /** One of the keys that were changed last is to be read as it was before, once. */
  readStale(random: Random): boolean {
    const former = [...this.#former].filter(
      ([key, value]) => !isEqual(value, this.#values.get(key)),
    )
    const keys = former.map(([key]) => key)
    this.#stale = keys[random.int(Math.max(1, keys.length))]
    return this.#stale !== undefined
  }

  /** The same contents, in a store that nobody has open. */
  copy(): StoreImage {
    const copy = new StoreImage()
    for (const key of this.#keys) {
      copy.#keys.push(key)
      copy.#values.set(key, this.#values.get(key)!)
    }
    copy.changes = this.changes
    return copy
  }

  entries(): ReadonlyMap<string, Uint8Array> {
    return this.#values
  }

  apply(operations: readonly StoreOperation[]): void {
    this.changes++
    for (const operation of operations) {
      this.#keepFormer(operation.key)
      const known = this.#values.has(operation.key)
      if (operation.type === 'put') {
        if (!known) this.#keys.splice(this.#position(operation.key), 0, operation.key)
        this.#values.set(operation.key, operation.value)
      } else if (known) {
        this.#keys.splice(this.#position(operation.key), 1)
        this.#values.delete(operation.key)
      }
    }
  }

  flipBit(random: Random): boolean {
    if (this.#keys.length === 0) return false
    const key = this.#keys[random.int(this.#keys.length)]!
    const value = this.#values.get(key)!.slice()
    if (value.length === 0) return false
    value[random.int(value.length)]! ^= 1 << random.int(8)
    this.#values.set(key, value)
    // What stood there before may be what is to stand there: a stale read would undo the damage.
    this.#forgetFormer(key)
    this.changes++
    return true
  }

  #read(key: string): Uint8Array | undefined {
    const value = this.#values.get(key)
    if (key !== this.#stale) return value
    this.#stale = undefined
    const former = this.#former.get(key)
    // It may have been written again since.
    if (!isEqual(former, value)) this.staleReads++
    return former
  }

  #keepFormer(key: string): void {
    this.#former.delete(key)
    this.#former.set(key, this.#values.get(key))
    if (this.#former.size <= formerMax) return
    for (const oldest of this.#former.keys()) {
      this.#forgetFormer(oldest)
      break
    }
  }

  #forgetFormer(key: string): void {
    if (key === this.#stale) this.#stale = undefined
    this.#former.delete(key)
  }

  /** In order; among them one that is gone, where it is to be read as before. */
  *#keysFrom(from: string): Iterable<string> {
    const stale = this.#stale
    const isGone = stale !== undefined && !this.#values.has(stale) && compareKeys(stale, from) >= 0
    let next = isGone ? stale : undefined
    for (let i = this.#position(from); i < this.#keys.length; i += 1) {
      const key = this.#keys[i]!
      if (next !== undefined && compareKeys(next, key) < 0) {
        yield next
        next = undefined
      }
      yield key
    }
    if (next !== undefined) yield next
  }

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareKeys(this.#keys[middle]!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

export interface MemoryStorageOptions {
  readonly clock: Clock
  /** How long one write with its fsync takes, asked for each. Default: 0. */
  readonly commitMs?: () => number
}

export interface MemoryStorage extends Storage {
  /**
   * The node dies. A prefix of the commits of the write under way survives, how many `random` says
   * (absent: none); queued ones are lost. Calls that were waiting never settle, as for a dead process;
   * what it held open may be opened again.
   */
  crash(random?: Random): void
  /** Makes the next write of the store at `path` fail; the store then refuses everything. */
  failNextCommit(path: string): void
  /** Makes the next read of the store at `path` fail, IO; those after it do not. */
  failNextRead(path: string): void
  /** While it is full, each write fails for want of space; the store then refuses everything. */
  setFull(isFull: boolean): void
  /** Silent corruption: flips one bit of what is durable at `path`. False if there is nothing. */
  flipBit(path: string, random: Random): boolean
  /**
   * One of the keys of the store at `path` that were changed last, which `random` picks, is found by the next
   * read of it as it was before its last change. False if there is none.
   */
  readStale(path: string, random: Random): boolean
  /** How many reads have found such a value. */
  readonly staleReads: number
  /** The disk is replaced by an empty one. Nothing may be open. */
  wipe(): void
  /** Copies what is durable now. */
  backup(): Backup
  /** What is durable in the store at `path`, whoever has it open; not to be changed. */
  contents(path: string): ReadonlyMap<string, Uint8Array>
  /** How often that has changed since the disk was empty: as long as it is equal, so are the contents. */
  changes(path: string): number
}

/** A copy of a disk's stores. */
export interface Backup {
  /** As `MemoryStorage.changes`, when it was made. */
  changes(path: string): number
  contents(path: string): ReadonlyMap<string, Uint8Array>
  /** Sets the disk back to it. Nothing may be open. */
  restore(): void
}

/** Stores by path, in memory; they live as long as this object, across `crash`. */
export function memoryStorage(options: MemoryStorageOptions): MemoryStorage {
  const images = new Map<string, StoreImage>()
  const failing = new Set<string>()
  const unreadable = new Set<string>()
  let full = false
  const opened = new Set<MemoryStore>()

  function imageAt(path: string): StoreImage {
    const image = images.get(path) ?? new StoreImage()
    images.set(path, image)
    return image
  }

  function requireClosed(): void {
    if ([...images.values()].some(({ held }) => held))
      throw new Error('a store that is open cannot be replaced')
  }

  return {
    async open(path) {
      const image = imageAt(path)
      if (image.held)
        throw new DiskError('EXISTS', path, `store ${path} is in use by another process`)
      image.held = true
      const requireLuck: Luck = {
        toWrite() {
          if (failing.delete(path)) throw new Error('injected fault')
          if (full) throw new DiskError('NO_SPACE', path, `no space left: ${path}`)
        },
        toRead() {
          if (unreadable.delete(path))
            throw new DiskError('IO', path, `cannot read store ${path}: injected fault`)
        },
      }
      const store = new MemoryStore(path, image, options, requireLuck)
      opened.add(store)
      return store
    },
    crash(random) {
      for (const store of opened) store.crash(random)
      opened.clear()
    },
    failNextCommit(path) {
      failing.add(path)
    },
    failNextRead(path) {
      unreadable.add(path)
    },
    setFull(isFull) {
      full = isFull
    },
    flipBit: (path, random) => imageAt(path).flipBit(random),
    readStale: (path, random) => imageAt(path).readStale(random),
    get staleReads() {
      return [...images.values()].reduce((sum, image) => sum + image.staleReads, 0)
    },
    wipe() {
      requireClosed()
      images.clear()
    },
    backup() {
      const copies = new Map([...images].map(([path, image]) => [path, image.copy()]))
      return {
        changes: (path) => copies.get(path)?.changes ?? 0,
        contents: (path) => copies.get(path)?.entries() ?? new Map(),
        restore() {
          requireClosed()
          for (const [path, image] of images) {
            const copy = copies.get(path)?.copy() ?? new StoreImage()
            copy.changes = image.changes + 1
            copy.staleReads = image.staleReads
            images.set(path, copy)
          }
        },
      }
    },
    contents: (path) => imageAt(path).entries(),
    changes: (path) => imageAt(path).changes,
  }
}

const never = (): Promise<never> => new Promise(() => undefined)

/** Throws if a call is to fail. */
interface Luck {
  toRead(): void
  toWrite(): void
}

class MemoryStore implements Store {
  readonly #image: StoreImage
  readonly #options: MemoryStorageOptions
  readonly #requireLuck: Luck
  readonly #commits: CommitQueue
  #underWay: CommitGroup = []
  #crashed = false

  constructor(path: string, image: StoreImage, options: MemoryStorageOptions, requireLuck: Luck) {
    this.#image = image
    this.#options = options
    this.#requireLuck = requireLuck
    this.#commits = new CommitQueue(path, (group) => this.#write(group))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    if (this.#crashed) return never()
    this.#commits.requireUsable()
    this.#requireLuck.toRead()
    return this.#image.get(key)
  }

  async range(
    from: string,
    to: string,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Array<readonly [string, Uint8Array]>> {
    if (this.#crashed) return never()
    this.#commits.requireUsable()
    this.#requireLuck.toRead()
    return this.#image.range(from, to, limit)
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    return this.#crashed ? never() : this.#commits.commit(operations.map(copyOf))
  }

  async close(): Promise<void> {
    if (this.#crashed) return never()
    await this.#commits.close()
    this.#image.held = false
  }

  crash(random: Random | undefined): void {
    const surviving = random === undefined ? 0 : random.int(this.#underWay.length + 1)
    for (const operations of this.#underWay.slice(0, surviving)) this.#image.apply(operations)
    this.#crashed = true
    this.#image.held = false
  }

  async #write(group: CommitGroup): Promise<void> {
    this.#underWay = group
    await new Promise<void>((resolve) => this.#afterDelay(resolve))
    if (this.#crashed) return never()
    this.#underWay = []
    this.#requireLuck.toWrite()
    for (const operations of group) this.#image.apply(operations)
  }

  #afterDelay(run: () => void): void {
    const { clock, commitMs } = this.#options
    const ms = commitMs?.() ?? 0
    if (ms > 0) clock.setTimeout(run, ms)
    else clock.defer(run)
  }
}

function copyOf(operation: StoreOperation): StoreOperation {
  return operation.type === 'put' ? { ...operation, value: operation.value.slice() } : operation
}

function isEqual(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return Buffer.compare(one, other) === 0
}
