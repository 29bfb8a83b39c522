/**
 * Rates of calls, by the principals of frameworks: all frameworks of one principal share its rate, and those
 * whose principal is not listed share the default. A call has its turn when the time of one call has passed
 * since the last; those that come sooner wait in order, as many as the capacity allows. No turns are saved
 * up. Spec: scheduler-api.md §10, master.md §8.
 */
import { MesetaError } from '../../protocol/errors.ts'
import { RateLimits } from '../../protocol/v1/rate-limits.ts'
import type { Disk } from '../../src/runtime/index.ts'

/** One rate, and what waits for its turn at it. */
export interface Limiter<T> {
  /** Unlike that of any other. */
  readonly name: string
  /** From one turn to the next. */
  readonly intervalMs: number
  /** Items that may wait. */
  readonly capacity: number
  readonly waiting: T[]
  /** The next turn, on the monotonic clock. */
  nextMs: number
}

/** The limiters of one set of rates. */
export interface Limiters<T> {
  /** undefined: no limit for this principal. */
  readonly byPrincipal: ReadonlyMap<string, Limiter<T> | undefined>
  /** Of all others, if they are limited. */
  readonly fallback: Limiter<T> | undefined
}

/** `capacityMax` holds where no capacity is given, since nothing may wait without bounds. */
export function limitersOf<T>(rates: RateLimits, capacityMax: number): Limiters<T> {
  const { limits = [], aggregate_default_qps, aggregate_default_capacity } = rates
  const limiter = (name: string, qps: number | undefined, capacity = capacityMax) =>
    qps === undefined
      ? undefined
      : { name, intervalMs: 1000 / qps, capacity, waiting: [] as T[], nextMs: 0 }
  return {
    byPrincipal: new Map(
      limits.map(({ principal, qps, capacity }) => [
        principal,
        limiter(`rate of principal ${principal}`, qps, capacity),
      ]),
    ),
    fallback: limiter('rate by default', aggregate_default_qps, aggregate_default_capacity),
  }
}

/** What limits a framework's calls, if anything does. */
export function limiterOf<T>(
  { byPrincipal, fallback }: Limiters<T>,
  principal: string | undefined,
): Limiter<T> | undefined {
  if (principal === undefined || !byPrincipal.has(principal)) return fallback
  return byPrincipal.get(principal)
}

/** Whether the item has its turn at once, has been put to those that wait, or there is no room for it. */
export function admit<T>(limiter: Limiter<T>, item: T, nowMs: number): 'turn' | 'waits' | 'full' {
  if (limiter.waiting.length === 0 && limiter.nextMs <= nowMs) {
    limiter.nextMs = nowMs + limiter.intervalMs
    return 'turn'
  }
  if (limiter.waiting.length >= limiter.capacity) return 'full'
  limiter.waiting.push(item)
  return 'waits'
}

/** Takes those whose turn has come: several, if this is called later than it should be. */
export function takeTurns<T>(limiter: Limiter<T>, nowMs: number): T[] {
  const { waiting, intervalMs, nextMs } = limiter
  if (nextMs > nowMs) return []
  const due = waiting.splice(0, 1 + Math.floor((nowMs - nextMs) / intervalMs))
  limiter.nextMs = nextMs + due.length * intervalMs
  return due
}

/**
 * Reads the option: Mesos' document as JSON, or the path of a file that holds it; '' sets no limits.
 * @throws MesetaError USAGE that names what is wrong
 */
export async function readRateLimits(
  option: string,
  disk: Pick<Disk, 'readFile'>,
): Promise<RateLimits> {
  const text = option.trim()
  if (text === '' || text.startsWith('{')) return parseRateLimits(text || '{}')
  const path = text.replace(/^file:\/\//, '')
  const data = await disk.readFile(path).catch((error: Error) => {
    throw wrong(`rate_limits: the file cannot be read: ${error.message}`)
  })
  return parseRateLimits(new TextDecoder().decode(data))
}

function parseRateLimits(text: string): RateLimits {
  const rates = parseJson(text)
  const problem = RateLimits.check(rates) ?? ratesProblem(rates as RateLimits)
  if (problem !== undefined) throw wrong(problem)
  return rates as RateLimits
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw wrong(`rate_limits: is no JSON: ${(error as Error).message}`)
  }
}

function wrong(problem: string): MesetaError {
  return new MesetaError('USAGE', { problem })
}

function ratesProblem({ limits = [], ...rest }: RateLimits): string | undefined {
  const { aggregate_default_qps: qps, aggregate_default_capacity: capacity } = rest
  const seen = new Set<string>()
  for (const [index, limit] of limits.entries()) {
    const place = `rate_limits.limits.${index}`
    if (seen.has(limit.principal)) return `${place}.principal: ${limit.principal} stands twice`
    seen.add(limit.principal)
    const problem = rateProblem(place, '', limit.qps, limit.capacity)
    if (problem !== undefined) return problem
  }
  return rateProblem('rate_limits', 'aggregate_default_', qps, capacity)
}

function rateProblem(
  place: string,
  prefix: string,
  qps: number | undefined,
  capacity: number | undefined,
): string | undefined {
  if (qps !== undefined && qps <= 0) return `${place}.${prefix}qps: must be above 0`
  if (capacity === undefined || qps !== undefined) return undefined
  return `${place}.${prefix}capacity: means nothing without ${prefix}qps`
}
