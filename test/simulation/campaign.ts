/**
 * Many seeds, on as many processes as are asked for: each runs one (`runner.ts`) and is given the next.
 * Nothing is shared between them. Spec: simulation.md §12, §14.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { calmSeed, stormSeed } from './draw.ts'
import { Progress } from './progress.ts'
import { Summary } from './report.ts'
import type { Answer, Order } from './runner.ts'

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
}

/** One seed in so many runs twice, the second time in a fresh process. */
const againOf = 10

/** Exit codes, worst first: two runs of a seed differ, a rule is broken, something did not come to pass. */
const severity = [3, 1, 2, 0]

/** Runs seeds and tells of each failure on stderr. `code`: that of the worst, as `main.ts` lists them. */
export async function campaign(
  options: CampaignOptions,
): Promise<{ readonly summary: Summary; readonly code: number }> {
  const { from, minutes, hours, until, calm, storm, jobs } = options
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
    performance.now() - started > (minutes ?? Number.POSITIVE_INFINITY) * 60_000 ||
    summary.simulatedHours >= (hours ?? Number.POSITIVE_INFINITY)
  const progress = new Progress()
  const failed = (with_: number, text: string) => {
    progress.clear()
    process.stderr.write(`${text}\n`)
    code = severity.find((each) => each === code || each === with_) ?? code
  }
  const work = async () => {
    const runner = startRunner()
    while (!isOver()) {
      const seed = `${prefix}${next}`
      const again = next++ % againOf === 0
      const answer = await ask(runner, { seed, until, again })
      if (typeof answer === 'string') return failed(3, answer)
      summary.add(answer.result, answer.memory)
      progress.tell(`${summary.runs} seeds, ${summary.simulatedHours.toFixed(1)} simulated hours`)
      if (answer.failure !== undefined) failed(answer.failure.code, answer.failure.text)
      if (answer.elsewhere === answer.result.hash) summary.repeated++
      else if (answer.elsewhere !== undefined)
        failed(3, `seed ${seed} gives ${answer.result.hash} here and ${answer.elsewhere} elsewhere`)
    }
    runner.disconnect()
  }
  await Promise.all(Array.from({ length: jobs }, work))
  progress.clear()
  return { summary, code }
}

function startRunner(): ChildProcess {
  return fork(join(import.meta.dirname, 'runner.ts'), {
    serialization: 'advanced',
    execArgv: [...process.execArgv, '--expose-gc'],
  })
}

/** What came of one seed, or how the process ended. */
function ask(runner: ChildProcess, order: Order): Promise<Answer | string> {
  return new Promise((resolve) => {
    const heard = (answer: unknown) => {
      runner.off('exit', ended)
      resolve(answer as Answer)
    }
    const ended = (exit: number | null, signal: string | null) => {
      runner.off('message', heard)
      resolve(`the process of seed ${order.seed} ended with ${signal ?? exit}`)
    }
    runner.once('message', heard)
    runner.once('exit', ended)
    runner.send(order)
  })
}
