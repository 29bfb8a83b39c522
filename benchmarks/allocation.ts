/**
 * What makes allocation hard, one thing at a time: quotas, filters on everything, scattered ports, deep
 * roles, labels, volumes, drawing lots. The parameters are those of Mesos' own allocator benchmarks. Spec:
 * allocator.md §16, which has their names.
 *
 *     npx tsx benchmarks/allocation.ts [--quick] [--json] [--case=NAME]
 *
 * `cycle` is a run over all agents with everything free, `idle` the run after it when nothing has changed,
 * and `opened` the run after one framework has revived its offers. Each case is measured in a process of
 * its own, after a warm-up; `cold` is the first run of that process, before the compiler has seen anything.
 *
 * No garbage collection is forced before a run that is timed: it would throw away with the worlds before
 * what the compiler had made for them, which no master meets. Memory is that of one more world.
 */
import { execFileSync } from 'node:child_process'
import Table from 'cli-table3'
import { ActivateAgent, ReviveOffers, type Share } from '../protocol/allocator.ts'
import { cases, type Setting } from './support/allocation-cases.ts'
import {
  type AllocatorWorld,
  allocatorWorld,
  type Cycle,
  heapMiB,
} from './support/allocator-world.ts'
import { median } from './support/statistics.ts'

interface Figures {
  readonly name: string
  readonly agents: number
  readonly frameworks: number
  readonly addMs: number
  /** The first run in a new process. */
  readonly coldMs: number
  /** The first run; its offers are then given back as the case says. */
  readonly cycleMs: number
  /** CPU time of the same: steadier on a busy machine. */
  readonly cycleCpuMs: number
  readonly offers: number
  readonly idleMs: number
  readonly openedMs: number
  readonly turnMsMax: number
  readonly turnCpuMsMax: number
  readonly heapMiB: number
}

const ROUNDS = 5
const REFUSE_SECONDS = 365 * 24 * 3600

type WorldFigures = Omit<Figures, 'coldMs' | 'heapMiB'>

async function measure(name: string, setting: Setting): Promise<WorldFigures> {
  return inWorld(setting, (world) => measureIn(world, name, setting))
}

/** What a world has taken of the heap when it has been through everything, MiB. */
async function memoryOf(name: string, setting: Setting): Promise<number> {
  // What the worlds before have left takes a second collection.
  await heapMiB()
  const before = await heapMiB()
  return inWorld(setting, async (world) => {
    await measureIn(world, name, setting)
    return (await heapMiB()) - before
  })
}

async function inWorld<T>(setting: Setting, use: (world: AllocatorWorld) => Promise<T>) {
  const world = await allocatorWorld(setting.options)
  try {
    return await use(world)
  } finally {
    await world.stop()
  }
}

async function measureIn(
  world: AllocatorWorld,
  name: string,
  setting: Setting,
): Promise<WorldFigures> {
  const { frameworks, agents } = setting
  if (setting.prepare !== undefined) world.turn(setting.prepare)
  await world.addFrameworks(frameworks)
  // Not active at first, so that the first run finds everything free.
  const addMs = await world.addAgents(agents.map((agent) => ({ ...agent, active: false })))
  for (const { agent_id } of agents) world.send(ActivateAgent, { agent_id })
  await world.handled()
  const first = await world.cycle()
  if (setting.declined) await declineAll(world, first.shares)
  const idle = await rounds(() => world.cycle())
  const [reviving] = frameworks
  const opened = await rounds(async () => {
    const { framework_id } = reviving!
    const cycle = await world.cycle(() => world.send(ReviveOffers, { framework_id, roles: [] }))
    if (setting.declined) await world.giveBack(cycle.shares, REFUSE_SECONDS)
    return cycle
  })
  const all = [first, ...idle, ...opened]
  return {
    name,
    agents: agents.length,
    frameworks: frameworks.length,
    addMs,
    cycleMs: first.ms,
    cycleCpuMs: first.cpuMs,
    offers: first.shares.length,
    idleMs: median(idle.map(({ ms }) => ms)),
    openedMs: median(opened.map(({ ms }) => ms)),
    turnMsMax: Math.max(...all.map(({ turnMsMax }) => turnMsMax)),
    turnCpuMsMax: Math.max(...all.map(({ turnCpuMsMax }) => turnCpuMsMax)),
  }
}

async function rounds(round: () => Promise<Cycle>): Promise<Cycle[]> {
  const cycles: Cycle[] = []
  for (let i = 0; i < ROUNDS; i++) cycles.push(await round())
  return cycles
}

/** Until nobody is offered anything any more. */
async function declineAll(world: AllocatorWorld, first: readonly Share[]): Promise<void> {
  for (let shares = first; shares.length > 0; ) {
    await world.giveBack(shares, REFUSE_SECONDS)
    shares = (await world.cycle()).shares
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

// ---- report

/** One case, measured in a fresh process. */
function measureApart(name: string): Figures {
  const [program, script] = process.argv as [string, string]
  const args = [...process.execArgv, script, `--case=${name}`, ...(quick ? ['--quick'] : [])]
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as Figures
}

function tableOf(figures: readonly Figures[]): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(1))
  const caseOf = ({ name }: Figures) => cases.find((each) => each.name === name)
  const columns: ReadonlyArray<readonly [string, (one: Figures) => string]> = [
    ['case', ({ name }) => name],
    ['agents x frameworks', (one) => `${one.agents} x ${one.frameworks}`],
    ['add ms', ({ addMs }) => ms(addMs)],
    ['cold ms', ({ coldMs }) => ms(coldMs)],
    ['cycle ms', ({ cycleMs }) => ms(cycleMs)],
    ['CPU ms', ({ cycleCpuMs }) => ms(cycleCpuMs)],
    ['target', (one) => ms(caseOf(one)?.target?.cycleMs)],
    ['Mesos', (one) => ms(caseOf(one)?.mesos?.cycleMs)],
    ['offers', ({ offers }) => String(offers)],
    ['idle ms', ({ idleMs }) => ms(idleMs)],
    ['target', (one) => ms(caseOf(one)?.target?.idleMs)],
    ['Mesos', (one) => ms(caseOf(one)?.mesos?.idleMs)],
    ['opened ms', ({ openedMs }) => ms(openedMs)],
    ['longest turn ms', ({ turnMsMax }) => ms(turnMsMax)],
    ['CPU ms', ({ turnCpuMsMax }) => ms(turnCpuMsMax)],
    ['heap MiB', ({ heapMiB }) => heapMiB.toFixed(0)],
  ]
  const table = new Table({ head: columns.map(([head]) => head), style: { head: [], border: [] } })
  for (const one of figures) table.push(columns.map(([, cell]) => cell(one)))
  return table.toString()
}

const quick = process.argv.includes('--quick')
const scale = quick ? 10 : 1
/** CPU time that the compiler is given: on a busy machine the same time says little. */
const warmUpMs = quick ? 0 : 5000
const worlds = quick ? 1 : 3
const only = process.argv.find((arg) => arg.startsWith('--case='))
if (only !== undefined) {
  const chosen = cases.find(({ name }) => name === only.slice('--case='.length))
  if (chosen === undefined) throw new Error(`there is no case ${only}`)
  const { cycleMs: coldMs } = await measure(chosen.name, await chosen.setting(scale))
  // The first worlds warm the compiler up, as a master is that has run for a minute.
  while (cpuMs() < warmUpMs) await measure(chosen.name, await chosen.setting(Math.max(scale, 2)))
  const figures: WorldFigures[] = []
  for (let i = 0; i < worlds; i++) {
    figures.push(await measure(chosen.name, await chosen.setting(scale)))
  }
  // A world has one first run: that of the median world counts.
  figures.sort((a, b) => a.cycleMs - b.cycleMs)
  const inHeap = await memoryOf(chosen.name, await chosen.setting(scale))
  process.stdout.write(JSON.stringify({ ...figures[worlds >> 1]!, coldMs, heapMiB: inHeap }))
} else {
  const figures = cases.map(({ name }) => measureApart(name))
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ benchmark: 'allocation', figures }, null, 2)}\n`)
  else process.stdout.write(`${tableOf(figures)}\n`)
}
