/**
 * A replica's lease: the time for which it promises all positions to nobody but the holder
 * (replicated-log.md §15). It lives in memory only, so a replica that may have forgotten one waits for as
 * long as it could still run. No I/O; times are of the replica's monotonic clock.
 */
import { CLOCK_DRIFT, type GrantReply, type Lease } from '../../protocol/log.ts'
import type { Replica } from './replica.ts'

export interface HeldLease {
  /** Undefined: whoever it was before this replica forgot. */
  readonly holder: string | undefined
  /** With which it came. */
  readonly proposal: number
  readonly untilMs: number
}

export const noLease: HeldLease = { holder: undefined, proposal: 0, untilMs: 0 }

/** One that this replica may have granted before it started at `nowMs`, of `ms` at most. */
export function forgotten(nowMs: number, ms: number): HeldLease {
  return { holder: undefined, proposal: 0, untilMs: nowMs + ms * (1 + CLOCK_DRIFT) }
}

export function granted(nowMs: number, proposal: number, { holder, ms }: Lease): HeldLease {
  return { holder, proposal, untilMs: nowMs + ms }
}

/** How long `holder` must still wait for another's lease, ms. */
export function remainingFor(lease: HeldLease, holder: string | undefined, nowMs: number): number {
  if (lease.holder !== undefined && lease.holder === holder) return 0
  return Math.max(0, lease.untilMs - nowMs)
}

/** What is answered to those who must wait, with the holder if it is known. */
export function leased(lease: HeldLease, remaining_ms: number) {
  const { holder } = lease
  return { type: 'LEASED', remaining_ms, ...(holder !== undefined && { holder }) } as const
}

/**
 * The answer to a GRANT; after ACCEPT the lease is the asker's. Whoever holds this replica's promise for
 * all positions got it when no other lease was running, and none can have begun since.
 */
export function grantReply(
  replica: Replica,
  lease: HeldLease,
  request: { readonly proposal: number; readonly lease: Lease },
  nowMs: number,
): GrantReply {
  const { status, promised, generations } = replica
  if (status !== 'VOTING') return { type: 'IGNORED' }
  if (request.proposal < promised) return { type: 'REJECT', promised }
  const remaining = remainingFor(lease, request.lease.holder, nowMs)
  if (request.proposal > promised && remaining > 0) return leased(lease, remaining)
  return { type: 'ACCEPT', generations }
}
