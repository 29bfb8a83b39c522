/** One process of a campaign: runs the seeds that its parent names, and ends with it. */
import { hashElsewhere } from './again.ts'
import { drawPlan } from './draw.ts'
import { codeOf, renderFailure } from './report.ts'
import { type Result, run } from './run.ts'

/** `again`: the seed is also run in a fresh process. */
export interface Order {
  readonly seed: string
  readonly again: boolean
}

/** What came of it. */
export interface Answer {
  readonly result: Result
  /** What is told of a broken rule, and the exit code that stands for it. */
  readonly failure: { readonly text: string; readonly code: number } | undefined
  /** The hash that a fresh process came to. */
  readonly elsewhere: string | undefined
  /** Resident memory of this process. */
  readonly memoryBytes: number
}

process.on('disconnect', () => process.exit())
process.on('message', ({ seed, again }: Order) => {
  void answer(seed, again).then((found) => process.send?.(found))
})

async function answer(seed: string, again: boolean): Promise<Answer> {
  const plan = drawPlan(seed)
  const result = await run(plan)
  const memoryBytes = process.memoryUsage.rss()
  const { failure } = result
  return {
    result: { ...result, lines: [] },
    failure: failure && { text: renderFailure(plan, result), code: codeOf(failure.rule) },
    elsewhere: again ? await hashElsewhere(seed) : undefined,
    memoryBytes,
  }
}
