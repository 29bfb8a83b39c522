/**
 * A store that shows if what is read is not what was written last.
 *
 * Each value begins with the CRC-32 of its key and content, its seal: one that was changed, cut short or put in
 * another's place is noticed. (LevelDB's own checksums are not looked at when it reads.) With each commit goes a
 * record of how many values there are and of the sum of their seals: a value of before, or one that is gone, is
 * noticed when all has been read. From then on the seals are known, four bytes or more each, and a read shows
 * by itself. `spec/simulation.md` §5: never wrong data.
 */
import { crc32 } from 'node:zlib'
import { DiskError, type Store, type StoreOperation } from '../runtime/ports.ts'

/** Keys of values come before it in order. */
const lastKey = '\u{10ffff}'
/** Where the record of all seals stands: in no range of values. */
export const sumKey = `${lastKey}seals`

const checksumBytes = 4
/** Values read at once while a store is opened. */
const scanChunk = 512
/** How often is read again what may have been changed meanwhile. */
const readsMax = 10

/** The value to store for `content` under `key`. */
export function seal(key: string, content: Uint8Array): Uint8Array {
  const value = new Uint8Array(checksumBytes + content.length)
  value.set(content, checksumBytes)
  viewOf(value).setInt32(0, checksum(key, content))
  return value
}

/** What was sealed, or undefined if this is not it. */
export function unseal(key: string, value: Uint8Array): Uint8Array | undefined {
  if (value.length < checksumBytes) return undefined
  const content = value.subarray(checksumBytes)
  return sealOf(value) === checksum(key, content) ? content : undefined
}

/** By key, the seal of the value that is to stand there; never 0. */
export interface Seals {
  get(key: string): number | undefined
  set(key: string, seal: number): unknown
  delete(key: string): unknown
}

/**
 * A sealed store of which all was read.
 * @throws DiskError CORRUPT if something in it is not what was written last; `store` is closed then
 */
export async function openSealed(store: Store, path: string): Promise<SealedStore> {
  const sealed = new SealedStore(store, path)
  try {
    let from: string | undefined = ''
    while (from !== undefined) {
      const chunk = await sealed.range(from, lastKey, scanChunk)
      const [last] = chunk.at(scanChunk - 1) ?? []
      // The least key after the last one.
      from = last && `${last}\0`
    }
    await sealed.verify()
  } catch (error) {
    await store.close()
    throw error
  }
  return sealed
}

/**
 * Reads throw a DiskError, CORRUPT, if they find something else than what was read or written before. After a
 * commit that was refused everything is: what stands there is unknown.
 */
export class SealedStore implements Store {
  readonly #store: Store
  readonly #path: string
  readonly #seals: Seals
  /** Of the seals that are known: how many, and all of them joined by exclusive or. */
  #count = 0
  #sum = 0
  #underWay = 0
  #issued = 0
  #written: Promise<unknown> = Promise.resolve()
  #refusal: DiskError | undefined
  /** Every value is known. */
  #isVerified = false

  /** @param seals empty; whoever has many keys of one form may keep them more closely than a map does */
  constructor(store: Store, path: string, seals: Seals = new Map()) {
    this.#store = store
    this.#path = path
    this.#seals = seals
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(async () => {
      const value = await this.#store.get(key)
      if (value !== undefined) return this.#open(key, value)
      if (this.#seals.get(key) !== undefined) throw this.#corrupt(`${key} is missing`)
      return undefined
    })
  }

  range(from: string, to: string, limit?: number): Promise<Array<readonly [string, Uint8Array]>> {
    return this.#read(async () => {
      const found = await this.#store.range(from, to, limit)
      return found.map(([key, value]) => [key, this.#open(key, value)] as const)
    })
  }

  /** The keys of a range, whatever stands there. */
  async keys(from: string, to: string, limit: number): Promise<string[]> {
    const found = await this.#store.range(from, to, limit)
    return found.map(([key]) => key)
  }

  /**
   * To be called when every value has been read.
   * @throws DiskError CORRUPT if they are not those that were written last
   */
  verify(): Promise<void> {
    return this.#read(async () => {
      const value = await this.#store.get(sumKey)
      // Where nothing was ever written there is none.
      if (value !== undefined || this.#count > 0) {
        const content = value && unseal(sumKey, value)
        if (content === undefined || Buffer.compare(content, this.#summary()) !== 0)
          throw this.#corrupt('its values are not those that were written last')
      }
      this.#isVerified = true
    })
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal
    const sealed = operations.map((operation) => this.#take(operation))
    sealed.push({ type: 'put', key: sumKey, value: seal(sumKey, this.#summary()) })
    this.#issued++
    this.#underWay++
    const written = this.#store.commit(sealed)
    this.#written = written.catch(() => undefined)
    try {
      await written
    } catch (error) {
      this.#refusal ??= error as DiskError
      throw error
    } finally {
      this.#underWay--
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** What is being written meanwhile may be found in its old version or in its new one: it is read again. */
  async #read<T>(read: () => Promise<T>): Promise<T> {
    if (this.#refusal !== undefined) throw this.#refusal
    for (let reads = 1; ; reads += 1) {
      const issued = this.#issued
      const isQuiet = this.#underWay === 0
      try {
        return await read()
      } catch (error) {
        const isLast = (isQuiet && issued === this.#issued) || reads === readsMax
        if (!isCorrupt(error) || isLast) throw error
        await this.#written
      }
    }
  }

  #open(key: string, value: Uint8Array): Uint8Array {
    const content = unseal(key, value)
    if (content === undefined) throw this.#corrupt(`${key} does not match its checksum`)
    const known = this.#seals.get(key)
    if (known === sealOf(value)) return content
    if (known !== undefined || this.#isVerified)
      throw this.#corrupt(`${key} is not what was written last`)
    this.#put(key, sealOf(value))
    return content
  }

  #take(operation: StoreOperation): StoreOperation {
    this.#drop(operation.key)
    if (operation.type === 'delete') return operation
    const value = seal(operation.key, operation.value)
    this.#put(operation.key, sealOf(value))
    return { ...operation, value }
  }

  #put(key: string, seal: number): void {
    this.#seals.set(key, seal)
    this.#count++
    this.#sum ^= seal
  }

  #drop(key: string): void {
    const seal = this.#seals.get(key)
    if (seal === undefined) return
    this.#seals.delete(key)
    this.#count--
    this.#sum ^= seal
  }

  #summary(): Uint8Array {
    const summary = new Uint8Array(8)
    const view = viewOf(summary)
    view.setUint32(0, this.#count)
    view.setInt32(4, this.#sum)
    return summary
  }

  #corrupt(what: string): DiskError {
    return new DiskError('CORRUPT', this.#path, `store ${this.#path} is corrupt: ${what}`)
  }
}

export function isCorrupt(error: unknown): error is DiskError {
  return error instanceof DiskError && error.code === 'CORRUPT'
}

/** Never 0, so that tables may have that stand for none. */
function checksum(key: string, content: Uint8Array): number {
  return crc32(content, crc32(key)) | 0 || 1
}

function sealOf(value: Uint8Array): number {
  return viewOf(value).getInt32(0)
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
