/**
 * The way of a replica that has voted before back to its vote, and what all hear of each other's votes. The
 * decisions are voted.ts's.
 */
import type { Heard, Voted } from '../../protocol/log.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { condemn, whenDurable } from './journal.ts'
import { askOthers } from './recovering.ts'
import { collects } from './replica.ts'
import { drawn, type ReplicaState, timing } from './state.ts'
import { hear, isBehind, ownVotes } from './voted.ts'

export const returning: Handlers<ReplicaState, readonly [typeof Heard]> = {
  HEARD(state, { votes }, cx) {
    const { replica } = state
    const own = votes[replica.node]
    if (own !== undefined) lookBack(state, own, 'a writer', cx)
    if (collects(replica) && hear(replica, votes)) whenDurable(state, cx, () => undefined)
  },
}

/**
 * Asks the others until enough of them have answered, and none knows of later votes. An answer that comes
 * after that is still looked at.
 */
export function comeBack(state: ReplicaState, cx: Context, agreeing = new Set<string>()): void {
  const { replica, args } = state
  askOthers(state, cx, timing.returnAttemptMs, (other, answer, outstanding) => {
    const own = answer?.votes?.[args.node]
    if (own !== undefined) lookBack(state, own, other, cx)
    if (replica.status !== 'RETURNING') return
    if (answer?.status === 'VOTING' || answer?.status === 'RETURNING') agreeing.add(other)
    if (agreeing.size + 1 >= args.ensemble.quorum) {
      replica.status = 'VOTING'
      cx.log('info', 'log replica is VOTING', { before: 'RETURNING', end: replica.end })
      cx.raise({ type: 'VOTING' })
    } else if (outstanding === 0) {
      const pauseMs = drawn(timing.recoverRetryMs, cx.random)
      cx.after('survey', pauseMs, () => comeBack(state, cx, agreeing))
    }
  })
}

/** Whoever does not know its own last votes has none. */
function lookBack(state: ReplicaState, heard: Voted, by: string, cx: Context): void {
  const { replica } = state
  const { status } = replica
  if ((status !== 'VOTING' && status !== 'RETURNING') || !isBehind(ownVotes(replica), heard)) return
  const { promised, end } = heard
  const known = `a promise for ${replica.promised} and the end ${replica.end}`
  condemn(
    state,
    cx,
    `the disk is an older copy: it has ${known}, ${by} has heard of ${promised} and ${end}`,
  )
}
