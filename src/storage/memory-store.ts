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

/** The durable contents of one store: keys in order, and their values. */
class StoreImage {
  readonly #values = new Map<string, Uint8Array>()
  readonly #keys: string[] = []
  held = false
  /** Counts what was applied to it. */
  changes = 0

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)?.slice()
  }

  range(from: string, to: string, limit: number): Array<readonly [string, Uint8Array]> {
    const found: Array<readonly [string, Uint8Array]> = []
    for (let i = this.#position(from); i < this.#keys.length && found.length < limit; i += 1) {
      const key = this.#keys[i]!
      if (compareKeys(key, to) >= 0) break
      found.push([key, this.#values.get(key)!.slice()])
    }
    return found
  }

  entries(): ReadonlyMap<string, Uint8Array> {
    return this.#values
  }

  apply(operations: readonly StoreOperation[]): void {
    this.changes++
    for (const operation of operations) {
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
    const value = this.get(key)!
    if (value.length === 0) return false
    value[random.int(value.length)]! ^= 1 << random.int(8)
    this.#values.set(key, value)
    this.changes++
    return true
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
  /** While it is full, each write fails for want of space; the store then refuses everything. */
  setFull(isFull: boolean): void
  /** Silent corruption: flips one bit of what is durable at `path`. False if there is nothing. */
  flipBit(path: string, random: Random): boolean
  /** The disk is replaced by an empty one. Nothing may be open. */
  wipe(): void
  /** What is durable in the store at `path`, whoever has it open; not to be changed. */
  contents(path: string): ReadonlyMap<string, Uint8Array>
  /** How often that has changed since the disk was empty: as long as it is equal, so are the contents. */
  changes(path: string): number
}

/** Stores by path, in memory; they live as long as this object, across `crash`. */
export function memoryStorage(options: MemoryStorageOptions): MemoryStorage {
  const images = new Map<string, StoreImage>()
  const failing = new Set<string>()
  let full = false
  const opened = new Set<MemoryStore>()

  function imageAt(path: string): StoreImage {
    const image = images.get(path) ?? new StoreImage()
    images.set(path, image)
    return image
  }

  return {
    async open(path) {
      const image = imageAt(path)
      if (image.held)
        throw new DiskError('EXISTS', path, `store ${path} is in use by another process`)
      image.held = true
      const store = new MemoryStore(path, image, options, () => {
        if (failing.delete(path)) throw new Error('injected fault')
        if (full) throw new DiskError('NO_SPACE', path, `no space left: ${path}`)
      })
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
    setFull(isFull) {
      full = isFull
    },
    flipBit: (path, random) => imageAt(path).flipBit(random),
    wipe() {
      if ([...images.values()].some(({ held }) => held))
        throw new Error('a store that is open cannot be wiped')
      images.clear()
    },
    contents: (path) => imageAt(path).entries(),
    changes: (path) => imageAt(path).changes,
  }
}

const never = (): Promise<never> => new Promise(() => undefined)

class MemoryStore implements Store {
  readonly #image: StoreImage
  readonly #options: MemoryStorageOptions
  /** Throws if a write is to fail. */
  readonly #requireLuck: () => void
  readonly #commits: CommitQueue
  #underWay: CommitGroup = []
  #crashed = false

  constructor(
    path: string,
    image: StoreImage,
    options: MemoryStorageOptions,
    requireLuck: () => void,
  ) {
    this.#image = image
    this.#options = options
    this.#requireLuck = requireLuck
    this.#commits = new CommitQueue(path, (group) => this.#write(group))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    if (this.#crashed) return never()
    this.#commits.requireUsable()
    return this.#image.get(key)
  }

  async range(
    from: string,
    to: string,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Array<readonly [string, Uint8Array]>> {
    if (this.#crashed) return never()
    this.#commits.requireUsable()
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
    this.#requireLuck()
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
