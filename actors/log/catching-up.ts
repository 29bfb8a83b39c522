/**
 * Who waits for this replica to have learned a part of the log, and the child that sees to it. A voter
 * that lacks what is known to be chosen fetches it by itself, so that an election here needs not wait.
 */
import { failure } from '../../protocol/errors.ts'
import { type CatchUp, type CaughtUp, Positions } from '../../protocol/log.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { catchUp } from './catch-up.ts'
import { markSoon, whenDurable } from './journal.ts'
import { learnedTo, missing } from './replica.ts'
import { type ReplicaState, replicaOf, timing, WAITERS_MAX } from './state.ts'

export const catchingUp: Handlers<ReplicaState, readonly [typeof CatchUp, typeof CaughtUp]> = {
  CATCH_UP(state, { to, proposal = 1 }, cx) {
    if (state.waiters.length >= WAITERS_MAX) {
      const details = { log: state.args.id, limit: WAITERS_MAX, what: 'requests to catch up' }
      cx.refuse(failure('LOG_BUSY', details))
      return
    }
    const held = cx.hold()
    const learn = (end: number) =>
      waitFor(state, cx, end, proposal, () => cx.answer(held, { to: end }))
    if (to === undefined) askHowFar(state, cx, learn)
    else learn(to)
  },

  CAUGHT_UP(state, _body, cx) {
    state.catchingUp = false
    check(state, cx)
    // What it had sent may have been refused meanwhile, or somebody asked for more.
    if (state.waiters.length > 0) start(state, cx, 1)
  },
}

/**
 * How far the log is learned anywhere. What is beyond may be a live writer's, in whose way a round of ours
 * would be (§8, "Non-leading catch-up").
 */
function askHowFar(state: ReplicaState, cx: Context, then: (end: number) => void): void {
  const { args, replica } = state
  const others = args.ensemble.replicas.filter((node) => node !== args.node)
  let end = Math.max(replica.known, learnedTo(replica))
  let outstanding = others.length
  if (outstanding === 0) then(end)
  for (const node of others) {
    const options = { timeoutMs: timing.requestMs }
    cx.ask(replicaOf(args, node), Positions, {}, options, (outcome) => {
      if (outcome.ok) end = Math.max(end, outcome.value.learned)
      outstanding--
      if (outstanding === 0) then(Math.max(end, replica.known))
    })
  }
}

/** Calls `done` when all positions up to `to` are learned, durably. */
export function waitFor(
  state: ReplicaState,
  cx: Context,
  to: number,
  proposal: number,
  done: () => void,
): void {
  state.waiters.push({ to, done })
  check(state, cx)
  if (state.waiters.length > 0) start(state, cx, proposal)
}

/** Something was learned, or is known to be chosen. */
export function afterLearning(state: ReplicaState, cx: Context): void {
  markSoon(state, cx)
  check(state, cx)
  watchLag(state, cx)
}

/** Answers those who need not wait any more. */
export function check(state: ReplicaState, cx: Context): void {
  if (state.waiters.length === 0) return
  const { replica } = state
  const ready = state.waiters.filter(({ to }) => missing(replica, to).length === 0)
  if (ready.length === 0) return
  state.waiters = state.waiters.filter((waiter) => !ready.includes(waiter))
  for (const { done } of ready) whenDurable(state, cx, done)
}

/**
 * A voter that goes on missing what is chosen fetches it. What it heard first decides when: a writer that
 * appends without a pause would put it off for ever.
 */
function watchLag(state: ReplicaState, cx: Context): void {
  const { replica } = state
  const to = replica.known
  const lags = () => replica.status === 'VOTING' && missing(replica, to).length > 0
  if (state.lagWatched || !lags()) return
  state.lagWatched = true
  cx.after('lag', timing.lagMs, () => {
    state.lagWatched = false
    if (!state.catchingUp && lags()) waitFor(state, cx, to, 1, () => undefined)
  })
}

function start(state: ReplicaState, cx: Context, proposal: number): void {
  if (state.catchingUp) return
  state.catchingUp = true
  const to = Math.max(...state.waiters.map((waiter) => waiter.to))
  cx.spawn(
    catchUp({
      log: state.args,
      serial: ++state.catchUps,
      replica: cx.self,
      ranges: missing(state.replica, to),
      proposal,
      // A live writer makes its positions known before long; a round of ours would be in its way.
      fetchRounds: state.replica.status === 'RECOVERING' ? 5 : 1,
    }),
  )
}
