/** What is printed about runs. Spec: simulation.md §12-14. */
import { Growth } from './growth.ts'
import type { Pace } from './pace.ts'
import { hostFaults, networkFaults, type Plan } from './plan.ts'
import type { Result } from './run.ts'
import { situations } from './situations.ts'
import { Storms } from './storms.ts'

/** Of the process in which a world was run, afterwards. */
export interface Memory {
  /** Its id. */
  readonly process: number
  readonly residentBytes: number
  /** See `measureLiveBytes`; absent where it was not looked at. */
  readonly liveBytes?: number
}

const summed = [
  'simulatedMs',
  'cpuMs',
  'startMs',
  'events',
  'faults',
  'harmed',
  'crashes',
  'launches',
] as const
type Sums = Record<(typeof summed)[number] | 'runs', number>

const hourMs = 3_600_000

/** Sums over runs. */
export class Summary {
  /** Seeds that were run a second time in another process, with the same hash. */
  repeated = 0
  /** Whether it was to be more. */
  isInterrupted = false
  readonly failed: Record<string, number> = {}
  readonly #sums: Readonly<Record<Pace, Sums>> = {
    brisk: noSums(),
    storm: noSums(),
    real: noSums(),
  }
  readonly #storms = new Storms()
  readonly #situations = new Map<string, number>()
  /** The largest process, bytes. */
  #memoryBytes = 0
  readonly #growth = new Growth()

  add(result: Result, { process, residentBytes, liveBytes }: Memory): void {
    const sums = this.#sums[result.pace]
    sums.runs++
    for (const key of summed) sums[key] += result[key]
    if (result.pace === 'storm') this.#storms.add(result)
    for (const [name, count] of result.situations)
      this.#situations.set(name, (this.#situations.get(name) ?? 0) + count)
    const rule = result.failure?.rule
    if (rule !== undefined) this.failed[rule] = (this.failed[rule] ?? 0) + 1
    this.#memoryBytes = Math.max(this.#memoryBytes, residentBytes)
    this.#growth.add(process, liveBytes)
  }

  get runs(): number {
    return this.#all.runs
  }

  /** Of the clusters of all runs. */
  get simulatedHours(): number {
    return this.#all.simulatedMs / hourMs
  }

  /** Whatever their pace. */
  get #all(): Sums {
    const all = noSums()
    for (const sums of Object.values(this.#sums))
      for (const key of [...summed, 'runs'] as const) all[key] += sums[key]
    return all
  }

  toJSON() {
    const count = (name: string) => this.#situations.get(name) ?? 0
    const kinds = [...hostFaults, ...networkFaults].map((kind) => [kind, count(`fault ${kind}`)])
    const { brisk, storm, real } = this.#sums
    const growth = this.#growth.toJSON()
    const all = this.#all
    return {
      ...(this.isInterrupted && { interrupted: true }),
      runs: all.runs,
      repeated: this.repeated,
      failed: this.failed,
      simulated_hours: this.simulatedHours,
      events: all.events,
      events_per_cpu_second: perSecond(all),
      cpu_seconds_per_run: all.cpuMs / 1000 / Math.max(1, all.runs),
      start_cpu_ms: all.startMs / Math.max(1, all.runs),
      memory_mb: Math.round(this.#memoryBytes / 1e6),
      ...(growth !== undefined && { live_heap: growth }),
      faults: all.faults,
      messages_harmed: all.harmed,
      leaders: count('leads'),
      ...(brisk.runs > 0 && {
        simulated_minutes_per_cpu_minute_in_chaos: brisk.simulatedMs / brisk.cpuMs,
        chaos: perRun(brisk),
      }),
      ...(storm.runs > 0 && {
        simulated_minutes_per_cpu_minute_in_storms: storm.simulatedMs / storm.cpuMs,
        storms: perRun(storm),
        ...this.#storms.toJSON(),
      }),
      ...(real.runs > 0 && {
        simulated_hours_per_cpu_minute_when_calm: real.simulatedMs / real.cpuMs / 60,
        calm: perRun(real),
      }),
      faults_by_kind: Object.fromEntries(kinds) as Record<string, number>,
      situations: Object.fromEntries(situations.map((name) => [name, count(name)])),
    }
  }
}

function noSums(): Sums {
  return {
    runs: 0,
    simulatedMs: 0,
    cpuMs: 0,
    startMs: 0,
    events: 0,
    faults: 0,
    harmed: 0,
    crashes: 0,
    launches: 0,
  }
}

function perSecond({ events, cpuMs }: Sums): number {
  return cpuMs === 0 ? 0 : Math.round((events / cpuMs) * 1000)
}

/** What a run of one pace is like. */
function perRun(sums: Sums) {
  const { runs, simulatedMs, faults, crashes, launches } = sums
  return {
    runs,
    events_per_cpu_second: perSecond(sums),
    minutes_per_run: simulatedMs / runs / 60_000,
    faults_per_run: faults / runs,
    crashes_per_run: crashes / runs,
    launches_per_run: launches / runs,
  }
}

export function renderSummary(summary: Summary): string {
  const { interrupted, situations: met, failed, ...figures } = summary.toJSON()
  const never = Object.keys(met).filter((name) => met[name] === 0)
  const rows = Object.entries(figures).map(([name, value]) =>
    row(name, typeof value === 'number' ? round(value) : listOf(value)),
  )
  const broken = Object.entries(failed).map(([rule, count]) => `${rule}: ${count} runs`)
  return [
    ...(interrupted ? ['interrupted; until then:'] : []),
    ...rows,
    row('failed', broken.join(', ') || 'none'),
    row('situations met', `${situations.length - never.length} of ${situations.length}`),
    ...never.map((name) => `  never: ${name}`),
  ].join('\n')
}

function row(name: string, text: string): string {
  return `${name.replaceAll('_', ' ').padEnd(44)}${text}`
}

function listOf(values: Readonly<Record<string, number>>): string {
  const items = Object.entries(values).map(([name, value]) => `${name} ${round(value)}`)
  return items.join(', ').replaceAll('_', ' ')
}

function round(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString('en')
    : String(Math.round(value * 100) / 100)
}

/** Rule, reason, what replays it, and the end of the trace. */
export function renderFailure(plan: Plan, { failure, lines, hash }: Result): string {
  if (failure === undefined) throw new Error('the run did not fail')
  const { rule, reason, atMs, phase } = failure
  return [
    ...lines.map((line) => `  ${line.slice(0, 240)}`),
    `rule ${rule} is broken in the ${phase} at ${(atMs / 1000).toFixed(3)} s: ${reason}`,
    `seed ${plan.seed}, trace hash ${hash}, Node ${process.version}`,
    `replay: ${replayCommand(plan)}`,
  ].join('\n')
}

export function replayCommand({ seed }: Plan): string {
  return `npm run simulate -- --seed ${seed}`
}

/** Exit code that stands for a rule: broken rules before missing progress. */
export function codeOf(rule: string): number {
  return rule.startsWith('L ') ? 2 : 1
}
