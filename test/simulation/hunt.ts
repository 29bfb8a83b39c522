/**
 * The hunt for planted bugs: each mutant lives in a process of its own (`hunter.ts`), which runs seeds until
 * one breaks a rule. A seed that breaks one without the mutant finds nothing. Spec: simulation.md §13.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { drawPlan } from './draw.ts'
import type { Sighting } from './hunter.ts'
import { interruptedCode } from './interruption.ts'
import { type Finding, type Mutant, median, readMutants, recordFindings } from './mutants.ts'
import { Progress } from './progress.ts'
import { run } from './run.ts'

/** Tells `mutate.mjs` which mutant to make. */
const mutantVariable = 'MESETA_MUTANT'

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
  const seeds = Object.values(found).map((finding) => finding.seeds)
  process.stdout.write(
    `${isInterrupted ? 'interrupted; ' : ''}${seeds.length} of ${chosen.length} found, median ${median(seeds)} seeds, at most ${Math.max(0, ...seeds)}\n`,
  )
  if (isInterrupted) return interruptedCode
  return seeds.length === chosen.length ? 0 : 1
}

function choose(names: readonly string[]): readonly Mutant[] {
  const all = readMutants()
  const known = new Set(all.map(({ name }) => name))
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined)
    throw new RangeError(`no mutant is called '${unknown}'; there are: ${[...known].join(', ')}`)
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

function renderOutcome(outcome: Finding | Miss): string {
  if (typeof outcome === 'string') return `NOT found: ${outcome}`
  const { seeds, rule, seed } = outcome
  return `${String(seeds).padStart(3)} ${seeds === 1 ? 'seed ' : 'seeds'} ${rule} (seed ${seed})`
}

/** Runs the seeds from `from` on, until one finds the mutant. */
export async function hunt(
  mutant: Mutant,
  { from, seeds, signal }: Pick<HuntOptions, 'from' | 'seeds' | 'signal'>,
): Promise<Finding | Miss> {
  const end = from + seeds
  const ill: number[] = []
  for (let next = from; next < end; ) {
    const last = await look(mutant, next, end, signal)
    if (typeof last === 'string') return last
    const { seed, rule } = last
    if (rule === undefined) break
    if (!(await failsAnyway(seed))) return { from, seed, seeds: seed - from + 1, rule }
    ill.push(seed)
    next = seed + 1
  }
  const doubt = ill.length === 0 ? '' : `; these break a rule without it, too: ${ill.join(', ')}`
  return `in ${seeds} seeds${doubt}`
}

/** Runs the mutant until a seed breaks a rule; gives back the last one. */
function look(
  mutant: Mutant,
  from: number,
  end: number,
  signal?: AbortSignal,
): Promise<Sighting | Miss> {
  const here = import.meta.dirname
  return new Promise((resolve) => {
    const child = fork(join(here, 'hunter.ts'), [String(from), String(end)], {
      env: { ...process.env, [mutantVariable]: JSON.stringify(mutant) },
      execArgv: [
        '--max-semi-space-size=32',
        ...['--import', join(here, 'mutate.mjs'), '--import', 'tsx'],
      ],
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
      progress.tell(`${mutant.name}: seed ${sighting.seed} of ${end - 1}`)
    })
    child.on('close', (code, by) => {
      clearTimeout(hang)
      signal?.removeEventListener('abort', kill)
      if (code === 0 && last !== undefined) resolve(last)
      else resolve(`it ended with ${by ?? code} after seed ${last?.seed ?? from - 1} ${errors}`)
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
