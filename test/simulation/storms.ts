/** What storms hold, beside what each of them must: the chaos run of ten minutes of simulation.md §14. */
import { median } from './mutants.ts'
import type { Result } from './run.ts'

/** Each storm has at least so many. */
export const stormGoals = {
  faults: 300,
  kinds_of_faults: 12,
  crashes: 20,
  leader_changes: 5,
  launches: 1000,
} as const
export type StormFigure = keyof typeof stormGoals

const figures = Object.keys(stormGoals) as StormFigure[]

export function figuresOf(
  result: Pick<Result, 'faults' | 'crashes' | 'launches' | 'situations'>,
): Readonly<Record<StormFigure, number>> {
  const { faults, crashes, launches, situations } = result
  const kinds = [...situations.keys()].filter((name) => name.startsWith('fault '))
  return {
    faults,
    kinds_of_faults: kinds.length,
    crashes,
    leader_changes: Math.max(0, (situations.get('leads') ?? 0) - 1),
    launches,
  }
}

/** The figures of all storms of a campaign. */
export class Storms {
  readonly #runs: Array<Readonly<Record<StormFigure, number>>> = []

  add(result: Result): void {
    this.#runs.push(figuresOf(result))
  }

  /** By figure, that of the storm that has least and of the one in the middle. */
  toJSON() {
    const rows = figures.map((name) => {
      const found = this.#runs.map((run) => run[name])
      const row = { goal: stormGoals[name], least: Math.min(...found), median: median(found) }
      return [`${name}_in_a_storm`, row] as const
    })
    return Object.fromEntries(rows)
  }
}
