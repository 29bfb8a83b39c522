/**
 * The writer of a log on this node: it is elected for an owner and then appends for it, alone in the
 * cluster (replicated-log.md §6, §9). Appends that arrive while others are under way share the next
 * messages; several of those are in flight, and are answered in the order of their positions.
 *
 * Supervised beside its replica. When it is lost, what it had not answered may or may not be in the log;
 * its owner learns of it by the monitor or by DEMOTED, and has itself elected again.
 */
import { failure } from '../../protocol/errors.ts'
import {
  type Body,
  CatchUp,
  Chosen,
  Demoted,
  Positions,
  PromiseRequest,
  WriteRequest,
  writerMessages,
} from '../../protocol/log.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Pid,
  type ReplyTo,
  table,
} from '../../src/runtime/index.ts'
import { voteOf } from './catch-up.ts'
import * as coordinators from './coordinator.ts'
import { drawn, type LogArgs, replicaOf, timing } from './state.ts'

/** Batches on their way at the same time, and how much one may hold. */
const BATCHES_MAX = 4
const BATCH_ENTRIES_MAX = 1_024
const BATCH_BYTES_MAX = 1024 * 1024
/** Appends that may wait or be under way; the next one is refused. */
const PENDING_MAX = 65_536
const PENDING_BYTES_MAX = 64 * 1024 * 1024
/** One entry; messages of the runtime have at most 64 MiB. */
const ENTRY_BYTES_MAX = 8 * 1024 * 1024

interface Pending {
  readonly body: Body
  readonly held: ReplyTo | undefined
}

interface State {
  readonly args: LogArgs
  readonly coordinator: coordinators.Coordinator
  /** Counts elections; what belongs to an earlier one is not heard. */
  term: number
  owner: Pid | undefined
  monitor: number | undefined
  /** The owner's ELECT, until it is answered. */
  electing: ReplyTo | undefined
  /** Not yet given a position. */
  queue: Pending[]
  /** Who waits for which position. */
  readonly held: Map<number, Pending>
  pendingBytes: number
}

export function writer(args: LogArgs): ChildSpec {
  return child({ id: `${args.id}-writer`, behaviour, args, restart: 'permanent' })
}

const behaviour = table<State, typeof writerMessages, LogArgs>({
  label: 'log writer',
  messages: writerMessages,
  init: (args) => ({
    args,
    coordinator: coordinators.newCoordinator(args.ensemble),
    term: 0,
    owner: undefined,
    monitor: undefined,
    electing: undefined,
    queue: [],
    held: new Map(),
    pendingBytes: 0,
  }),
  handlers: {
    ELECT(state, _body, cx) {
      stepDown(state, cx, `${cx.from} had itself elected`)
      state.owner = cx.from
      state.monitor = cx.monitor(cx.from)
      state.electing = cx.hold()
      elect(state, cx)
    },

    APPEND(state, { epoch, data }, cx) {
      if (data.length > ENTRY_BYTES_MAX) {
        cx.refuse(failure('TOO_LARGE', { size: data.length, limit: ENTRY_BYTES_MAX }))
      } else take(state, cx, epoch, { type: 'APPEND', data })
    },

    TRUNCATE(state, { epoch, to }, cx) {
      const { chosen } = state.coordinator
      if (writes(state, epoch) && to > chosen + 1) {
        const reason = `the log ends at ${chosen}`
        cx.refuse(failure('LOG_POSITION', { log: state.args.id, position: to, reason }))
      } else take(state, cx, epoch, { type: 'TRUNCATE', to })
    },

    RESIGN(state, { epoch }, cx) {
      if (!writes(state, epoch)) {
        cx.refuse(notWriter(state, epoch, 'another epoch has begun'))
        return
      }
      state.owner = undefined
      stepDown(state, cx, 'its owner resigned')
      cx.reply({})
    },
  },
  down(state, { ref }, cx) {
    if (ref !== state.monitor) return
    state.owner = undefined
    stepDown(state, cx, 'its owner is gone')
  },
})

function writes({ coordinator }: State, epoch: number): boolean {
  return coordinator.phase === 'ELECTED' && coordinator.proposal === epoch
}

function notWriter(state: State, epoch: number, reason: string) {
  return failure('LOG_NOT_WRITER', { log: state.args.id, epoch, reason })
}

// ---- election

function elect(state: State, cx: Context): void {
  const term = ++state.term
  const { args, coordinator } = state
  const local = replicaOf(args, args.node)
  const options = { timeoutMs: timing.requestMs }
  const current = () => term === state.term
  const fail = (reason: string) => stepDown(state, cx, reason)
  cx.ask(local, Positions, {}, options, (outcome) => {
    if (!current()) return
    if (!outcome.ok) return fail(`the replica on this node: ${outcome.error.message}`)
    const { status, promised } = outcome.value
    if (status !== 'VOTING') return fail(`the replica on this node is ${status}`)
    campaign(promised)
  })

  const campaign = (promised: number) => {
    const proposal = coordinators.elect(coordinator, promised)
    for (const node of args.ensemble.replicas) {
      cx.ask(replicaOf(args, node), PromiseRequest, { proposal }, options, (outcome) => {
        if (!current()) return
        const election = coordinators.onPromise(coordinator, node, voteOf(outcome))
        if (election.type === 'FILL') fill(election.index, proposal + 1)
        else if (election.type === 'LOST') fail(whyLost(election.promised))
      })
    }
  }

  const fill = (index: number, proposal: number) => {
    // One above: the positions in question have just promised the proposal itself to everybody (§6).
    const body = { to: index, proposal }
    cx.ask(local, CatchUp, body, { timeoutMs: timing.electionCatchUpMs }, (outcome) => {
      if (!current()) return
      if (!outcome.ok) return fail(`the log could not be completed: ${outcome.error.message}`)
      coordinators.lead(coordinator, index)
      cx.log('info', 'log writer elected', { epoch: coordinator.proposal, position: index })
      cx.answer(state.electing, { epoch: coordinator.proposal, position: index })
      state.electing = undefined
    })
  }
}

function whyLost(promised: number): string {
  return promised > 0 ? `proposal ${promised} is before it` : 'no quorum of replicas votes'
}

/** It is no writer any more, and all who wait are told; the owner too, unless it wanted that. */
function stepDown(state: State, cx: Context, reason: string): void {
  const { coordinator, owner, electing, args } = state
  const led = coordinator.phase === 'ELECTED' || state.queue.length + state.held.size > 0
  const epoch = coordinator.proposal
  state.term++
  coordinators.resign(coordinator)
  if (state.monitor !== undefined) cx.demonitor(state.monitor)
  cx.deny(electing, failure('LOG_NOT_ELECTED', { log: args.id, reason }))
  const error = notWriter(state, epoch, reason)
  for (const { held } of [...state.held.values(), ...state.queue]) cx.deny(held, error)
  state.held.clear()
  Object.assign(state, { owner: undefined, monitor: undefined, electing: undefined })
  Object.assign(state, { queue: [], pendingBytes: 0 })
  if (led && owner !== undefined) cx.send(owner, Demoted, { epoch, reason })
}

// ---- appending

function take(state: State, cx: Context, epoch: number, body: Body): void {
  if (!writes(state, epoch)) {
    cx.refuse(notWriter(state, epoch, 'nobody or another epoch writes here'))
    return
  }
  const waiting = state.queue.length + state.held.size
  if (waiting >= PENDING_MAX || state.pendingBytes + sizeOf(body) > PENDING_BYTES_MAX) {
    cx.refuse(failure('LOG_BUSY', { log: state.args.id, limit: waiting, what: 'appends' }))
    return
  }
  state.queue.push({ body, held: cx.hold() })
  state.pendingBytes += sizeOf(body)
  pump(state, cx)
}

function pump(state: State, cx: Context): void {
  const { coordinator } = state
  while (state.queue.length > 0 && coordinator.batches.length < BATCHES_MAX) {
    let bytes = 0
    let count = 0
    for (const { body } of state.queue) {
      bytes += sizeOf(body)
      if (count > 0 && (bytes > BATCH_BYTES_MAX || count >= BATCH_ENTRIES_MAX)) break
      count++
    }
    const taken = state.queue.splice(0, count)
    const batch = coordinators.propose(
      coordinator,
      taken.map(({ body }) => body),
    )
    taken.forEach((pending, i) => {
      state.held.set(batch.first + i, pending)
    })
    send(state, cx, batch)
  }
}

function send(state: State, cx: Context, batch: coordinators.Batch): void {
  const { coordinator, args } = state
  const { proposal } = coordinator
  // Frozen: the same value goes to all replicas without a copy.
  const request = Object.freeze({
    proposal,
    entries: batch.entries as coordinators.Batch['entries'][0][],
  })
  const open = () => coordinator.batches.includes(batch)
  cx.after(deadlineOf(batch), timing.writeMs, () => {
    if (open() && !batch.chosen) stepDown(state, cx, 'no quorum of replicas answers in time')
  })
  const write = (node: string) => {
    const options = { timeoutMs: timing.requestMs }
    cx.ask(replicaOf(args, node), WriteRequest, request, options, (outcome) => {
      if (!open()) return
      const vote = voteOf(outcome)
      if (vote.type === 'FAILED' || vote.type === 'IGNORED') {
        // It may vote again before the batch is given up; writing twice does no harm.
        const delayMs = drawn(timing.writeRetryMs, cx.random)
        cx.after(`write ${batch.first} ${node}`, delayMs, () => {
          if (open() && !batch.chosen) write(node)
        })
        return
      }
      const progress = coordinators.onWrite(coordinator, batch, node, vote)
      if (progress.type === 'CHOSEN') chosen(state, cx, progress.from, progress.to)
      else if (progress.type === 'LOST') stepDown(state, cx, whyLost(progress.promised))
      if (batch.chosen) cx.cancel(deadlineOf(batch))
    })
  }
  for (const node of args.ensemble.replicas) write(node)
}

/** The replicas are told first, so that whoever got an answer finds it learned on this node. */
function chosen(state: State, cx: Context, from: number, to: number): void {
  const { coordinator, args } = state
  const { proposal, first } = coordinator
  for (const node of args.ensemble.replicas) {
    // All of this reign: what an earlier message that was lost should have said is said again.
    cx.send(replicaOf(args, node), Chosen, { proposal, from: first, to })
  }
  for (let position = from; position <= to; position++) {
    const pending = state.held.get(position)
    state.held.delete(position)
    if (pending === undefined) continue
    state.pendingBytes -= sizeOf(pending.body)
    cx.answer(pending.held, { position })
  }
  pump(state, cx)
}

function deadlineOf({ first }: coordinators.Batch): string {
  return `deadline ${first}`
}

function sizeOf(body: Body): number {
  return body.type === 'APPEND' ? body.data.length : 0
}
