/**
 * Planted bugs: one line of the product is changed while it is loaded (`mutate.mjs`), and seeds are run
 * until a rule is broken. Nothing in the product knows of it. Spec: simulation.md §13.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Tells `mutate.mjs` which mutant to make. */
const mutantVariable = 'MESETA_MUTANT'

export interface Mutant {
  readonly name: string
  /** Path from the project's root. */
  readonly file: string
  /** Stands once in the file. */
  readonly find: string
  readonly replace: string
}

export function readMutants(): readonly Mutant[] {
  const path = join(import.meta.dirname, 'mutants.json')
  return JSON.parse(readFileSync(path, 'utf8')) as Mutant[]
}

/** Prints for each mutant after how many seeds it was found; 1 if one was not within `seeds`. */
export async function huntMutants(names: readonly string[], seeds: number): Promise<number> {
  const chosen = readMutants().filter(({ name }) => names.length === 0 || names.includes(name))
  const found: number[] = []
  for (const mutant of chosen) {
    const { runs, rules } = await hunt(mutant, seeds)
    if (rules !== '') found.push(runs)
    const outcome =
      rules === '' ? `NOT found in ${runs} seeds` : `found by ${rules} after ${runs} seeds`
    process.stdout.write(`${mutant.name.padEnd(40)}${outcome}\n`)
  }
  found.sort((a, b) => a - b)
  const median = found[Math.floor(found.length / 2)] ?? 0
  process.stdout.write(`${found.length} of ${chosen.length} found, median ${median} seeds\n`)
  return found.length === chosen.length ? 0 : 1
}

function hunt(mutant: Mutant, seeds: number): Promise<{ runs: number; rules: string }> {
  const here = import.meta.dirname
  const args = ['--import', join(here, 'mutate.mjs'), '--import', 'tsx', join(here, 'main.ts')]
  const env = { ...process.env, [mutantVariable]: JSON.stringify(mutant) }
  const run = ['--seeds', String(seeds), '--stop-at-first', '--json']
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [...args, ...run],
      { env, maxBuffer: 2 ** 26 },
      (_, stdout, stderr) => {
        try {
          const { runs, failed } = JSON.parse(stdout) as { runs: number; failed: object }
          resolve({ runs, rules: Object.keys(failed).join(', ') })
        } catch {
          reject(new Error(`${mutant.name}: ${stderr.slice(-2000)}`))
        }
      },
    )
  })
}
