/**
 * The gate before the disk: nothing leaves a replica before all changes that it may rest on are durable
 * (replicated-log.md §7). What is asked for while a commit is under way shares the next one (group commit).
 * A failed commit ends the actor: what is on disk is unknown then.
 */
import type { Context, StoreOperation } from '../../src/runtime/index.ts'
import { isCorrupt, type SealedStore } from '../../src/storage/sealed-store.ts'
import { condemnation, removal, takeOperations } from './records.ts'
import { type ReplicaState, timing } from './state.ts'

/** Truncated records that one commit removes. */
const SWEEP_MAX = 2_000

/** Calls `then`, as a turn of the actor, when the changes so far are durable; in the order of the calls. */
export function whenDurable(state: ReplicaState, cx: Context, then: () => void): void {
  state.waiting.push(then)
  flush(state, cx)
}

/** Has the disk know of learned positions before long, however many follow; nobody waits for that. */
export function markSoon(state: ReplicaState, cx: Context): void {
  if (state.marking) return
  state.marking = true
  cx.after('mark', timing.markMs, () => {
    state.marking = false
    flush(state, cx)
  })
}

export function storeOf(state: ReplicaState): SealedStore {
  if (state.store === undefined) throw new Error('the log uses its store before it is open')
  return state.store
}

/**
 * What is on disk is not what was written: the replica says so, votes no more, and starts anew as
 * CORRUPT; the others will fill it again.
 */
export function condemn(state: ReplicaState, cx: Context, reason: string): void {
  const { node, path } = state.args
  cx.log('error', 'the log on this disk is corrupt; its replica does not vote', { path, reason })
  state.replica.status = 'CORRUPT'
  cx.job(
    () => storeOf(state).commit([condemnation(node)]),
    () => {
      throw new Error(`log ${path} is corrupt: ${reason}`)
    },
  )
}

/** A read has failed: the replica goes on as CORRUPT if what stands there is not what was written. */
export function unreadable(state: ReplicaState, cx: Context, cause: Error): void {
  if (!isCorrupt(cause)) throw new Error(`the log cannot be read: ${cause.message}`, { cause })
  condemn(state, cx, cause.message)
}

function flush(state: ReplicaState, cx: Context): void {
  if (state.committing) return
  const operations = [...takeOperations(state.replica), ...sweep(state)]
  const { waiting } = state
  state.waiting = []
  if (operations.length === 0) {
    for (const run of waiting) run()
    return
  }
  state.committing = true
  cx.job(
    () => storeOf(state).commit(operations),
    (outcome) => {
      if (!outcome.ok) {
        const { message } = outcome.error
        throw new Error(`the log ${state.args.path} cannot be written: ${message}`, {
          cause: outcome.error,
        })
      }
      state.committing = false
      for (const run of waiting) run()
      const { changes, begin } = state.replica
      if (state.waiting.length > 0 || changes.length > 0 || state.first < begin) flush(state, cx)
    },
  )
}

function sweep(state: ReplicaState): StoreOperation[] {
  const to = Math.min(state.replica.begin, state.first + SWEEP_MAX)
  const operations = removal(state.first, to)
  state.first = Math.max(state.first, to)
  return operations
}
