/**
 * `npm run simulate`: whole clusters on a virtual clock, each decided by a seed. Exit code 0 if no rule was
 * broken, 1 after a broken rule, 2 if something that must happen did not, 3 if two runs of one seed
 * differ, 64 for bad usage, 130 if it was interrupted. Guide: docs/simulation.md. Spec: simulation.md §12-14.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { type CampaignOptions, campaign } from './campaign.ts'
import { drawPlan } from './draw.ts'
import { huntMutants } from './hunt.ts'
import { interruption } from './interruption.ts'
import { readPlan } from './kept-plans.ts'
import { findMutant, isPlanted, planting, seedsMax } from './mutants.ts'
import type { Plan } from './plan.ts'
import { codeOf, renderFailure, renderSummary, Summary } from './report.ts'
import { run } from './run.ts'
import { shrink } from './shrink.ts'

const usage = `npm run simulate -- --seed S [--until SECONDS] [--trace full] [--no-shrink]
npm run simulate -- [--seeds N | --minutes M | --hours H] [--calm | --storm] [--until SECONDS]
                    [--from SEED] [--jobs N] [--json]
npm run simulate -- --plan NAME|FILE [--until SECONDS] [--trace full] [--no-shrink]
npm run simulate -- --mutant NAME (--seed S | --plan NAME|FILE) ...
npm run simulate -- --mutants [--seeds N] [--from SEED] [--jobs N] [--record] [NAME...]
`
const usageCode = 64
/** CPU time that making a failing plan small may take, ms. */
const shrinkMs = 180_000

process.exit(await main())

async function main(): Promise<number> {
  const settings = readSettings()
  if (typeof settings === 'string') {
    process.stderr.write(`${settings}\n`)
    return usageCode
  }
  const { plan, seed, seeds, json, mutant, mutants, help } = settings
  if (help) {
    process.stdout.write(usage)
    return 0
  }
  if (mutant !== undefined && !isPlanted()) return usable(() => withMutant(mutant))
  if (plan !== undefined) return usable(async () => one(readPlan(plan), settings))
  if (seed !== undefined) return one(drawPlan(seed), settings)
  const signal = interruption()
  if (mutants) return usable(() => huntMutants({ ...settings, seeds: seeds ?? seedsMax, signal }))
  return many({ ...settings, signal }, json)
}

/** This command once more, in a process with the mutant in it: exit code. */
async function withMutant(name: string): Promise<number> {
  const { env, execArgv } = planting(findMutant(name))
  const args = [...execArgv, ...process.argv.slice(1)]
  const child = spawn(process.execPath, args, { env, stdio: 'inherit' })
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)))
}

/** Runs what refuses unknown names. */
async function usable(act: () => Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    process.stderr.write(`${error.message}\n`)
    return usageCode
  }
}

function readSettings() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        seed: text,
        seeds: text,
        minutes: text,
        hours: text,
        calm: flag,
        storm: flag,
        from: text,
        until: text,
        trace: text,
        plan: text,
        json: flag,
        help: flag,
        mutant: text,
        mutants: flag,
        jobs: text,
        record: flag,
        'no-shrink': flag,
      },
    })
    if (values.mutant !== undefined && (values.seed ?? values.plan) === undefined)
      return '--mutant is for one --seed or --plan'
    if (values.calm && values.storm) return '--calm and --storm ask for different worlds'
    if (values.trace !== undefined && values.trace !== 'full') return '--trace can only be full'
    return {
      ...values,
      seeds: positive('--seeds', values.seeds),
      minutes: positive('--minutes', values.minutes),
      hours: positive('--hours', values.hours),
      until: positive('--until', values.until),
      from: positive('--from', values.from) ?? 1,
      jobs: positive('--jobs', values.jobs) ?? 1,
      isRecording: values.record,
      isShrinking: !values['no-shrink'],
      names: positionals,
    }
  } catch (error) {
    return (error as Error).message
  }
}

function positive(flag: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  if (!(Number(given) > 0)) throw new Error(`${flag} must be a number above 0, not ${given}`)
  return Number(given)
}

interface OneOptions {
  readonly until: number | undefined
  readonly trace?: string | undefined
  readonly json: boolean
  readonly isShrinking: boolean
}

async function one(plan: Plan, { until, trace, json, isShrinking }: OneOptions): Promise<number> {
  const result = await run(plan, {
    until,
    ...(trace === 'full' && { print: (line) => process.stdout.write(`${line}\n`) }),
  })
  const summary = new Summary()
  summary.add(result, { process: process.pid, residentBytes: process.memoryUsage.rss() })
  if (result.failure === undefined) {
    process.stdout.write(`${json ? JSON.stringify(summary.toJSON()) : renderSummary(summary)}\n`)
    process.stdout.write(json ? '' : `trace hash ${result.hash}\n`)
    return 0
  }
  process.stdout.write(`${renderFailure(plan, result)}\n`)
  if (isShrinking && until === undefined) {
    const small = await shrink(plan, result.failure, shrinkMs)
    process.stdout.write(`shrunken plan after ${small.runs} runs:\n${JSON.stringify(small.plan)}\n`)
  }
  return codeOf(result.failure.rule)
}

async function many(options: CampaignOptions, json: boolean): Promise<number> {
  const { summary, code } = await campaign(options)
  process.stdout.write(`${json ? JSON.stringify(summary.toJSON()) : renderSummary(summary)}\n`)
  return code
}
