/** What a state holds: which variables there are, and where in the log their values stand. */
import { LRUCache } from 'lru-cache'
import { type Failure, failure } from '../../protocol/errors.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'

export interface Variable {
  /** '' once it is expunged. */
  version: string
  /** Of its last snapshot and the differences to it, in order; those under way are missing. */
  positions: number[]
  /** Bytes of the snapshot, and of the differences to it. */
  snapshotBytes: number
  diffBytes: number
  diffs: number
  /** An append of it is under way. */
  inFlight: boolean
  /** Requests that wait for that. */
  waiting: Operation[]
}

/** A request, and what to do if it cannot be served. */
export interface Operation {
  readonly run: () => void
  readonly fail: (error: Failure) => void
}

export interface StateArgs {
  readonly replica: Pid
  readonly writer: Pid
}

export interface StateActor extends StateArgs {
  /** idle: another may write; opening: it is being elected and reads the log; open: it writes. */
  phase: 'idle' | 'opening' | 'open'
  /** Counts openings; what belongs to an earlier one is not heard. */
  term: number
  epoch: number
  /** Those that were snapshot earliest come first. */
  readonly variables: Map<string, Variable>
  readonly values: LRUCache<string, Uint8Array>
  /** Requests that wait for the opening. */
  queue: Operation[]
  /** Requests that wait for the word of a quorum that nobody else writes: asked now, and next. */
  confirming: Operation[] | undefined
  nextToConfirm: Operation[]
  /** Highest epoch of the entries read so far: see records.ts. */
  readEpoch: number
  /** First position of the log, and the last one that is known to be chosen. */
  begin: number
  chosen: number
  shortening: boolean
  /** When a quorum last said that nobody else writes; monotonic. */
  heardMs: number
}

/** Values in memory, bytes; others are read from the log when they are asked for. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024
/** Requests that may wait. */
const QUEUE_MAX = 10_000

export function newState(args: StateArgs): StateActor {
  return {
    ...args,
    phase: 'idle',
    term: 0,
    epoch: 0,
    variables: new Map(),
    values: new LRUCache({ maxSize: CACHE_BYTES_MAX, sizeCalculation: ({ length }) => length + 1 }),
    queue: [],
    confirming: undefined,
    nextToConfirm: [],
    readEpoch: 0,
    begin: 0,
    chosen: -1,
    shortening: false,
    heardMs: 0,
  }
}

export function newVariable(): Variable {
  return {
    version: '',
    positions: [],
    snapshotBytes: 0,
    diffBytes: 0,
    diffs: 0,
    inFlight: false,
    waiting: [],
  }
}

/** Puts a request into one of the queues, or refuses it. */
export function enqueue(state: StateActor, queue: Operation[], operation: Operation): boolean {
  if (queue.length < QUEUE_MAX) {
    queue.push(operation)
    return true
  }
  const details = { log: state.writer, limit: QUEUE_MAX, what: 'requests of its state' }
  operation.fail(failure('LOG_BUSY', details))
  return false
}

/** Tells whether the state has been open since. */
export function inTerm(state: StateActor): () => boolean {
  const { term } = state
  return () => term === state.term
}

/** Whatever it knows may be wrong: all who wait are told, and the next request begins anew. */
export function close(state: StateActor, error: Failure, cx: Context): void {
  const waiting = [...state.queue, ...(state.confirming ?? []), ...state.nextToConfirm]
  for (const variable of state.variables.values()) waiting.push(...variable.waiting)
  state.term++
  state.phase = 'idle'
  state.variables.clear()
  state.values.clear()
  Object.assign(state, { queue: [], confirming: undefined, nextToConfirm: [], shortening: false })
  for (const { fail } of waiting) fail(error)
  cx.log('info', 'the state is closed', { why: error.message })
}
