/**
 * Group commit, shared by every `Store`: commits issued while a write is under way are joined into
 * the next one, which costs one fsync however many they are.
 *
 * It stops at the first failed write: what is on disk is unknown then, and a later fsync may succeed
 * without having written the lost pages, so everything is refused until the process starts anew.
 */
import { DiskError, type StoreOperation } from '../runtime/ports.ts'

/** Operations that may wait for the write under way; a commit beyond them is refused (NO_SPACE). */
export const queuedOperationsMax = 200_000

/** Bytes of values that may wait; a commit beyond them is refused (NO_SPACE). */
export const queuedBytesMax = 256 * 1024 * 1024

/** The commits of one write, in the order issued. */
export type CommitGroup = ReadonlyArray<readonly StoreOperation[]>

interface Commit {
  readonly operations: readonly StoreOperation[]
  readonly resolve: () => void
  readonly reject: (error: DiskError) => void
}

export class CommitQueue {
  readonly #path: string
  /** Makes a group durable, all of it or nothing. */
  readonly #write: (group: CommitGroup) => Promise<void>
  #queue: Commit[] = []
  #queuedOperations = 0
  #queuedBytes = 0
  #writing: Promise<void> | undefined
  #refusal: DiskError | undefined

  constructor(path: string, write: (group: CommitGroup) => Promise<void>) {
    this.#path = path
    this.#write = write
  }

  /** Resolves when the group that holds these operations is durable. */
  commit(operations: readonly StoreOperation[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const bytes = valueBytes(operations)
      const refusal = this.#refusal ?? this.#overflow(operations.length, bytes)
      if (refusal !== undefined) return reject(refusal)
      this.#queue.push({ operations, resolve, reject })
      this.#queuedOperations += operations.length
      this.#queuedBytes += bytes
      this.#writing ??= this.#writeAll()
    })
  }

  /** @throws DiskError once a write failed or the store was closed */
  requireUsable(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /** Refuses new commits and resolves when those issued before have been written or refused. */
  async close(): Promise<void> {
    this.#refusal ??= new DiskError('IO', this.#path, `store ${this.#path} is closed`)
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    // Commits of the same turn join the first group.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const group = this.#queue
      this.#queue = []
      this.#queuedOperations = 0
      this.#queuedBytes = 0
      try {
        await this.#write(group.map((commit) => commit.operations))
        for (const commit of group) commit.resolve()
      } catch (error) {
        this.#stop(error, group)
      }
    }
    this.#writing = undefined
  }

  #stop(error: unknown, group: readonly Commit[]): void {
    const message = `store ${this.#path} stopped: a commit failed: ${reasonOf(error)}`
    this.#refusal = new DiskError('IO', this.#path, message, { cause: error })
    for (const commit of [...group, ...this.#queue]) commit.reject(this.#refusal)
    this.#queue = []
  }

  #overflow(operations: number, bytes: number): DiskError | undefined {
    const tooMany = this.#queuedOperations + operations > queuedOperationsMax
    if (!tooMany && this.#queuedBytes + bytes <= queuedBytesMax) return undefined
    const waiting = `${this.#queuedOperations} operations, ${this.#queuedBytes} bytes`
    return new DiskError('NO_SPACE', this.#path, `the commit queue is full (${waiting} waiting)`)
  }
}

/** The innermost message: libraries put the operating system's words into the cause. */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message : message
}

function valueBytes(operations: readonly StoreOperation[]): number {
  let bytes = 0
  for (const operation of operations) if (operation.type === 'put') bytes += operation.value.length
  return bytes
}
