/** What a writer holds, and how its reign ends. */
import { type Failure, failure } from '../../protocol/errors.ts'
import { type Body, Demoted, type Lease, Release, type Votes } from '../../protocol/log.ts'
import type { Context, Pid, ReplyTo } from '../../src/runtime/index.ts'
import * as coordinators from './coordinator.ts'
import { type LogArgs, replicaOf } from './state.ts'

/** Someone who waits for an append. */
export interface Pending {
  readonly body: Body
  readonly held: ReplyTo | undefined
}

export interface WriterState {
  readonly args: LogArgs
  readonly coordinator: coordinators.Coordinator
  /** Counts elections; what belongs to an earlier one is not heard. */
  term: number
  owner: Pid | undefined
  monitor: number | undefined
  /** The owner's ELECT, until it is answered. */
  electing: ReplyTo | undefined
  /** What the owner asked for with it. */
  lease: Lease | undefined
  /** By the monotonic clock. */
  leasedUntilMs: number
  /** Not yet given a position. */
  queue: Pending[]
  /** Who waits for which position. */
  readonly held: Map<number, Pending>
  pendingBytes: number
  /** How far the replicas have voted, as they said to this writer. */
  votes: Votes
  /** They will be told before long. */
  telling: boolean
}

export function newWriter(args: LogArgs): WriterState {
  return {
    args,
    coordinator: coordinators.newCoordinator(args.ensemble),
    term: 0,
    owner: undefined,
    monitor: undefined,
    electing: undefined,
    lease: undefined,
    leasedUntilMs: 0,
    queue: [],
    held: new Map(),
    pendingBytes: 0,
    votes: {},
    telling: false,
  }
}

export function writes({ coordinator }: WriterState, epoch: number): boolean {
  return coordinator.phase === 'ELECTED' && coordinator.proposal === epoch
}

export function notWriter(state: WriterState, epoch: number, reason: string) {
  return failure('LOG_NOT_WRITER', { log: state.args.id, epoch, reason })
}

export function whyLost(promised: number): string {
  return promised > 0 ? `proposal ${promised} is before it` : 'no quorum of replicas votes'
}

/**
 * It is no writer any more, and all who wait are told; the owner too, unless it wanted that.
 * @param error what the ELECT that is under way is refused with, if not LOG_NOT_ELECTED
 */
export function stepDown(
  state: WriterState,
  cx: Context,
  reason: string,
  error: Failure = failure('LOG_NOT_ELECTED', { log: state.args.id, reason }),
): void {
  const { coordinator, owner, electing } = state
  const led = coordinator.phase === 'ELECTED' || state.queue.length + state.held.size > 0
  // Replicas that leased themselves to an election that is lost need not wait for nothing.
  if (coordinator.phase === 'ELECTING' || coordinator.phase === 'FILLING') release(state, cx)
  const epoch = coordinator.proposal
  state.term++
  coordinators.resign(coordinator)
  cx.cancel('lease end')
  cx.cancel('extend lease')
  if (state.monitor !== undefined) cx.demonitor(state.monitor)
  cx.deny(electing, error)
  const lost = notWriter(state, epoch, reason)
  for (const { held } of [...state.held.values(), ...state.queue]) cx.deny(held, lost)
  state.held.clear()
  Object.assign(state, { owner: undefined, monitor: undefined, electing: undefined })
  Object.assign(state, { lease: undefined, leasedUntilMs: 0, queue: [], pendingBytes: 0 })
  if (led && owner !== undefined) cx.send(owner, Demoted, { epoch, reason })
}

/** Gives the lease of the present proposal back. Only for those who do nothing under it any more. */
export function release({ lease, args, coordinator }: WriterState, cx: Context): void {
  if (lease === undefined) return
  const { proposal } = coordinator
  for (const node of args.ensemble.replicas) cx.send(replicaOf(args, node), Release, { proposal })
}
