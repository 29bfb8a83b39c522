/**
 * The hunt for planted bugs: each mutant lives in a process of its own (`hunter.ts`), which runs seeds until
 * one breaks a rule. A seed that breaks one without the mutant finds nothing. A mutant that has a plan is
 * looked for in that, and nowhere else. Spec: simulation.md §13.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { drawPlan } from './draw.ts'
import type { Sighting } from './hunter.ts'
import { interruptedCode } from './interruption.ts'
import {
  type Finding,
  findMutant,
  type Mutant,
  median,
  planting,
  readMutants,
  recordFindings,
  type SeedFinding,
  seedsOf,
} from './mutants.ts'
import { Progress } from './progress.ts'
import { run } from './run.ts'

/** A mutant that has run this long within one seed, by the wall clock, hangs. */
const hangMs = 600_000

const progress = new Progress()

export interface HuntOptions {
  /** Which mutants; all if there are no names. */
  readonly names: readonly string[]
  /** How many seeds each may take, and the first of them. */
  readonly seeds: number
  readonly from: number
  /** Mutants that are hunted at once. */
  readonly jobs: number
  /** Whether what is found goes to the record. */
  readonly isRecording: boolean
  /** When it is aborted the hunt ends. */
  readonly signal?: AbortSignal
}

/** Why a mutant was not found. */
export type Miss = string

/**
 * Prints for each mutant after how many seeds it was found, and their median and maximum.
 * @returns exit code: 1 if one was not found, that of an interruption if it ended early
 * @throws RangeError for a name that no mutant has
 */
export async function huntMutants(options: HuntOptions): Promise<number> {
  const chosen = choose(options.names)
  const found: Record<string, Finding> = {}
  let begun = 0
  const hunter = async () => {
    for (let mutant = chosen[begun++]; mutant !== undefined; mutant = chosen[begun++]) {
      const { name } = mutant
      const outcome = await hunt(mutant, options)
      progress.clear()
      if (typeof outcome !== 'string') {
        found[name] = outcome
        if (options.isRecording) recordFindings({ [name]: outcome })
      }
      process.stdout.write(`${name.padEnd(48)}${renderOutcome(outcome)}\n`)
    }
  }
  const { signal } = options
  const all = Promise.all(Array.from({ length: options.jobs }, hunter))
  await (signal === undefined ? all : Promise.race([all, once(signal, 'abort')]))
  const isInterrupted = signal?.aborted ?? false
  if (isInterrupted) progress.clear()
  const findings = Object.values(found)
  const seeds = seedsOf(findings)
  process.stdout.write(
    `${isInterrupted ? 'interrupted; ' : ''}${findings.length} of ${chosen.length} found, ${findings.length - seeds.length} in their plans, by seeds median ${median(seeds)}, at most ${Math.max(0, ...seeds)}\n`,
  )
  if (isInterrupted) return interruptedCode
  return findings.length === chosen.length ? 0 : 1
}

function choose(names: readonly string[]): readonly Mutant[] {
  return names.length === 0 ? readMutants() : names.map(findMutant)
}

function renderOutcome(outcome: Finding | Miss): string {
  if (typeof outcome === 'string') return `NOT found: ${outcome}`
  if ('plan' in outcome) return `its plan ${outcome.rule}`
  const { seeds, rule, seed } = outcome
  return `${String(seeds).padStart(3)} ${seeds === 1 ? 'seed ' : 'seeds'} ${rule} (seed ${seed})`
}

type Range = Pick<HuntOptions, 'from' | 'seeds' | 'signal'>

async function hunt(mutant: Mutant, range: Range): Promise<Finding | Miss> {
  const { plan } = mutant
  if (plan === undefined) return huntSeeds(mutant, range)
  const last = await huntPlan(mutant, plan, range.signal)
  if (typeof last === 'string') return last
  if (last.rule !== undefined) return { plan, rule: last.rule }
  const other = await huntSeeds(mutant, range)
  const where = typeof other === 'string' ? `nor ${other}` : `but by seed ${other.seed}`
  return `in its plan ${plan}, ${where}`
}

/** What a kept plan shows with the mutant planted. */
export function huntPlan(
  mutant: Mutant,
  plan: string,
  signal?: AbortSignal,
): Promise<Sighting | Miss> {
  return look(mutant, ['plan', plan], () => plan, signal)
}

/** Runs the seeds from `from` on, until one finds the mutant. */
export async function huntSeeds(
  mutant: Mutant,
  { from, seeds, signal }: Range,
): Promise<SeedFinding | Miss> {
  const end = from + seeds
  const ill: number[] = []
  for (let next = from; next < end; ) {
    const label = ({ seed }: Sighting) => `seed ${seed} of ${end - 1}`
    const task = ['seeds', String(next), String(end)]
    const last = await look(mutant, task, label, signal)
    if (typeof last === 'string') return last
    const { rule } = last
    const seed = Number(last.seed)
    if (rule === undefined) break
    if (!(await failsAnyway(seed))) return { from, seed, seeds: seed - from + 1, rule }
    ill.push(seed)
    next = seed + 1
  }
  const doubt = ill.length === 0 ? '' : `; these break a rule without it, too: ${ill.join(', ')}`
  return `in ${seeds} seeds${doubt}`
}

/** Runs a hunter until it ends; gives back the last that it saw. */
function look(
  mutant: Mutant,
  task: readonly string[],
  label: (sighting: Sighting) => string,
  signal: AbortSignal | undefined,
): Promise<Sighting | Miss> {
  return new Promise((resolve) => {
    const child = fork(join(import.meta.dirname, 'hunter.ts'), task, {
      ...planting(mutant),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let errors = ''
    child.stderr?.on('data', (text) => {
      errors = `${errors}${text}`.slice(-2000)
    })
    let last: Sighting | undefined
    const kill = () => child.kill('SIGKILL')
    const hang = setTimeout(kill, hangMs)
    signal?.addEventListener('abort', kill)
    child.on('message', (sighting: Sighting) => {
      last = sighting
      hang.refresh()
      progress.tell(`${mutant.name}: ${label(sighting)}`)
    })
    child.on('close', (code, by) => {
      clearTimeout(hang)
      signal?.removeEventListener('abort', kill)
      if (code === 0 && last !== undefined) resolve(last)
      else resolve(`it ended with ${by ?? code} after seed ${last?.seed ?? 'none'} ${errors}`)
    })
  })
}

const anyway = new Map<number, Promise<boolean>>()
let newest: Promise<unknown> = Promise.resolve()

/** Whether a seed breaks a rule in this process, which has no mutant. One at a time: it has but one clock. */
function failsAnyway(seed: number): Promise<boolean> {
  const known =
    anyway.get(seed) ??
    newest.then(async () => (await run(drawPlan(String(seed)))).failure !== undefined)
  anyway.set(seed, known)
  newest = known
  return known
}
