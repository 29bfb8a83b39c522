/** One process of a campaign: runs the seeds that its parent names, and ends with it. */
import { drawPlan } from './draw.ts'
import { lookEvery, measureLiveBytes } from './growth.ts'
import { ignoreInterruptions } from './interruption.ts'
import { codeOf, type Memory, renderFailure } from './report.ts'
import { type Result, run } from './run.ts'

/** `until`: it stops at so many simulated seconds. */
export interface Order {
  readonly seed: string
  readonly until?: number | undefined
}

/** What came of it. */
export interface Answer {
  readonly result: Result
  /** What is told of a broken rule, and the exit code that stands for it. */
  readonly failure: { readonly text: string; readonly code: number } | undefined
  readonly memory: Memory
}

/** How many have been run. */
let worlds = 0

ignoreInterruptions()
process.on('disconnect', () => process.exit())
process.on('message', (order: Order) => {
  void answer(order).then((found) => process.send?.(found))
})

async function answer({ seed, until }: Order): Promise<Answer> {
  const plan = drawPlan(seed)
  const result = await run(plan, { until })
  const memory = measureMemory()
  const { failure } = result
  return {
    result: { ...result, lines: [] },
    failure: failure && { text: renderFailure(plan, result), code: codeOf(failure.rule) },
    memory,
  }
}

/** Collects the garbage, for which the process must have been started with `--expose-gc`. */
function measureMemory(): Memory {
  const residentBytes = process.memoryUsage.rss()
  globalThis.gc?.()
  const isLook = ++worlds % lookEvery === 0
  const memory = { process: process.pid, residentBytes }
  return isLook ? { ...memory, liveBytes: measureLiveBytes() } : memory
}
