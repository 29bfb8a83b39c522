/**
 * Election: makes one of several nodes the leader, for as long as a quorum of the log's replicas is leased
 * to it. The writer of the log is asked for the lease and extends it; the *fence* keeps everybody who acts
 * as the leader from doing so for longer, whatever happened to the process meanwhile.
 *
 * To be supervised one_for_all with those whom it elects, before them: when the leadership is lost this
 * actor dies and takes them down, and they begin again as followers. An orderly stop comes to it when they
 * have ended, and gives the lease back. Spec: replicated-log.md §15, failover.md §2.
 */
import { Demoted, LeaseExtended, Resign } from '../../protocol/log.ts'
import { type ChildSpec, child, type Pid, pid, statechart } from '../../src/runtime/index.ts'
import { die, type ElectionArgs, type ElectionState } from './contending.ts'
import { lifecycle } from './machine.ts'

export interface ElectionOptions {
  readonly node: string
  /** Id of the log whose replicas grant the lease. Default `log`. */
  readonly log?: string
  /** At most that of the log. A leader that is cut off is replaced after about this time. */
  readonly leaseMs: number
  /** Hears ELECTED. */
  readonly leader: Pid
  /** What the specs of all who act as the leader name as their `fence`. */
  readonly fence: string
}

/** Until the lease is given back at an orderly stop; then it ends by itself. */
const RESIGN_TIMEOUT_MS = 1_000

const messages = [LeaseExtended, Demoted] as const

/** The child spec of a candidate, called `election`. */
export function election({
  node,
  log = 'log',
  leaseMs,
  leader,
  fence,
}: ElectionOptions): ChildSpec {
  const args: ElectionArgs = { writer: pid(`${log}-writer`, node), leaseMs, leader, fence }
  return child({ id: 'election', behaviour, args, restart: 'permanent' })
}

const behaviour = statechart<ElectionState, typeof messages, ElectionArgs>({
  label: 'election',
  messages,
  machine: lifecycle,
  handlers: {
    LEASE_EXTENDED(state, { epoch, until_ms }, cx) {
      if (epoch === state.epoch) cx.fence(state.args.fence, until_ms)
    },
  },
  down(state, { ref }) {
    if (ref === state.monitor) die('the writer of the log is gone')
  },
  stopping(state, cx) {
    const { epoch } = state
    if (epoch === undefined) {
      cx.stop()
      return
    }
    if (state.monitor !== undefined) cx.demonitor(state.monitor)
    const options = { timeoutMs: RESIGN_TIMEOUT_MS }
    cx.ask(state.args.writer, Resign, { epoch }, options, () => cx.stop())
  },
})
