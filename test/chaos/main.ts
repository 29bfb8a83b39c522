/**
 * `npm run chaos`: a whole cluster under faults, and a table of what came of it. Exit code 0 if nothing was
 * lost or done twice, 1 after a violation, 2 for bad usage, 130 if interrupted.
 *
 *     npm run chaos -- [--seconds 180] [--every 10] [--rate 50] [--seed TEXT] [--json]
 *
 * It runs in a network of its own, so that a leader can be cut off; where there can be none, that fault is
 * left out, and the reason is printed.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { inOwnNetwork, networkProblem } from '../support/network.ts'
import { renderResult } from './report.ts'
import { type RunOptions, run } from './run.ts'

/** Set in the process that is in the network: `yes`, or why there is none. */
const networkVariable = 'MESETA_CHAOS_NETWORK'

// An interrupted run may still wait for something.
process.exit(await main())

async function main(): Promise<number> {
  const settings = readSettings()
  if (typeof settings === 'string') {
    process.stderr.write(`${settings}\n`)
    return 2
  }
  const network = process.env[networkVariable]
  return network === undefined ? startInNetwork() : perform(settings, network)
}

type Settings = Omit<RunOptions, 'network' | 'onEvent' | 'signal'> & { readonly json: boolean }

function readSettings(): Settings | string {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  try {
    const { values } = parseArgs({
      options: { seconds: text, every: text, rate: text, seed: text, json: flag },
    })
    return {
      seconds: positive('--seconds', values.seconds, 180),
      everySeconds: positive('--every', values.every, 10),
      tasksPerSecond: positive('--rate', values.rate, 50),
      seed: values.seed ?? String(Date.now()),
      json: values.json,
    }
  } catch (error) {
    return (error as Error).message
  }
}

function positive(flag: string, given: string | undefined, preset: number): number {
  const value = given === undefined ? preset : Number(given)
  if (!(value > 0)) throw new Error(`${flag} must be a number above 0, not ${given}`)
  return value
}

/** Starts this program again where it can have a network; resolves with its exit code. */
async function startInNetwork(): Promise<number> {
  const problem = networkProblem()
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  // It ends with this process, whatever ends this one, and all others end with it.
  const bound = ['setpriv', '--pdeathsig', 'KILL', ...own]
  const [program = '', ...args] = problem === undefined ? inOwnNetwork(bound) : own
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, [networkVariable]: problem ?? 'yes' },
  })
  // Ctrl-C reaches both; other signals reach this one only.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`${error.message}\n`)
      resolve(1)
    })
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

async function perform({ json, ...options }: Settings, network: string): Promise<number> {
  const say = (line: string) => (json ? process.stderr : process.stdout).write(`${line}\n`)
  say(`seed ${options.seed}`)
  if (network !== 'yes') say(`the leader is not cut off, as there are no networks here: ${network}`)
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interruption.abort(new Error(signal)))
  }
  const onEvent = (atMs: number, what: string) =>
    say(`${(atMs / 1000).toFixed(1).padStart(7)} s  ${what}`)
  try {
    const { signal } = interruption
    const result = await run({ ...options, network: network === 'yes', onEvent, signal })
    const text = json ? JSON.stringify(result) : renderResult(result)
    process.stdout.write(`${text}\n`)
    return result.violations.length === 0 ? 0 : 1
  } catch (error) {
    if (interruption.signal.aborted) return 130
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
    return 1
  }
}
