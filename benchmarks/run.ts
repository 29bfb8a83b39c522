/**
 * Runs benchmarks, each in a fresh process on compiled output, and sums up how they went.
 *
 *     npm run bench -- [names] [--quick] [--json FILE]
 *
 * Without names: all. `--quick` proves that they still run; its figures mean little. `--json` writes the
 * figures of all to one file, with the commit and the machine that they belong to.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus, platform, release } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** In the order of running: what users feel first. */
const benchmarks = [
  'offers',
  'launch',
  'failover',
  'answers',
  'scale',
  'memory',
  'allocator',
  'allocation',
  'bookkeeping',
  'registrar',
  'actors',
  'log',
]
/** Longest time that a benchmark may take, ms: a hang is a failure that says so. */
const limitMs = { quick: 60_000, full: 15 * 60_000 }

const root = resolve(import.meta.dirname, '..')
const compiled = join(root, 'dist', 'benchmarks')

interface Outcome {
  readonly name: string
  readonly seconds: number
  /** Why it failed; undefined if it did not. */
  readonly problem: string | undefined
  /** What it printed, where that was JSON. */
  readonly result: unknown
}

const { values: flags, positionals } = usable(() =>
  parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
  }),
)

process.exitCode = await main()

async function main(): Promise<number> {
  const setup = spawnSync(process.execPath, [join(root, 'src', 'setup.mjs')], { stdio: 'inherit' })
  if (setup.status !== 0) return 1
  const known = benchmarks.filter((name) => existsSync(join(compiled, `${name}.js`)))
  const unknown = positionals.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    process.stderr.write(`there is no benchmark ${unknown}; there are ${known.join(', ')}\n`)
    return 2
  }
  const outcomes: Outcome[] = []
  for (const name of positionals.length > 0 ? positionals : known) {
    process.stdout.write(`\n${name}\n`)
    outcomes.push(await runOne(name))
  }
  process.stdout.write('\n')
  for (const { name, seconds, problem } of outcomes) {
    process.stdout.write(
      `${problem === undefined ? 'ran   ' : 'failed'} ${name.padEnd(12)} ${seconds.toFixed(1)} s${problem ? `  ${problem}` : ''}\n`,
    )
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report(outcomes))}\n`)
  return outcomes.some(({ problem }) => problem !== undefined) ? 1 : 0
}

/** What the arguments say; wrong ones end the program with a sentence. */
function usable<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    const usage = 'npm run bench -- [names] [--quick] [--json FILE]'
    process.stderr.write(`${(error as Error).message}\n${usage}\n`)
    process.exit(2)
  }
}

/** Runs a benchmark; its tables go to the terminal, or its JSON into the outcome. */
async function runOne(name: string): Promise<Outcome> {
  const wantsJson = flags.json !== undefined
  const args = [join(compiled, `${name}.js`)]
  if (flags.quick) args.push('--quick')
  if (wantsJson) args.push('--json')
  const begin = performance.now()
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', wantsJson ? 'pipe' : 'inherit', 'inherit'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  let late = false
  const timer = setTimeout(
    () => {
      late = true
      child.kill('SIGKILL')
    },
    flags.quick ? limitMs.quick : limitMs.full,
  )
  const status = await new Promise<string | undefined>((settle) => {
    child.once('error', (error) => settle(error.message))
    child.once('close', (code, signal) =>
      settle(code === 0 ? undefined : `ended with ${signal ?? code}`),
    )
  })
  clearTimeout(timer)
  const seconds = (performance.now() - begin) / 1000
  const problem = late ? `took longer than ${seconds.toFixed(0)} s` : status
  if (!wantsJson || problem !== undefined) return { name, seconds, problem, result: undefined }
  try {
    return { name, seconds, problem, result: JSON.parse(output) }
  } catch (error) {
    return { name, seconds, problem: `no JSON: ${(error as Error).message}`, result: undefined }
  }
}

function report(outcomes: readonly Outcome[]) {
  const git = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' })
  return {
    commit: git.status === 0 ? git.stdout.trim() : null,
    quick: flags.quick,
    node: process.version,
    system: `${platform()} ${release()}`,
    cpus: cpus().map(({ model }) => model),
    benchmarks: outcomes,
  }
}
