/**
 * Planted bugs (`mutants.json`): one place of the product is changed while it is loaded (`mutate.mjs`), as
 * by a mistake that somebody could make. Nothing in the product knows of it. `mutants-found.json` is the
 * record of the last hunt (`hunt.ts`). Spec: simulation.md §13.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Mutant {
  readonly name: string
  /** Path from the project's root. */
  readonly file: string
  /** Stands once in the file. */
  readonly find: string
  readonly replace: string
}

/** How a mutant was found. */
export interface Finding {
  /** The first of the seeds that were run, and the one that broke a rule. */
  readonly from: number
  readonly seed: number
  /** How many were run. */
  readonly seeds: number
  readonly rule: string
}

/** What must hold of all mutants (simulation.md §13). */
export const seedsMedianMax = 20
export const seedsMax = 500

const mutantsPath = join(import.meta.dirname, 'mutants.json')
const findingsPath = join(import.meta.dirname, 'mutants-found.json')

export function readMutants(): readonly Mutant[] {
  return JSON.parse(readFileSync(mutantsPath, 'utf8')) as Mutant[]
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

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
