/** Plans in which bugs were seen that are fixed, kept so that they stay so: `plans/*.json`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plan } from './plan.ts'

const folder = join(import.meta.dirname, 'plans')

/** Names of the kept plans, sorted. Each says what it is about. */
export function keptPlans(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

/**
 * Reads a kept plan by its name, or any other by its path.
 * @throws RangeError if there is none, or it is no JSON
 */
export function readPlan(name: string): Plan {
  const path = name.endsWith('.json') ? name : join(folder, `${name}.json`)
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Plan
  } catch (error) {
    const kept = keptPlans().join(', ')
    throw new RangeError(`no plan '${name}': ${(error as Error).message}; kept are: ${kept}`)
  }
}
