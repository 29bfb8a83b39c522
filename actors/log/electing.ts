/**
 * How a writer is elected (replicated-log.md §6, §15): it looks whether it could win, asks for promises,
 * completes the log on its node, and extends its lease from then on.
 */
import { type Failure, failure } from '../../protocol/errors.ts'
import {
  Canvass,
  CatchUp,
  CLOCK_DRIFT,
  Grant,
  type Lease,
  LeaseExtended,
  Positions,
  PromiseRequest,
} from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { voteOf } from './catch-up.ts'
import * as coordinators from './coordinator.ts'
import { Tally } from './quorum.ts'
import { replicaOf, timing } from './state.ts'
import { heard } from './telling.ts'
import { notWriter, stepDown, type WriterState, whyLost } from './writer-state.ts'

/** Times in a lease that its extension is asked for. */
const EXTENSIONS = 4

/** Begins an election for the owner. */
export function elect(state: WriterState, cx: Context): void {
  state.term++
  if (state.lease === undefined) askLocal(state, cx)
  else canvass(state, state.lease, cx)
}

/** Tells whether the election or reign in which it was made still goes on. */
function sameTerm(state: WriterState): () => boolean {
  const { term } = state
  return () => term === state.term
}

/**
 * Asks before it raises any number, so that one that cannot win does not disturb who leads. Refused with
 * the time after which a quorum would promise, if there is such a time.
 */
function canvass(state: WriterState, lease: Lease, cx: Context): void {
  const { args } = state
  const { replicas, quorum } = args.ensemble
  const current = sameTerm(state)
  const waits: number[] = []
  let holder: string | undefined
  let outstanding = replicas.length
  let open = true
  const consider = () => {
    const free = waits.filter((ms) => ms === 0).length
    if (!open || (free < quorum && free + outstanding >= quorum)) return
    open = false
    if (free >= quorum) {
      askLocal(state, cx)
      return
    }
    const remaining_ms = waits.sort((a, b) => a - b)[quorum - 1]
    if (remaining_ms === undefined) stepDown(state, cx, whyLost(0))
    else {
      const details = { log: args.id, holder: holder ?? 'somebody', remaining_ms }
      stepDown(state, cx, 'another holds the lease', failure('LOG_LEASED', details))
    }
  }
  const body = { holder: lease.holder }
  for (const node of replicas) {
    cx.ask(replicaOf(args, node), Canvass, body, { timeoutMs: lease.ms }, (outcome) => {
      outstanding--
      if (outcome.ok && outcome.value.status === 'VOTING') {
        waits.push(outcome.value.remaining_ms)
        holder ??= outcome.value.holder
      }
      if (current()) consider()
    })
  }
}

function askLocal(state: WriterState, cx: Context): void {
  const { args } = state
  const current = sameTerm(state)
  const local = replicaOf(args, args.node)
  const fail = (why: string) => stepDown(state, cx, `the replica on this node ${why}`)
  cx.ask(local, Positions, {}, { timeoutMs: timing.requestMs }, (outcome) => {
    if (!current()) return
    if (!outcome.ok) fail(`does not answer: ${outcome.error.message}`)
    else if (outcome.value.status !== 'VOTING') fail(`is ${outcome.value.status}`)
    else campaign(state, outcome.value.promised, cx)
  })
}

function campaign(state: WriterState, promised: number, cx: Context): void {
  const { args, coordinator, lease } = state
  const current = sameTerm(state)
  const proposal = coordinators.elect(coordinator, promised)
  const request = { proposal, ...(lease !== undefined && { lease }) }
  const askedMs = cx.monotonic()
  const options = { timeoutMs: timing.requestMs }
  let leased: Failure | undefined
  for (const node of args.ensemble.replicas) {
    cx.ask(replicaOf(args, node), PromiseRequest, request, options, (outcome) => {
      const vote = voteOf(outcome)
      if (vote.type === 'ACCEPT') heard(state, cx, node, vote, { promised: proposal })
      if (!current()) return
      if (outcome.ok && outcome.value.type === 'LEASED') {
        const { holder = 'somebody', remaining_ms } = outcome.value
        leased = failure('LOG_LEASED', { log: args.id, holder, remaining_ms })
      }
      const election = coordinators.onPromise(coordinator, node, vote)
      if (election.type === 'FILL') complete(state, election.index, askedMs, cx)
      else if (election.type === 'LOST') stepDown(state, cx, whyLost(election.promised), leased)
    })
  }
}

/** Has the local replica learn all up to `index`; then it writes. */
function complete(state: WriterState, index: number, askedMs: number, cx: Context): void {
  const { args, coordinator, lease } = state
  const epoch = coordinator.proposal
  // One above: the positions in question have just promised the proposal itself to everybody (§6).
  const body = { to: index, proposal: epoch + 1 }
  const current = sameTerm(state)
  const local = replicaOf(args, args.node)
  cx.ask(local, CatchUp, body, { timeoutMs: timing.electionCatchUpMs }, (outcome) => {
    if (!current()) return
    if (!outcome.ok) {
      stepDown(state, cx, `the log could not be completed: ${outcome.error.message}`)
      return
    }
    const until_ms = lease === undefined ? undefined : endOf(lease, askedMs)
    if (until_ms !== undefined && until_ms <= cx.monotonic()) {
      stepDown(state, cx, 'to complete the log took longer than the lease')
      return
    }
    coordinators.lead(coordinator, index)
    cx.log('info', 'log writer elected', { epoch, position: index })
    const leased = until_ms !== undefined && { leased_until_ms: until_ms }
    cx.answer(state.electing, { epoch, position: index, ...leased })
    state.electing = undefined
    if (until_ms !== undefined) {
      endAt(state, until_ms, cx)
      extend(state, cx)
    }
  })
}

// ---- being still the writer

/**
 * Answers the request in service once a quorum has told that it has promised to nobody above this epoch:
 * whoever was elected since needed one of them.
 */
export function confirm(state: WriterState, cx: Context): void {
  const { args, coordinator } = state
  const { replicas, quorum } = args.ensemble
  const { proposal } = coordinator
  const held = cx.hold()
  const current = sameTerm(state)
  let [agreeing, outstanding, open] = [0, replicas.length, true]
  for (const node of replicas) {
    cx.ask(replicaOf(args, node), Positions, {}, { timeoutMs: timing.requestMs }, (outcome) => {
      outstanding--
      if (outcome.ok && outcome.value.status === 'VOTING' && outcome.value.promised <= proposal) {
        agreeing++
      }
      if (!open) return
      if (agreeing >= quorum && current()) cx.answer(held, {})
      else if (agreeing + outstanding < quorum || !current()) {
        cx.deny(held, notWriter(state, proposal, 'no quorum of replicas confirms it'))
      } else return
      open = false
    })
  }
}

// ---- the lease

/** When the holder must count a lease as ended that was asked for at `askedMs`. */
function endOf({ ms }: Lease, askedMs: number): number {
  return askedMs + ms * (1 - CLOCK_DRIFT)
}

function endAt(state: WriterState, untilMs: number, cx: Context): void {
  state.leasedUntilMs = untilMs
  cx.after('lease end', untilMs - cx.monotonic(), () =>
    stepDown(state, cx, 'no quorum of replicas extends its lease'),
  )
}

/** Asks for another lease from now on, and so on until the reign ends. */
function extend(state: WriterState, cx: Context): void {
  const { args, coordinator, lease, owner } = state
  if (lease === undefined || owner === undefined) return
  const { proposal, chosen } = coordinator
  const current = sameTerm(state)
  const tally = new Tally(args.ensemble)
  const askedMs = cx.monotonic()
  let open = true
  const request = { proposal, lease, chosen }
  const options = { timeoutMs: lease.ms }
  for (const node of args.ensemble.replicas) {
    cx.ask(replicaOf(args, node), Grant, request, options, (outcome) => {
      tally.add(node, voteOf(outcome))
      const { verdict } = tally
      if (!open || verdict === 'OPEN' || !current()) return
      open = false
      if (verdict === 'REJECTED') stepDown(state, cx, whyLost(tally.promised))
      else if (verdict === 'ACCEPTED') {
        const until_ms = endOf(lease, askedMs)
        // Another that was asked for later may have been granted sooner.
        if (until_ms <= state.leasedUntilMs) return
        endAt(state, until_ms, cx)
        cx.send(owner, LeaseExtended, { epoch: proposal, until_ms })
      }
    })
  }
  cx.after('extend lease', lease.ms / EXTENSIONS, () => extend(state, cx))
}
