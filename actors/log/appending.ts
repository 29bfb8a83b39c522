/**
 * How a writer appends (replicated-log.md §6): what arrives while writes are under way shares the next
 * messages; several of those are in flight, and are answered in the order of their positions.
 */
import { failure } from '../../protocol/errors.ts'
import { type Body, Chosen, WriteRequest } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { voteOf } from './catch-up.ts'
import * as coordinators from './coordinator.ts'
import { drawn, replicaOf, timing } from './state.ts'
import { heard } from './telling.ts'
import { notWriter, stepDown, type WriterState, whyLost, writes } from './writer-state.ts'

/** Batches on their way at the same time, and how much one may hold. */
const BATCHES_MAX = 4
const BATCH_ENTRIES_MAX = 1_024
const BATCH_BYTES_MAX = 1024 * 1024
/** Appends that may wait or be under way; the next one is refused. */
const PENDING_MAX = 65_536
const PENDING_BYTES_MAX = 64 * 1024 * 1024
/** Gives a body a place in the queue, or refuses the request in service. */
export function take(state: WriterState, cx: Context, epoch: number, body: Body): void {
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

function pump(state: WriterState, cx: Context): void {
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

function send(state: WriterState, cx: Context, batch: coordinators.Batch): void {
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
      const vote = voteOf(outcome)
      if (vote.type === 'ACCEPT') heard(state, cx, node, vote, { end: batch.last })
      if (!open()) return
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
function chosen(state: WriterState, cx: Context, from: number, to: number): void {
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
