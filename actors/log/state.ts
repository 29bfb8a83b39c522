/** What a replica's actor holds beside the replica itself, and the times that all of the log's actors keep. */
import type { Pid } from '../../src/runtime/index.ts'
import { pid } from '../../src/runtime/index.ts'
import type { SealedStore } from '../../src/storage/sealed-store.ts'
import { type HeldLease, noLease } from './lease.ts'
import type { Ensemble } from './quorum.ts'
import { emptyReplica, type Replica } from './replica.ts'

/** Milliseconds; most are those of replicated-log.md §12. A pair is drawn from uniformly. */
export const timing = {
  /** One request to one replica. */
  requestMs: 3_000,
  /** Until another is asked for learned positions beside one that does not answer. */
  fetchPatienceMs: 200,
  fillRetryMs: [100, 200],
  recoverAttemptMs: 10_000,
  recoverRetryMs: [500, 1_000],
  /** Until a voter that returns asks those again that have not answered. */
  returnAttemptMs: 1_000,
  /** How often the replicas are told how far the others have voted, if that has changed. */
  tellMs: 1_000,
  /** Until the writer gives up a batch that no quorum has taken. */
  writeMs: 20_000,
  writeRetryMs: [100, 200],
  electionCatchUpMs: 30_000,
  /** How long positions that are chosen may be missing before a voter fetches them. */
  lagMs: 1_000,
  /** How long the disk may not know of learned positions. */
  markMs: 50,
  reopenMs: 100,
} as const

export interface LogArgs {
  /** Id of the replica's actor on every node; other actors' ids begin with it. */
  readonly id: string
  readonly node: string
  /** Directory of the store; absolute. */
  readonly path: string
  readonly ensemble: Ensemble
  readonly autoInitialize: boolean
  /** The longest lease that is granted, ms; 0 = none is. */
  readonly leaseMs: number
}

/** Someone who waits until all positions up to `to` are learned. */
export interface Waiter {
  readonly to: number
  readonly done: () => void
}

export interface ReplicaState {
  readonly args: LogArgs
  replica: Replica
  lease: HeldLease
  /** Open from the end of state `loading` on. */
  store: SealedStore | undefined
  /** Lowest position that may have a record on disk; those before `replica.begin` are being removed. */
  first: number
  /** What is to happen when all changes so far are durable; in order. See journal.ts. */
  waiting: Array<() => void>
  committing: boolean
  /** A commit is about to begin, for learned positions alone. */
  marking: boolean
  /** Counts the surveys; answers to an earlier one are not considered. */
  surveys: number
  /** While RECOVERING: what must be learned before it votes. Unknown until a quorum has told. */
  recoverTo: number | undefined
  /** At most WAITERS_MAX. */
  waiters: Waiter[]
  /** Counts the catch-up actors. */
  catchUps: number
  catchingUp: boolean
  /** Something is missing that is known to be chosen; it is looked at again in `timing.lagMs`. */
  lagWatched: boolean
}

/** Requests to catch up that may wait. */
export const WAITERS_MAX = 1_000

export function newState(args: LogArgs): ReplicaState {
  return {
    args,
    replica: emptyReplica(args.node),
    lease: noLease,
    store: undefined,
    first: 0,
    waiting: [],
    committing: false,
    marking: false,
    surveys: 0,
    recoverTo: undefined,
    waiters: [],
    catchUps: 0,
    catchingUp: false,
    lagWatched: false,
  }
}

/** The replica of a node, whatever its incarnation. */
export function replicaOf({ id }: Pick<LogArgs, 'id'>, node: string): Pid {
  return pid(id, node)
}

/** A duration from the range. */
export function drawn(
  [low, high]: readonly [number, number],
  random: { int(bound: number): number },
): number {
  return low + random.int(high - low)
}
