/** A replicated log, for programs. Guide: docs/log.md. */
import { Append, CatchUp, Elect, Positions, Read, Resign, Truncate } from '../../protocol/log.ts'
import { pid } from '../runtime/index.ts'
import { connectAsker } from './asking.ts'
import { type ClusterOptions, clusterOf } from './connect.ts'

export interface LogConnectOptions extends ClusterOptions {
  /** Node whose replica is read, and through which is written. */
  readonly node: string
  /** Id of the log. Default `log`. */
  readonly id?: string
  /** Until an answer is given up, ms. Default 60,000: the log may have to be completed first. */
  readonly timeoutMs?: number
}

export interface LogEntry {
  readonly position: number
  readonly data: Uint8Array
}

/** Alone in the cluster: whoever is elected later takes its place, and its next change is refused. */
export interface LogWriter {
  /** Grows with each election. */
  readonly epoch: number
  /** Last position of the log at the election. */
  readonly position: number
  /**
   * Appends an entry, and tells its position when a quorum has it on disk. Need not be awaited before the
   * next one; entries keep their order. After a CallError LOG_NOT_WRITER it may or may not be in the log.
   */
  append(data: Uint8Array): Promise<number>
  /** Forgets all positions before `to`. */
  truncate(to: number): Promise<void>
  /** Lets another write. */
  resign(): Promise<void>
}

export interface LogClient {
  /** The first position there is and the last one that was learned; `last < first` in an empty log. */
  bounds(): Promise<{ readonly first: number; readonly last: number }>
  /** The entries of a range (both included), part by part. Positions without an entry are left out. */
  read(from: number, to: number): AsyncGenerator<LogEntry>
  /** Has this client elected as the writer. */
  write(): Promise<LogWriter>
  close(): Promise<void>
}

/** Connects to a log. Rejects if the broker cannot be reached. */
export async function connectLog(options: LogConnectOptions): Promise<LogClient> {
  const { node, id = 'log', timeoutMs = 60_000 } = options
  const { ports, cluster } = clusterOf(options)
  const { ask, close } = await connectAsker(ports, cluster)
  const replica = pid(id, node)
  const writer = pid(`${id}-writer`, node)
  return {
    async bounds() {
      const { to: last } = await ask(replica, CatchUp, {}, timeoutMs)
      const { begin: first } = await ask(replica, Positions, {}, timeoutMs)
      return { first, last }
    },
    async *read(from, to) {
      for (let next = from; next <= to; ) {
        const part = await ask(replica, Read, { from: next, to }, timeoutMs)
        yield* part.entries
        next = part.next
      }
    },
    async write() {
      const { epoch, position } = await ask(writer, Elect, {}, timeoutMs)
      return {
        epoch,
        position,
        append: async (data) => (await ask(writer, Append, { epoch, data }, timeoutMs)).position,
        truncate: async (to) => void (await ask(writer, Truncate, { epoch, to }, timeoutMs)),
        resign: async () => void (await ask(writer, Resign, { epoch }, timeoutMs)),
      }
    },
    close,
  }
}
