/**
 * Many seeds, on as many processes as are asked for: each runs one (`runner.ts`) and is given the next.
 * Nothing is shared between them. Spec: simulation.md §12, §14.
 */
import type { ChildProcess } from 'node:child_process'
import { calmSeed, stormSeed } from './draw.ts'
import { interruptedCode } from './interruption.ts'
import { Progress } from './progress.ts'
import { Summary } from './report.ts'
import { ask, askAnother, startRunner } from './runners.ts'

export interface CampaignOptions {
  /** Number of the first seed. */
  readonly from: number
  /** Ends after so many seeds, minutes of real time, or hours of simulated time; 100 seeds by default. */
  readonly seeds: number | undefined
  readonly minutes: number | undefined
  readonly hours: number | undefined
  /** Each world ends at so many simulated seconds. */
  readonly until?: number | undefined
  /** Only worlds that live for hours. */
  readonly calm: boolean
  /** Only storms. */
  readonly storm: boolean
  /** Processes at once. */
  readonly jobs: number
  /** When it is aborted the campaign ends; worlds that are under way do not count. */
  readonly signal?: AbortSignal | undefined
  /** Where it is told how far it is; stderr by default. */
  readonly progress?: Pick<Progress, 'tell' | 'clear'>
}

/** One seed in so many runs twice, the second time in a fresh process. */
const againOf = 10

/** Exit codes, worst first: two runs of a seed differ, a rule is broken, something did not come to pass. */
const severity = [3, 1, 2, 0]

/**
 * Runs seeds and tells of each failure on stderr. `code`: that of the worst, as `main.ts` lists them, or that
 * of an interruption.
 */
export async function campaign(
  options: CampaignOptions,
): Promise<{ readonly summary: Summary; readonly code: number }> {
  const { from, minutes, hours, until, calm, storm, jobs, signal } = options
  const prefix = storm ? stormSeed : calm ? calmSeed : ''
  const isOpen = minutes !== undefined || hours !== undefined
  const end = from + (options.seeds ?? (isOpen ? Number.POSITIVE_INFINITY : 100))
  const started = performance.now()
  const summary = new Summary()
  let next = from
  let code = 0
  const isOver = () =>
    next >= end ||
    code === 3 ||
    summary.isInterrupted ||
    performance.now() - started > (minutes ?? Number.POSITIVE_INFINITY) * 60_000 ||
    summary.simulatedHours >= (hours ?? Number.POSITIVE_INFINITY)
  const { progress = new Progress() } = options
  const failed = (with_: number, text: string) => {
    progress.clear()
    process.stderr.write(`${text}\n`)
    code = severity.find((each) => each === code || each === with_) ?? code
  }
  const interrupted = () => {
    summary.isInterrupted = true
  }
  const runSeeds = async (runner: ChildProcess) => {
    while (!isOver()) {
      const order = { seed: `${prefix}${next}`, until }
      const isTwice = next++ % againOf === 0
      const answer = await ask(runner, order, signal)
      if (answer === undefined) return interrupted()
      if (typeof answer === 'string') return failed(3, answer)
      summary.add(answer.result, answer.memory)
      progress.tell(`${summary.runs} seeds, ${summary.simulatedHours.toFixed(1)} simulated hours`)
      if (answer.failure !== undefined) failed(answer.failure.code, answer.failure.text)
      if (!isTwice) continue
      const other = await askAnother(order, signal)
      if (other === undefined) return interrupted()
      if (typeof other === 'string') return failed(3, other)
      const [here, there] = [answer.result.hash, other.result.hash]
      if (here === there) summary.repeated++
      else failed(3, `seed ${order.seed} gives ${here} here and ${there} elsewhere`)
    }
  }
  const work = async () => {
    const runner = startRunner()
    await runSeeds(runner)
    if (runner.connected) runner.disconnect()
  }
  await Promise.all(Array.from({ length: jobs }, work))
  progress.clear()
  return { summary, code: summary.isInterrupted ? interruptedCode : code }
}
