/**
 * Ports: everything by which two runs of a node can differ. A node is given its ports at start and
 * reaches the outside through nothing else; each port has an in-memory twin that obeys the same
 * contract suite (`test/support/contracts/`), which is what makes deterministic simulation possible.
 *
 * Imports nothing, so that any implementation may import it.
 */

/** Time. `now` may jump, `monotonic` never does; both are milliseconds, possibly fractional. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. Only for people and for documents. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. All deadlines are measured on it. */
  monotonic(): number
  /** Calls `run` once, `delayMs` from now at the earliest. */
  setTimeout(run: () => void, delayMs: number): TimerHandle
  clearTimeout(handle: TimerHandle): void
  /** Calls `run` as soon as pending input has had its chance: after the current turn, not within it. */
  defer(run: () => void): void
}

/** What `Clock.setTimeout` returned. Opaque: each clock knows only its own. */
export type TimerHandle = unknown

/** Randomness. Cryptographic in production, a named stream of the seed in simulation. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform integer in [0, bound). `bound` is a positive safe integer. */
  int(bound: number): number
  bytes(length: number): Uint8Array
  /** Random (version 4) UUID, 36 characters. */
  uuid(): string
}

/** One message as a subscriber gets it. `data` may be a view into a larger frame: copy to keep. */
export interface Delivery {
  readonly subject: string
  readonly data: Uint8Array
  /** Where the sender wants an answer. */
  readonly reply?: string | undefined
  /** The broker's word that nobody listened on the subject that this answers; `data` is empty. */
  readonly noResponders: boolean
}

export interface Subscription {
  /** Ends the interest at once; no delivery happens after it. Idempotent. */
  close(): void
}

/**
 * What befell a connection. `lost` = messages may have been lost without any other word (slow
 * consumer, reconnect); `denied` = the broker refused a publish or subscribe for lack of permission.
 */
export type ConnectionStatus =
  | { readonly type: 'disconnected' }
  | { readonly type: 'reconnected' }
  | { readonly type: 'lost'; readonly reason: string }
  | {
      readonly type: 'denied'
      readonly operation: 'publish' | 'subscribe'
      readonly subject: string
    }
  | { readonly type: 'closed'; readonly error?: Error | undefined }

/**
 * A connection to the broker. At most once: what is published while the broker is away may be lost.
 * Order holds for one publisher and one subject, never across a reconnect.
 */
export interface Connection {
  /** Largest payload in bytes that the broker takes. */
  readonly maxPayload: number
  readonly connected: boolean
  /**
   * Publishes a buffer that the caller gives away and must not touch again. With `reply`, answers and
   * the broker's "no responders" come to subscribers of that subject.
   * @throws TransportError `PAYLOAD_TOO_LARGE`, `SUBJECT_INVALID`, `CONNECTION_CLOSED`
   */
  publish(subject: string, data: Uint8Array, reply?: string): void
  /**
   * Subscribes; `subject` may hold the wildcards `*` and `>`. With `queue`, one member of the group
   * gets each message. A throwing handler is the owner's fault: it is reported as status `lost`.
   * @throws TransportError `SUBJECT_INVALID`, `CONNECTION_CLOSED`
   */
  subscribe(subject: string, handler: (delivery: Delivery) => void, queue?: string): Subscription
  /** Resolves when the broker has taken all that was published and subscribed before. */
  flush(): Promise<void>
  onStatus(listener: (status: ConnectionStatus) => void): void
  /** Bytes published and not yet handed to the operating system (or the simulated wire). */
  pendingBytes(): number
  /** Flushes what it can within a second and closes. Idempotent. */
  close(): Promise<void>
}

export interface ConnectOptions {
  /** Shown in the broker's connection list. */
  readonly name: string
}

/** A broker that one can connect to. Each call of `connect` is a connection of its own. */
export interface Transport {
  connect(options: ConnectOptions): Promise<Connection>
}

export type TransportErrorCode =
  | 'PAYLOAD_TOO_LARGE'
  | 'SUBJECT_INVALID'
  | 'CONNECTION_CLOSED'
  | 'CONNECT_FAILED'

export class TransportError extends Error {
  readonly code: TransportErrorCode
  constructor(code: TransportErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TransportError'
    this.code = code
  }
}

/** What `Disk.stat` says. Sizes in bytes, times in milliseconds since the Unix epoch. */
export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other'
  readonly size: number
  readonly mtimeMs: number
}

/** An open file. Writes go to the end (`append`) or to a position; durable only after `sync`. */
export interface FileHandle {
  read(position: number, length: number): Promise<Uint8Array>
  write(position: number, data: Uint8Array): Promise<void>
  append(data: Uint8Array): Promise<void>
  truncate(size: number): Promise<void>
  size(): Promise<number>
  /** fsync: content and size are durable when it resolves. A failure must end the process. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Files. Paths are absolute. Directory entries (create, rename, unlink) are durable only after
 * `syncDirectory`. Errors are `DiskError`s.
 */
export interface Disk {
  open(path: string, mode: 'read' | 'write' | 'append'): Promise<FileHandle>
  readFile(path: string): Promise<Uint8Array>
  /** Replaces the content; NOT durable and not atomic: what must be both belongs into a `Store`. */
  writeFile(path: string, data: Uint8Array): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Names in a directory, sorted. */
  list(path: string): Promise<string[]>
  /** Creates the directory and its parents; no error if it is there. */
  makeDirectory(path: string): Promise<void>
  /** Removes a file or a whole tree; no error if it is not there. */
  removeTree(path: string): Promise<void>
  symlink(target: string, path: string): Promise<void>
  readlink(path: string): Promise<string>
  stat(path: string): Promise<FileStat | undefined>
  syncDirectory(path: string): Promise<void>
  /** Bytes of the file system that holds `path`. */
  space(path: string): Promise<{ readonly total: number; readonly free: number }>
}

export type DiskErrorCode =
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'NO_SPACE'
  | 'IO'
  | 'DENIED'
  | 'NOT_A_DIRECTORY'
  | 'NOT_EMPTY'
  /** What stands there is not what was written. */
  | 'CORRUPT'

export class DiskError extends Error {
  readonly code: DiskErrorCode
  readonly path: string
  constructor(code: DiskErrorCode, path: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DiskError'
    this.code = code
    this.path = path
  }
}

/** One change of a store. Values are bytes: the caller encodes. */
export type StoreOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }

/**
 * An ordered map on disk (LevelDB in production). Keys are ordered by their UTF-8 bytes.
 * `commit` is atomic and durable when it resolves; commits issued while one is under way are joined
 * into one write and one fsync (group commit) and take effect in the order issued.
 */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  /** Entries with `from <= key < to`, in order. */
  range(from: string, to: string, limit?: number): Promise<Array<readonly [string, Uint8Array]>>
  /** Rejects with DiskError; after a failed sync the store refuses everything (it must not be retried). */
  commit(operations: readonly StoreOperation[]): Promise<void>
  close(): Promise<void>
}

/** Opens stores; one process at a time may hold one (a second open rejects with DiskError EXISTS). */
export interface Storage {
  open(path: string): Promise<Store>
}

/** A process started by `Processes.spawn`, or found again with `adopt`. */
export interface ProcessHandle {
  readonly pid: number
  /** Distinguishes it from a later process with the same pid (start time in kernel ticks). */
  readonly startTime: string
  /**
   * Resolves when it has ended. For an adopted process, whose status only its parent learns, both
   * are null.
   */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

export interface SpawnOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  /** Files that standard output and error are appended to; absent = discarded. */
  readonly stdoutPath?: string
  readonly stderrPath?: string
  /** Leader of a new session (and process group), which outlives this process. */
  readonly detached: boolean
  /**
   * Prefix of the files by which the process is found again, and its exit status learnt, when whoever
   * started it is gone (`ports/record.ts`). Implies `detached`. Its `exited` tells 128 + n for signal n;
   * what is left of its process group at its end is killed. A program that cannot be started ends with
   * 126 or 127. If `<record>.shim` is there already nothing is started: it rejects with SPAWN_FAILED, or its
   * `exited` tells nothing.
   */
  readonly record?: string
  /** Numeric user and group to switch to; needs root. */
  readonly uid?: number
  readonly gid?: number
}

/** Operating-system processes. */
export interface Processes {
  /** Rejects with ProcessError if the program cannot be started. */
  spawn(options: SpawnOptions): Promise<ProcessHandle>
  /** Finds a live process again; undefined if it is gone or the pid belongs to another now. */
  adopt(pid: number, startTime: string): Promise<ProcessHandle | undefined>
  /** Sends a signal to a process or, with `group`, to its whole process group. False if it is gone. */
  kill(
    pid: number,
    signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT',
    group: boolean,
  ): boolean
  /** True while any process of the group is alive (zombies do not count). */
  groupAlive(pgid: number): boolean
}

export class ProcessError extends Error {
  readonly code: 'SPAWN_FAILED' | 'NOT_FOUND' | 'DENIED'
  constructor(
    code: 'SPAWN_FAILED' | 'NOT_FOUND' | 'DENIED',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'ProcessError'
    this.code = code
  }
}

/** Facts of the machine that an agent reports. */
export interface Host {
  readonly hostname: string
  /** Where other hosts reach it: an IPv4 address if it has one; that of loopback if it has no other. */
  ip(): string
  cpus(): number
  /** Bytes of physical memory. */
  memory(): number
  /** Changes at each boot of the machine. */
  bootId(): Promise<string>
  /** Environment variables of the node's process. */
  env(): Readonly<Record<string, string | undefined>>
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** Structured log lines. Never printed by actors themselves. */
export interface Log {
  write(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Which of `count` (>= 1) runnable actors goes next: an index in [0, count). */
export type Decider = (count: number) => number

/** What a node is given at start. */
export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly disk: Disk
  readonly storage: Storage
  readonly processes: Processes
  readonly host: Host
  readonly log: Log
  /** Absent: first in, first out. */
  readonly decider?: Decider
}
