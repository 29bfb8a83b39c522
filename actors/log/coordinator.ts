/**
 * The decisions of the one who appends (replicated-log.md §6): election by a promise for all positions,
 * then writes under that proposal, several batches in flight, answered in the order of positions. No I/O.
 *
 *     IDLE --elect--> ELECTING --quorum of promises--> FILLING --local log complete--> ELECTED
 *       ^------ a lost round, another's higher proposal, resignation: from any state ------'
 *
 * A proposal that was refused is never written under again: after a loss only an election helps.
 */
import type { Body, Entry, PromiseReply, WriteReply } from '../../protocol/log.ts'
import { type Ensemble, Tally, type Vote } from './quorum.ts'

type Promised = Extract<PromiseReply, { type: 'ACCEPT' }>
type Written = Extract<WriteReply, { type: 'ACCEPT' }>

/** Consecutive positions that are written with one message. */
export interface Batch {
  readonly entries: readonly Entry[]
  readonly first: number
  readonly last: number
  readonly tally: Tally<Written>
  chosen: boolean
}

export interface Coordinator {
  readonly ensemble: Ensemble
  phase: 'IDLE' | 'ELECTING' | 'FILLING' | 'ELECTED'
  /** The last one used; while ELECTED the one that all writes carry. */
  proposal: number
  /** The highest one that another was heard to have. */
  heard: number
  promises: Tally<Promised>
  /** First position of this reign. */
  first: number
  /** Next position to be written. */
  next: number
  /** All positions of this reign up to it are chosen; `first - 1` at its beginning. */
  chosen: number
  /** Not yet chosen, or behind one that is not; in the order of positions. */
  batches: Batch[]
}

export function newCoordinator(ensemble: Ensemble): Coordinator {
  return {
    ensemble,
    phase: 'IDLE',
    proposal: 0,
    heard: 0,
    promises: new Tally(ensemble),
    first: 0,
    next: 0,
    chosen: -1,
    batches: [],
  }
}

/**
 * Begins an election: PROMISE for all positions is to be sent with the returned proposal.
 * @param promised the local replica's promise: a proposal is never used again after a restart
 */
export function elect(coordinator: Coordinator, promised: number): number {
  resign(coordinator)
  coordinator.phase = 'ELECTING'
  coordinator.proposal = Math.max(coordinator.proposal, coordinator.heard, promised) + 1
  coordinator.promises = new Tally(coordinator.ensemble)
  return coordinator.proposal
}

export type Election =
  | { readonly type: 'WAIT' }
  /** `index`: highest position in use among a quorum; all up to it must be learned before `lead`. */
  | { readonly type: 'FILL'; readonly index: number }
  | { readonly type: 'LOST'; readonly promised: number }

export function onPromise(coordinator: Coordinator, node: string, vote: Vote<Promised>): Election {
  if (coordinator.phase !== 'ELECTING') return { type: 'WAIT' }
  const { promises } = coordinator
  promises.add(node, vote)
  switch (promises.verdict) {
    case 'OPEN':
      return { type: 'WAIT' }
    case 'ACCEPTED':
      coordinator.phase = 'FILLING'
      return { type: 'FILL', index: Math.max(...promises.accepts.map(({ end }) => end ?? 0)) }
    default:
      resign(coordinator)
      coordinator.heard = Math.max(coordinator.heard, promises.promised)
      return { type: 'LOST', promised: promises.promised }
  }
}

/** Everything up to `index` is learned by the local replica: appends begin behind it. */
export function lead(coordinator: Coordinator, index: number): void {
  coordinator.phase = 'ELECTED'
  coordinator.first = index + 1
  coordinator.next = index + 1
  coordinator.chosen = index
}

/** Gives the bodies their positions; the batch is to be written to all replicas. */
export function propose(coordinator: Coordinator, bodies: readonly Body[]): Batch {
  const first = coordinator.next
  const entries = bodies.map((body, i) => ({ position: first + i, body }))
  coordinator.next += entries.length
  const batch: Batch = {
    entries,
    first,
    last: coordinator.next - 1,
    tally: new Tally(coordinator.ensemble),
    chosen: false,
  }
  coordinator.batches.push(batch)
  return batch
}

export type Progress =
  | { readonly type: 'WAIT' }
  /** These positions are chosen now, and so are all before them. */
  | { readonly type: 'CHOSEN'; readonly from: number; readonly to: number }
  /** Whatever is in flight may or may not be chosen; only another election can tell. */
  | { readonly type: 'LOST'; readonly promised: number }

/** An answer to the WRITE of a batch. */
export function onWrite(
  coordinator: Coordinator,
  batch: Batch,
  node: string,
  vote: Vote<Written>,
): Progress {
  if (!coordinator.batches.includes(batch)) return { type: 'WAIT' }
  batch.tally.add(node, vote)
  switch (batch.tally.verdict) {
    case 'OPEN':
      return { type: 'WAIT' }
    case 'ACCEPTED':
      batch.chosen = true
      return advance(coordinator)
    default:
      resign(coordinator)
      coordinator.heard = Math.max(coordinator.heard, batch.tally.promised)
      return { type: 'LOST', promised: batch.tally.promised }
  }
}

/** It writes no more under its proposal. */
export function resign(coordinator: Coordinator): void {
  coordinator.phase = 'IDLE'
  coordinator.batches = []
}

function advance(coordinator: Coordinator): Progress {
  const from = coordinator.chosen + 1
  while (coordinator.batches[0]?.chosen) {
    coordinator.chosen = (coordinator.batches.shift() as Batch).last
  }
  return coordinator.chosen < from
    ? { type: 'WAIT' }
    : { type: 'CHOSEN', from, to: coordinator.chosen }
}
