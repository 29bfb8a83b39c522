/**
 * Kept plans and fresh seeds of the whole cluster on a virtual clock, within a budget of CPU time. Fresh
 * seeds, and the plans that are run with their bugs planted, follow from the date, so that each day looks
 * elsewhere; what fails prints what replays it.
 * Spec: simulation.md §12-14.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { drawPlan, stormSeed } from './draw.ts'
import { huntPlan, huntSeeds } from './hunt.ts'
import { keptPlans, readPlan } from './kept-plans.ts'
import {
  changesOf,
  median,
  readFindings,
  readMutants,
  seedsMax,
  seedsMedianMax,
  seedsOf,
} from './mutants.ts'
import type { Plan } from './plan.ts'
import { renderFailure } from './report.ts'
import { run } from './run.ts'
import { askAnother } from './runners.ts'
import { shrink } from './shrink.ts'
import { figuresOf, type StormFigure, stormGoals } from './storms.ts'

const test = suite('simulation')
/** Fresh seeds, unless their CPU time runs out, ms, or the time of a machine that has others to serve. */
const freshMax = 150
/** One of so many is a storm. */
const stormOf = 75
const budgetMs = 240_000
const wallMs = 400_000
/** Plans of a day that must show their planted bugs; all have had their turn after some ten days. */
const plansOfDay = 2
const dayMs = 86_400_000
const root = join(import.meta.dirname, '..', '..')

for (const name of keptPlans()) {
  test(`the kept plan ${name} breaks no rule`, async () => {
    const plan = readPlan(name)
    const result = await run(plan)
    assert.is(result.failure, undefined, result.failure && renderFailure(plan, result))
  })
}

test('fresh seeds break no rule', { timeoutMs: 460_000 }, async () => {
  const day = new Date().toISOString().slice(0, 10)
  const started = process.cpuUsage()
  const deadline = performance.now() + wallMs
  const inTime = () => cpuMsSince(started) < budgetMs && performance.now() < deadline
  let runs = 0
  while (runs < freshMax && inTime()) {
    const seed = `${day}.${runs++}`
    const plan = drawPlan(runs % stormOf === 0 ? `${stormSeed}${seed}` : seed)
    const result = await run(plan)
    assert.is(result.failure, undefined, result.failure && renderFailure(plan, result))
  }
  process.stdout.write(`${runs} fresh seeds: ${day}.0 to ${day}.${runs - 1}\n`)
  assert.ok(runs > 0)
})

test('ten minutes of a storm hold what they must', { timeoutMs: 240_000 }, async () => {
  const plan = drawPlan(`${stormSeed}3`)
  assert.is(plan.chaosMs, 600_000)
  const result = await run(plan)
  assert.is(result.failure, undefined, result.failure && renderFailure(plan, result))
  const figures = figuresOf(result)
  for (const name of Object.keys(stormGoals) as StormFigure[])
    assert.ok(figures[name] >= stormGoals[name], `${figures[name]} ${name}`)
})

test('a seed gives the same hash in another process', { timeoutMs: 60_000 }, async () => {
  const { hash, events } = await run(drawPlan('twice'))
  const other = await askAnother({ seed: 'twice' })
  assert.ok(typeof other === 'object', String(other))
  assert.is(other.result.hash, hash)
  assert.ok(events > 500, `${events} events`)
  assert.is.not((await run(drawPlan('thrice'))).hash, hash)
})

test('a failing plan is cut down to what it takes to fail', async () => {
  const plan = drawPlan('8')
  const [first, ...others] = plan.faults
  const last = others.at(-1)
  const failure = { rule: 'T1', reason: 'two faults together', atMs: 0, phase: 'chaos' }
  const perform = async ({ faults }: Plan) => {
    const both = [first, last].every((fault) => faults.some(({ at }) => at === fault?.at))
    return { failure: both ? failure : undefined }
  }
  const small = await shrink(plan, failure, 10_000, perform)
  assert.equal(small.plan.faults, [first, last])
  assert.is(small.plan.masters.length, 1)
  assert.equal(
    small.plan.agents.map(({ offsetMs, speed }) => [offsetMs, speed]),
    [[0, 1]],
  )
  assert.equal(
    small.plan.frameworks.map(({ tasks }) => tasks),
    [0],
  )
  assert.is(small.plan.weather.drop, 0)
})

test('of a failing plan only what comes before the failure is kept', async () => {
  const plan = drawPlan('8')
  const end = plan.faults.at(1)?.at ?? 0
  const failure = { rule: 'T1', reason: 'it is late', atMs: end, phase: 'chaos' }
  const seen: Plan[] = []
  await shrink(plan, failure, 10_000, async (smaller) => {
    seen.push(smaller)
    return { failure: smaller.faults.length > 1 ? failure : undefined }
  })
  assert.ok(plan.faults.length > 2)
  assert.is(seen[0]?.faults.length, 2)
  assert.ok(seen.every(({ chaosMs }) => chaosMs === end))
})

test('of a plan that fails after the chaos as much is left as it takes', async () => {
  const plan = drawPlan('8')
  const failure = { rule: 'L', reason: 'it needs ten seconds', atMs: 200_000, phase: 'heal' }
  const small = await shrink(plan, failure, 10_000, async ({ chaosMs }) => ({
    failure: chaosMs >= 10_000 ? failure : undefined,
  }))
  assert.ok(plan.chaosMs > 30_000)
  assert.ok(small.plan.chaosMs >= 10_000 && small.plan.chaosMs < 15_000)
})

test('every planted bug has its line in the product, once', () => {
  const mutants = readMutants()
  for (const mutant of mutants) {
    for (const { file, find } of changesOf(mutant)) {
      const times = readFileSync(join(root, file), 'utf8').split(find).length - 1
      assert.is(times, 1, `${mutant.name}: ${file} holds its line ${times} times`)
    }
  }
  assert.is(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})

test('every planted bug has been found in its plan, or in as few seeds as it takes', () => {
  const findings = readFindings()
  for (const { name, plan } of readMutants()) {
    const finding = findings[name]
    assert.ok(finding, `${name} was never found`)
    assert.is('plan' in finding ? finding.plan : undefined, plan, name)
  }
  const seeds = seedsOf(Object.values(findings))
  assert.ok(seeds.length >= 25)
  assert.ok(median(seeds) <= seedsMedianMax, `median ${median(seeds)}`)
  assert.ok(Math.max(...seeds) <= seedsMax, `at most ${Math.max(...seeds)}`)
})

test('every kept plan belongs to a planted bug', () => {
  const plans = readMutants().flatMap(({ plan }) => plan ?? [])
  assert.equal(plans.sort(), keptPlans())
})

test('kept plans still show their planted bugs', { timeoutMs: 120_000 }, async () => {
  const findings = readFindings()
  const mutants = readMutants().filter(({ plan }) => plan !== undefined)
  const first = Math.floor(Date.now() / dayMs) * plansOfDay
  for (let index = first; index < first + plansOfDay; index++) {
    const mutant = mutants[index % mutants.length]!
    const { name, plan = '' } = mutant
    const seen = await huntPlan(mutant, plan)
    const rule = typeof seen === 'object' ? seen.rule : seen
    const replay = `npm run simulate -- --mutants '${name}'`
    assert.is(rule, findings[name]?.rule, `the kept plan ${plan} shows it no more: ${replay}`)
  }
})

test('the hunt finds a planted bug, and no bug where none is', { timeoutMs: 120_000 }, async () => {
  const bug = readMutants().find(({ name }) => name === 'quorum off by one')
  assert.ok(bug)
  const found = await huntSeeds(bug, { from: 1, seeds: 20 })
  assert.ok(typeof found === 'object', String(found))
  const none = await huntSeeds({ ...bug, replace: bug.find }, { from: found.seed, seeds: 1 })
  assert.is(none, 'in 1 seeds')
})

function cpuMsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}

test.run()
