/** Times and durations, read and written. */
import { usage } from './errors.ts'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * `30s`, `1.5m`, `500ms`, `2h`; a number alone is seconds. In milliseconds.
 * @throws CommandError USAGE, naming `where` it was given
 */
export function parseDuration(text: string, where: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim())
  if (found === null)
    throw usage(`${where}: must be a duration such as 30s, 5m or 500ms, not ${text}`)
  return Number(found[1]) * units[found[2] ?? 's']!
}

/** How long ago, in the two largest units that matter: `3m12s`. */
export function age(sinceMs: number | undefined, nowMs = Date.now()): string {
  if (sinceMs === undefined) return '-'
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h${minutes % 60}m` : `${Math.floor(hours / 24)}d${hours % 24}h`
}

/** Milliseconds of a Mesos time, which counts nanoseconds. */
export function timeMs(time: { readonly nanoseconds: number } | undefined): number | undefined {
  return time === undefined ? undefined : time.nanoseconds / 1e6
}

/** `2026-11-21 01:02:03` in local time. */
export function timestamp(ms: number | undefined): string {
  if (ms === undefined) return '-'
  const date = new Date(ms)
  const local = new Date(ms - date.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}
