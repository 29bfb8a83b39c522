/** How a candidate asks the writer of the log to be elected, and what follows (replicated-log.md §15). */
import { Elected } from '../../protocol/election.ts'
import { Elect } from '../../protocol/log.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'

export interface ElectionArgs {
  /** Name of the log's writer on this node. */
  readonly writer: Pid
  /** Length of the lease that is asked for, ms. */
  readonly leaseMs: number
  /** Who leads when this candidate wins; hears ELECTED. */
  readonly leader: Pid
  /** Open as long as the lease; all who act as the leader stand behind it. */
  readonly fence: string
}

export interface ElectionState {
  readonly args: ElectionArgs
  /** Of the reign. */
  epoch: number | undefined
  monitor: number | undefined
  /** Logged when it changes. */
  holder: string | undefined
}

/** The log may have to be completed first. */
const ELECT_TIMEOUT_MS = 60_000
/** Who waits for the end of another's lease asks so often in it, because it may be given back earlier. */
const LOOKS = 4

export function newState(args: ElectionArgs, cx: Context): ElectionState {
  // Its leader is started after it, and may prepare itself.
  cx.fence(args.fence, Number.POSITIVE_INFINITY)
  return { args, epoch: undefined, monitor: undefined, holder: undefined }
}

/** Raises WON or LOST. */
export function contend(state: ElectionState, cx: Context): void {
  const { writer, leaseMs, leader, fence } = state.args
  const lease = { holder: cx.node, ms: leaseMs }
  cx.ask(writer, Elect, { lease }, { timeoutMs: ELECT_TIMEOUT_MS }, (outcome) => {
    if (!outcome.ok) {
      follow(state, outcome.error.details, cx)
      cx.raise({ type: 'LOST', waitMs: waitFor(outcome.error, leaseMs, cx) })
      return
    }
    const { epoch, position, leased_until_ms } = outcome.value
    if (leased_until_ms === undefined) throw new Error('the writer was elected without a lease')
    state.epoch = epoch
    state.monitor = cx.monitor(writer)
    cx.fence(fence, leased_until_ms)
    cx.send(leader, Elected, { epoch, position })
    cx.raise({ type: 'WON' })
  })
}

/**
 * Random, so that two candidates do not take the votes from each other for ever. Whoever knows how long
 * the present lease lasts need not try before its end, but looks whether it was given back; or whether it
 * was a candidate's, who did not get the others.
 */
function waitFor(
  { code, details }: { readonly code: string; readonly details?: unknown },
  leaseMs: number,
  cx: Context,
): number {
  const look = leaseMs / LOOKS
  const jitterMs = (cx.random.next() * look) / 4
  if (code !== 'LOG_LEASED') return look / 10 + jitterMs
  const { remaining_ms = 0 } = (details ?? {}) as { remaining_ms?: number }
  return Math.min(remaining_ms, look) + jitterMs
}

function follow(state: ElectionState, details: unknown, cx: Context): void {
  const { holder } = (details ?? {}) as { holder?: string }
  if (holder === undefined || holder === state.holder) return
  state.holder = holder
  cx.log('info', `follows ${holder}`)
}

/** Whoever led with it dies along: their supervisor starts all of them anew. */
export function die(reason: string): never {
  throw new Error(`leads no longer: ${reason}`)
}
