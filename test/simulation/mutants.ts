/**
 * Planted bugs (`mutants.json`): a place of the product is changed while it is loaded (`mutate.mjs`), as
 * by a mistake that somebody could make, or that was made: then it undoes what repaired it, and has the plan
 * that shows it. Nothing in the product knows of it. `mutants-found.json` is the record of the last hunt
 * (`hunt.ts`). Spec: simulation.md §13.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What stands at one place of the product, and what shall stand there. */
export interface Change {
  /** Path from the project's root. */
  readonly file: string
  /** Stands once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutant extends Change {
  readonly name: string
  /** Other places that the mistake takes. */
  readonly also?: readonly Change[]
  /** The kept plan that was made small with this mutant planted. */
  readonly plan?: string
}

/** How a mutant was found: in the plan that is kept of it, or else by a seed. */
export type Finding = PlanFinding | SeedFinding
export interface PlanFinding {
  readonly plan: string
  readonly rule: string
}
export interface SeedFinding {
  /** The first of the seeds that were run, and the one that broke a rule. */
  readonly from: number
  readonly seed: number
  /** How many were run. */
  readonly seeds: number
  readonly rule: string
}

/** What must hold of mutants that have no plan (simulation.md §13). */
export const seedsMedianMax = 20
export const seedsMax = 500

/** Tells `mutate.mjs` which mutant to make. */
const mutantVariable = 'MESETA_MUTANT'

const mutantsPath = join(import.meta.dirname, 'mutants.json')
const findingsPath = join(import.meta.dirname, 'mutants-found.json')

export function readMutants(): readonly Mutant[] {
  return JSON.parse(readFileSync(mutantsPath, 'utf8')) as Mutant[]
}

/** @throws RangeError for a name that no mutant has */
export function findMutant(name: string): Mutant {
  const mutants = readMutants()
  const found = mutants.find((mutant) => mutant.name === name)
  if (found !== undefined) return found
  const names = mutants.map((mutant) => mutant.name).join(', ')
  throw new RangeError(`no mutant is called '${name}'; there are: ${names}`)
}

/** How a process of TypeScript is started with a mutant in it. */
export function planting(mutant: Mutant): { env: NodeJS.ProcessEnv; execArgv: string[] } {
  return {
    env: { ...process.env, [mutantVariable]: JSON.stringify(changesOf(mutant)) },
    execArgv: [
      '--max-semi-space-size=32',
      ...['--import', join(import.meta.dirname, 'mutate.mjs'), '--import', 'tsx'],
    ],
  }
}

/** Whether this process was started with one. */
export function isPlanted(): boolean {
  return mutantVariable in process.env
}

export function changesOf(mutant: Mutant): readonly Change[] {
  return [mutant, ...(mutant.also ?? [])]
}

/** By name of the mutant. */
export function readFindings(): Record<string, Finding> {
  return JSON.parse(readFileSync(findingsPath, 'utf8')) as Record<string, Finding>
}

/** Puts findings into the record; those of mutants that are no more leave it. */
export function recordFindings(found: Readonly<Record<string, Finding>>): void {
  const all = { ...readFindings(), ...found }
  const kept = readMutants().flatMap(({ name }) => (all[name] ? [[name, all[name]] as const] : []))
  writeFileSync(findingsPath, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`)
}

/** After how many seeds those were found that a seed found. */
export function seedsOf(findings: readonly Finding[]): number[] {
  return findings.flatMap((finding) => ('seeds' in finding ? [finding.seeds] : []))
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
