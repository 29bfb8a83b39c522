import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { childrenOf, isRunning } from '../support/process.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'
import { campaign } from './campaign.ts'
import { calmSeed, drawPlan } from './draw.ts'
import { Growth } from './growth.ts'
import { interruptedCode, interruptions } from './interruption.ts'
import { readPlan } from './kept-plans.ts'
import { renderSummary } from './report.ts'

const test = suite('campaign')

const options = { minutes: undefined, hours: undefined, calm: false, storm: false }

test('processes share the seeds, and the summary has the figures', {
  timeoutMs: 120_000,
}, async () => {
  const { summary, code } = await campaign({ ...options, from: 3, seeds: 3, jobs: 2 })
  assert.is(code, 0)
  const { runs, failed, events, chaos, ...figures } = summary.toJSON()
  assert.is(runs, 3)
  assert.is(chaos?.runs, 3)
  assert.equal(failed, {})
  assert.ok(events > 1000, `${events} events`)
  assert.ok(figures.events_per_cpu_second > 0)
  assert.ok(figures.memory_mb > 0)
  assert.match(renderSummary(summary), 'simulated minutes per cpu minute in chaos')
})

test('a campaign ends when clusters have lived for so many hours', {
  timeoutMs: 120_000,
}, async () => {
  const one = { ...options, from: 3, seeds: undefined, jobs: 1 }
  const { summary } = await campaign({ ...one, hours: 0.001 })
  assert.is(summary.toJSON().runs, 1)
  assert.ok(summary.simulatedHours > 0.001)
})

test('worlds end early where that is asked for', { timeoutMs: 120_000 }, async () => {
  const { summary, code } = await campaign({ ...options, from: 3, seeds: 2, until: 5, jobs: 1 })
  assert.is(code, 0)
  const { simulated_hours, live_heap } = summary.toJSON()
  assert.ok(Math.abs(simulated_hours * 3600 - 10) < 1, `${simulated_hours} h`)
  assert.is(live_heap, undefined)
})

test('what was done before an interruption is told, and what was under way does not count', {
  timeoutMs: 120_000,
}, async () => {
  const interruption = new AbortController()
  const progress = { tell: () => interruption.abort(), clear: () => undefined }
  const { signal } = interruption
  const all = { ...options, from: 3, seeds: 100, until: 5, jobs: 1 }
  const { summary, code } = await campaign({ ...all, progress, signal })
  assert.is(code, interruptedCode)
  assert.is(summary.toJSON().runs, 1)
  assert.is(summary.toJSON().interrupted, true)
  assert.match(renderSummary(summary), /^interrupted/)
})

for (const args of [['--calm', '--hours', '100', '--jobs', '2'], ['--mutants']]) {
  for (const signal of interruptions) {
    test(`${signal} ends simulate ${args.join(' ')} with all its processes, and it tells what was done`, {
      timeoutMs: 120_000,
    }, async () => {
      const main = join(import.meta.dirname, 'main.ts')
      const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { detached: true })
      const printed = text(child.stdout)
      const complained = text(child.stderr)
      const pid = child.pid ?? 0
      const exited = once(child, 'exit')
      // The loader of the sources has a process too, before there is anything to interrupt.
      const begun = () => childrenOf(pid).filter(simulates)
      await until(() => begun().length > 0, { what: 'its processes' })
      const children = begun()
      // As a terminal does: to the whole group, whatever the processes are doing.
      process.kill(-pid, signal)
      assert.equal(await exited, [interruptedCode, null])
      assert.match(await printed, 'interrupted')
      assert.is(await complained, '')
      await until(() => !children.some(isRunning), { what: 'the end of its processes' })
    })
  }
}

function simulates(pid: number): boolean {
  // One that has ended meanwhile has none.
  const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  return /(runner|hunter)\.ts/.test(stdout)
}

test('what a process keeps of each world shows in its live heap', () => {
  const growth = new Growth()
  for (let world = 0; world < 300; world++) {
    // Loading makes it grow at first, and some worlds leave more behind for a while.
    const bytes = 60e6 + Math.min(world, 40) * 1e6 + world * 2000 + (world % 7) * 1e5
    growth.add(1, world % 10 === 9 ? bytes : undefined)
    if (world % 2 === 0) growth.add(2, 90e6)
  }
  const { worlds, kb_per_world = 0 } = growth.toJSON() ?? {}
  assert.is(worlds, 300)
  assert.ok(Math.abs(kb_per_world - 2) < 1, `${kb_per_world} kB a world`)
})

test('a calm seed draws hours at the pace of real clusters, few others do', () => {
  const calm = drawPlan(`${calmSeed}7`)
  assert.is(calm.pace, 'real')
  assert.ok(calm.chaosMs >= 3_600_000, `${calm.chaosMs} ms`)
  const paces = Array.from({ length: 500 }, (_, seed) => drawPlan(String(seed)).pace)
  const real = paces.filter((pace) => pace === 'real').length
  assert.ok(real > 0 && real < 30, `${real} of 500`)
})

test('a plan that is not there is refused with the names of those that are', () => {
  assert.throws(() => readPlan('nosuch'), /no plan 'nosuch': .*kept are: acceptance-comes-twice, /)
})

test.run()
