/** The `Storage` and `Store` ports on LevelDB (`classic-level`), with group commit. */
import { ClassicLevel } from 'classic-level'
import { DiskError, type Storage, type Store, type StoreOperation } from '../runtime/ports.ts'
import { makeDurableDirectory } from './checkpoint.ts'
import { type CommitGroup, CommitQueue, reasonOf } from './commit-queue.ts'
import { systemDisk } from './disk.ts'

type Level = ClassicLevel<string, Uint8Array>

/** Opens LevelDB databases; the directory is created if need be. */
export const levelStorage: Storage = {
  async open(path) {
    await makeDurableDirectory(systemDisk, path)
    const level: Level = new ClassicLevel(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    try {
      await level.open()
    } catch (error) {
      throw openError(error, path)
    }
    return new LevelStore(level, path)
  },
}

/** Values must not be touched until their commit has resolved. */
class LevelStore implements Store {
  readonly #level: Level
  readonly #path: string
  readonly #commits: CommitQueue

  constructor(level: Level, path: string) {
    this.#level = level
    this.#path = path
    this.#commits = new CommitQueue(path, (group) => level.batch(batchOf(group), { sync: true }))
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#level.get(key))
  }

  range(from: string, to: string, limit = -1): Promise<Array<readonly [string, Uint8Array]>> {
    return this.#read(() => this.#level.iterator({ gte: from, lt: to, limit }).all())
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    return this.#commits.commit(operations)
  }

  async close(): Promise<void> {
    await this.#commits.close()
    await this.#level.close()
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    this.#commits.requireUsable()
    try {
      return await work()
    } catch (error) {
      const message = `cannot read store ${this.#path}: ${reasonOf(error)}`
      throw new DiskError('IO', this.#path, message, { cause: error })
    }
  }
}

type LevelOperation = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }

function batchOf(group: CommitGroup): LevelOperation[] {
  return group.flatMap((operations) =>
    operations.map((operation) =>
      operation.type === 'put'
        ? { type: 'put', key: operation.key, value: operation.value }
        : { type: 'del', key: operation.key },
    ),
  )
}

function openError(error: unknown, path: string): DiskError {
  const { cause } = error as Error
  if ((cause as { code?: string } | undefined)?.code === 'LEVEL_LOCKED')
    return new DiskError(
      'EXISTS',
      path,
      `store ${path} is already open, by this or another process`,
    )
  const message = `cannot open store ${path}: ${reasonOf(error)}`
  return new DiskError('IO', path, message, { cause: error })
}
