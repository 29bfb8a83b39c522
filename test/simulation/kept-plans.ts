/** Plans that once failed, kept so that what they found stays fixed: `plans/*.json`. */
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

/** What plans do not say that were kept before there was such a thing. */
const calm = { pace: 'brisk', orders: [], lost: [], pendingBytesMax: 2 ** 26 }

/** Reads a kept plan by its name, or any other by its path. */
export function readPlan(name: string): Plan {
  const path = name.endsWith('.json') ? name : join(folder, `${name}.json`)
  const plan = { ...calm, ...JSON.parse(readFileSync(path, 'utf8')) } as Plan
  return {
    ...plan,
    weather: { ...plan.weather, flip: plan.weather.flip ?? 0, diskMs: plan.weather.diskMs ?? 0 },
    frameworks: plan.frameworks.map((framework) => ({ ...framework, role: framework.role ?? '*' })),
  }
}
