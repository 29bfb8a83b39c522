/**
 * Learning one position with certainty: a full Paxos round for it (replicated-log.md §5, "Fill"). What a
 * quorum may have chosen there is proposed again under a higher number; where nothing was, a NOP is. No I/O.
 */
import type { Body, PromiseReply, WriteReply } from '../../protocol/log.ts'
import { type Ensemble, Tally, type Vote } from './quorum.ts'

type Promised = Extract<PromiseReply, { type: 'ACCEPT' }>
type Written = Extract<WriteReply, { type: 'ACCEPT' }>

export interface Fill {
  readonly ensemble: Ensemble
  readonly position: number
  proposal: number
  phase: 'PROMISE' | 'WRITE'
  promises: Tally<Promised>
  writes: Tally<Written>
  /** What is proposed, in phase WRITE. */
  body: Body
}

/** What to do after an answer. */
export type FillStep =
  | { readonly type: 'WAIT' }
  /** Send the fill's WRITE to all replicas. */
  | { readonly type: 'WRITE' }
  /** Begin again, after a while, with `proposal`, which has been raised where that helps. */
  | { readonly type: 'RETRY' }
  | { readonly type: 'CHOSEN'; readonly body: Body }
  | { readonly type: 'TRUNCATED'; readonly begin: number }

export function newFill(ensemble: Ensemble, position: number, proposal: number): Fill {
  return {
    ensemble,
    position,
    proposal,
    phase: 'PROMISE',
    promises: new Tally(ensemble),
    writes: new Tally(ensemble),
    body: { type: 'NOP' },
  }
}

/** An answer to the PROMISE of the fill's present proposal. */
export function onPromise(fill: Fill, node: string, vote: Vote<Promised>): FillStep {
  if (vote.type === 'ACCEPT') {
    if (vote.begin !== undefined) return { type: 'TRUNCATED', begin: vote.begin }
    if (vote.learned && vote.body !== undefined) return { type: 'CHOSEN', body: vote.body }
  }
  // The first quorum decides what is proposed; one proposal never carries two bodies.
  if (fill.phase === 'WRITE') return { type: 'WAIT' }
  fill.promises.add(node, vote)
  switch (fill.promises.verdict) {
    case 'OPEN':
      return { type: 'WAIT' }
    case 'ACCEPTED':
      fill.body = bodyToPropose(fill.promises.accepts)
      fill.phase = 'WRITE'
      return { type: 'WRITE' }
    default:
      return retry(fill, fill.promises.promised)
  }
}

/** An answer to the WRITE of the fill's present proposal. */
export function onWrite(fill: Fill, node: string, vote: Vote<Written>): FillStep {
  fill.writes.add(node, vote)
  switch (fill.writes.verdict) {
    case 'OPEN':
      return { type: 'WAIT' }
    case 'ACCEPTED':
      return { type: 'CHOSEN', body: fill.body }
    default:
      return retry(fill, fill.writes.promised)
  }
}

/**
 * The body written under the highest proposal; promises without a body do not count. Proposal by
 * proposal a body is the same everywhere, so that equal ones need no order.
 */
function bodyToPropose(accepts: readonly Promised[]): Body {
  let best: Promised | undefined
  for (const accept of accepts) {
    if (accept.body === undefined) continue
    if (best === undefined || (accept.performed ?? 0) > (best.performed ?? 0)) best = accept
  }
  return best?.body ?? { type: 'NOP' }
}

/**
 * Always a new number: the old one may have been promised by some, and they would reject it (§4).
 * The specification keeps the number where a quorum ignored it; then nobody promised, and no harm is done.
 */
function retry(fill: Fill, promised: number): FillStep {
  fill.proposal = Math.max(fill.proposal, promised) + 1
  fill.phase = 'PROMISE'
  fill.promises = new Tally(fill.ensemble)
  fill.writes = new Tally(fill.ensemble)
  return { type: 'RETRY' }
}
