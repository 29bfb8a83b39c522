/** The conversations about leases (replicated-log.md §15). The decisions are lease.ts's. */
import type { Canvass, Grant, Lease, Release } from '../../protocol/log.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { afterLearning } from './catching-up.ts'
import { forgotten, granted, grantReply, noLease, remainingFor } from './lease.ts'
import * as replicas from './replica.ts'
import type { ReplicaState } from './state.ts'

type Messages = readonly [typeof Grant, typeof Release, typeof Canvass]

export const leasing: Handlers<ReplicaState, Messages> = {
  GRANT(state, request, cx) {
    const now = cx.monotonic()
    const reply = isTooLong(state, request.lease, cx)
      ? ({ type: 'IGNORED' } as const)
      : grantReply(state.replica, state.lease, request, now)
    if (reply.type === 'ACCEPT') state.lease = granted(now, request.proposal, request.lease)
    // At once, however busy the disk is: what is granted is in memory only, and a generation that is
    // not durable yet makes others' answers count for less, never for more.
    cx.reply(reply)
    const { proposal, chosen } = request
    replicas.chosen(state.replica, { proposal, from: state.replica.begin, to: chosen })
    afterLearning(state, cx)
  },

  RELEASE(state, { proposal }) {
    if (state.lease.proposal === proposal) state.lease = noLease
  },

  CANVASS(state, { holder }, cx) {
    const now = cx.monotonic()
    const { status } = state.replica
    const remaining_ms = remainingFor(state.lease, holder, now)
    const known = state.lease.untilMs > now ? state.lease.holder : undefined
    cx.reply({ status, remaining_ms, ...(known !== undefined && { holder: known }) })
  },
}

/** Beyond its own measure it would not wait long enough after a restart. */
export function isTooLong({ args }: ReplicaState, lease: Lease, cx: Context): boolean {
  if (lease.ms <= args.leaseMs) return false
  const { holder, ms } = lease
  cx.log('error', 'a longer lease is asked for than this replica grants', {
    holder,
    asked: ms,
    granted: args.leaseMs,
  })
  return true
}

/**
 * It may have granted a lease that it does not remember. A single replica's disk is held by one process,
 * which is therefore the only one that could hold its lease.
 */
export function waitForForgotten(state: ReplicaState, cx: Context): void {
  const { leaseMs, ensemble } = state.args
  if (leaseMs === 0 || ensemble.replicas.length === 1) return
  state.lease = forgotten(cx.monotonic(), leaseMs)
}
