/**
 * One process of the hunt, with a mutant in it: runs the seeds `from` to `end` (not included), tells its
 * parent of each, and stops after the first that breaks a rule. Ends with its parent.
 */
import { drawPlan } from './draw.ts'
import { ignoreInterruptions } from './interruption.ts'
import { run } from './run.ts'

/** What came of one seed. */
export interface Sighting {
  readonly seed: number
  /** The rule that it broke. */
  readonly rule?: string
}

const [from = 1, end = 1] = process.argv.slice(2).map(Number)
ignoreInterruptions()
process.on('disconnect', () => process.exit())
for (let seed = from; seed < end; seed++) {
  const { failure } = await run(drawPlan(String(seed)))
  await tell({ seed, ...(failure && { rule: failure.rule }) })
  if (failure !== undefined) break
}
process.exit()

function tell(sighting: Sighting): Promise<void> {
  return new Promise((resolve) => process.send?.(sighting, () => resolve()))
}
