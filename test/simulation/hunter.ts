/**
 * One process of the hunt, with a mutant in it. Its arguments are `seeds FROM END` (not included), of which it
 * runs one after the other up to the first that breaks a rule, or `plan NAME`, a kept one. It tells its
 * parent of each, and ends with it.
 */
import { drawPlan } from './draw.ts'
import { ignoreInterruptions } from './interruption.ts'
import { readPlan } from './kept-plans.ts'
import type { Plan } from './plan.ts'
import { run } from './run.ts'

/** What came of one plan. */
export interface Sighting {
  readonly seed: string
  /** The rule that it broke. */
  readonly rule?: string
}

const [kind, from = '', end] = process.argv.slice(2)
ignoreInterruptions()
process.on('disconnect', () => process.exit())
if (kind === 'plan') await look(readPlan(from))
else {
  for (let seed = Number(from); seed < Number(end); seed++)
    if (await look(drawPlan(String(seed)))) break
}
process.exit()

/** Tells the parent; returns whether a rule was broken. */
async function look(plan: Plan): Promise<boolean> {
  const { failure } = await run(plan)
  const sighting: Sighting = { seed: plan.seed, ...(failure && { rule: failure.rule }) }
  await new Promise<void>((resolve) => process.send?.(sighting, () => resolve()))
  return failure !== undefined
}
