/** The `Storage` and `Store` ports on LevelDB (`classic-level`), with group commit. */
import { ClassicLevel } from 'classic-level'
import { DiskError, type Storage, type Store, type StoreOperation } from '../runtime/ports.ts'
import { type CommitGroup, CommitQueue, reasonOf } from './commit-queue.ts'
import { systemDisk } from './disk.ts'
import { makeDurableDirectory } from './durable-directory.ts'

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
    this.#commits = new CommitQueue(path, (group) => write(level, group))
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

/** A chained batch: half the work of one that is given as an array. */
async function write(level: Level, group: CommitGroup): Promise<void> {
  const batch = level.batch()
  for (const operations of group) {
    for (const operation of operations) {
      if (operation.type === 'put') batch.put(operation.key, operation.value)
      else batch.del(operation.key)
    }
  }
  await batch.write({ sync: true })
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
