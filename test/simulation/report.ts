/** What is printed about runs. Spec: simulation.md §12-14. */
import type { Plan } from './plan.ts'
import type { Result } from './run.ts'
import { situations } from './situations.ts'

type Sums = Record<'events' | 'simulatedMs' | 'cpuMs' | 'faults' | 'crashes' | 'launches', number>

/** Sums over runs. */
export class Summary {
  runs = 0
  /** Seeds that were run a second time in another process, with the same hash. */
  repeated = 0
  readonly failed: Record<string, number> = {}
  readonly #sums: Sums = { events: 0, simulatedMs: 0, cpuMs: 0, faults: 0, crashes: 0, launches: 0 }
  readonly #situations = new Map<string, number>()

  add(result: Result): void {
    this.runs++
    for (const key of Object.keys(this.#sums) as Array<keyof Sums>) this.#sums[key] += result[key]
    for (const [name, count] of result.situations)
      this.#situations.set(name, (this.#situations.get(name) ?? 0) + count)
    const rule = result.failure?.rule
    if (rule !== undefined) this.failed[rule] = (this.failed[rule] ?? 0) + 1
  }

  toJSON() {
    const { events, simulatedMs, cpuMs, faults, crashes, launches } = this.#sums
    return {
      runs: this.runs,
      repeated: this.repeated,
      failed: this.failed,
      events,
      events_per_cpu_second: Math.round((events / cpuMs) * 1000),
      simulated_hours: simulatedMs / 3_600_000,
      simulated_minutes_per_cpu_minute: simulatedMs / cpuMs,
      faults_per_run: faults / this.runs,
      crashes_per_run: crashes / this.runs,
      launches_per_run: launches / this.runs,
      situations: Object.fromEntries(
        situations.map((name) => [name, this.#situations.get(name) ?? 0]),
      ),
    }
  }
}

export function renderSummary(summary: Summary): string {
  const { situations: met, failed, ...figures } = summary.toJSON()
  const never = Object.keys(met).filter((name) => met[name] === 0)
  const rows = Object.entries(figures).map(
    ([name, value]) => `${name.replaceAll('_', ' ').padEnd(34)}${round(value)}`,
  )
  const broken = Object.entries(failed).map(([rule, count]) => `${rule}: ${count} runs`)
  return [
    ...rows,
    `${'failed'.padEnd(34)}${broken.join(', ') || 'none'}`,
    `${'situations met'.padEnd(34)}${situations.length - never.length} of ${situations.length}`,
    ...never.map((name) => `  never: ${name}`),
  ].join('\n')
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
