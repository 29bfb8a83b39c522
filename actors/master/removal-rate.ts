/**
 * The brakes on removals: if most agents fall silent at once, the fault is more likely the network's or the
 * master's own than theirs. With `agent_removal_rate_limit` they are marked unreachable one after the other,
 * and those that are heard of before their turn are spared, without taking one. With
 * `recovery_agent_removal_limit` a new leader that misses too many leads no longer. Spec: master.md §6.
 */
import { MesetaError } from '../../protocol/errors.ts'
import type { Context } from '../../src/runtime/index.ts'
import type { MasterState } from './state.ts'

/** One that waits for its turn. */
export interface Removal {
  /** Whether there is reason for it still. */
  isDue(): boolean
  begin(): void
}

/** All that wait, whatever they were condemned for: they share one rate. */
export interface Removals {
  /** In order; an agent stands here once for each reason at most. */
  readonly waiting: Map<string, Removal>
  /** Before this moment on the monotonic clock nobody has a turn. */
  nextMs: number
}

/** Removes at once where nothing limits it; what is asked for again before its turn keeps its place. */
export function removeInTurn(
  { options, removals }: MasterState,
  key: string,
  removal: Removal,
  cx: Context,
): void {
  removals.waiting.set(key, removal)
  takeTurns(removals, removalIntervalMs(options.agent_removal_rate_limit), cx)
}

function takeTurns(removals: Removals, intervalMs: number, cx: Context): void {
  for (const [key, removal] of removals.waiting) {
    if (removals.nextMs > cx.monotonic()) break
    removals.waiting.delete(key)
    if (!removal.isDue()) continue
    removals.nextMs = cx.monotonic() + intervalMs
    removal.begin()
  }
  if (removals.waiting.size === 0) return
  cx.after('next removal', removals.nextMs - cx.monotonic(), () =>
    takeTurns(removals, intervalMs, cx),
  )
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  secs: 1000,
  m: 60_000,
  mins: 60_000,
  h: 3_600_000,
  hrs: 3_600_000,
}

/**
 * Time from one removal to the next, from `10/1mins`: ten a minute; `''` sets no limit.
 * @throws MesetaError USAGE if it cannot be read
 */
export function removalIntervalMs(limit: string): number {
  if (limit === '') return 0
  const [, count, time, unit = ''] = /^(\d+)\/(\d+(?:\.\d+)?)([a-z]+)$/.exec(limit) ?? []
  const intervalMs = (Number(time) * (UNITS[unit] ?? Number.NaN)) / Number(count)
  if (Number.isFinite(intervalMs) && intervalMs > 0) return intervalMs
  const problem = `'${limit}' must be COUNT/TIME, as in 10/1mins`
  throw new MesetaError('USAGE', { problem: `agent_removal_rate_limit: ${problem}` })
}

/**
 * A part of the whole, 0 to 1, from `50%`.
 * @throws MesetaError USAGE if it cannot be read
 */
export function parsePercent(limit: string): number {
  const percent = /^\d+(\.\d+)?%$/.test(limit) ? Number.parseFloat(limit) : Number.NaN
  if (percent <= 100) return percent / 100
  const problem = `recovery_agent_removal_limit: '${limit}' must be 0% to 100%`
  throw new MesetaError('USAGE', { problem })
}
