/**
 * How fast the allocator is by itself: the real actor on a node of its own, with a stand-in for the
 * master that takes allocations and, where said, declines them all. Spec: allocator.md §16, grid of
 * `DeclineOffers`: agents of 24 cpus, 4096 MB of memory and disk and a range of ports, of each of which
 * a part is in use, spread evenly over the frameworks.
 *
 *     npx tsx benchmarks/allocator.ts [--quick] [--json]
 *
 * The limit beside each figure is the same allocations made up and sent without deciding anything. Each
 * size is measured in a process of its own, after a warm-up.
 */
import { execFileSync } from 'node:child_process'
import Table from 'cli-table3'
import { Allocation, ReviveOffers, type Share } from '../protocol/allocator.ts'
import type { Resource } from '../protocol/v1/resources.ts'
import { pid } from '../src/runtime/index.ts'
import {
  type AllocatorWorld,
  agent,
  allocatorWorld,
  framework,
  heapMiB,
  ports,
  portsUpTo,
  scalar,
} from './support/allocator-world.ts'
import { median } from './support/statistics.ts'

interface Size {
  readonly agents: number
  readonly frameworks: number
  readonly roles: number
  /** First targets, ms; where there are any. */
  readonly addMs?: number
  readonly cycleMs?: number
  /** The same work by Mesos' C++ allocator, ms. */
  readonly mesosAddMs?: number
  readonly mesosCycleMs?: number
}

const sizes: readonly Size[] = [
  { agents: 1000, frameworks: 50, roles: 1, cycleMs: 6, mesosAddMs: 112, mesosCycleMs: 54 },
  { agents: 2000, frameworks: 200, roles: 1, cycleMs: 14, mesosAddMs: 240, mesosCycleMs: 137 },
  { agents: 2000, frameworks: 200, roles: 200, cycleMs: 14 },
  { agents: 10_000, frameworks: 1000, roles: 1, cycleMs: 100, mesosAddMs: 1400, mesosCycleMs: 886 },
  {
    agents: 10_000,
    frameworks: 1000,
    roles: 1000,
    addMs: 1000,
    cycleMs: 150,
    mesosAddMs: 24_000,
    mesosCycleMs: 1460,
  },
  { agents: 50_000, frameworks: 1000, roles: 1, cycleMs: 600 },
]

interface Figures {
  readonly size: Size
  readonly addMs: number
  /** Median over the rounds, from the request for a run to its last allocation. */
  readonly cycleMs: number
  /** CPU time of the same, of all threads: steadier on a busy machine. */
  readonly cycleCpuMs: number
  /** As `cycleMs`, up to the last of all the offers' being declined with a filter. */
  readonly declinedMs: number
  readonly limitMs: number
  readonly offersPerSecond: number
  readonly declinedOffersPerSecond: number
  readonly heapMiB: number
  /** Longest that another actor had to wait for its turn, garbage collection included. */
  readonly turnMsMax: number
  readonly turnCpuMsMax: number
}

const ROUNDS = 5
const REFUSE_SECONDS = 365 * 24 * 3600

const roleOf = (index: number, { roles }: Size) => `role-${index % roles}`

function newAgent(index: number, size: Size) {
  const agent_id = `agent-${index}`
  const owner = index % size.frameworks
  const resources = [scalar('cpus', 16), scalar('mem', 2014), scalar('disk', 1024), ports(16)]
  const used = {
    framework_id: `framework-${owner}`,
    role: roleOf(owner, size),
    agent_id,
    resources,
  }
  return agent(agent_id, totalOfEach(), [used])
}

function totalOfEach(): Resource[] {
  return [scalar('cpus', 24), scalar('mem', 4096), scalar('disk', 4096), portsUpTo(32_000)]
}

async function measure(size: Size): Promise<Figures> {
  const before = await heapMiB()
  const world = await allocatorWorld()
  try {
    const names = Array.from({ length: size.frameworks }, (_, i) => `framework-${i}`)
    await world.addFrameworks(
      names.map((name, i) => {
        const roles = [roleOf(i, size)]
        return framework(name, roles, { suppressed_roles: roles })
      }),
    )
    const agents = Array.from({ length: size.agents }, (_, i) => newAgent(i, size))
    const addMs = await world.addAgents(agents)
    agents.length = 0

    // Each round opens the cluster to one of them, as a revival would: nothing may be left out.
    const revive = (count: number) => () =>
      world.turn((cx) => {
        for (const framework_id of names.slice(0, count)) {
          cx.send(pid('allocator', 'bench'), ReviveOffers, { framework_id, roles: [] })
        }
      })
    await world.giveBack((await world.cycle(revive(size.frameworks))).shares)
    const cycles: number[] = []
    const cpus: number[] = []
    const declined: number[] = []
    let turnMsMax = 0
    let turnCpuMsMax = 0
    for (let round = 0; round < ROUNDS; round++) {
      const { shares, ms, cpuMs, ...turns } = await world.cycle(revive(1))
      if (shares.length !== size.agents) throw new Error(`${shares.length} offers`)
      cycles.push(ms)
      cpus.push(cpuMs)
      turnMsMax = Math.max(turnMsMax, turns.turnMsMax)
      turnCpuMsMax = Math.max(turnCpuMsMax, turns.turnCpuMsMax)
      await world.giveBack(shares)
    }
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now()
      const { shares } = await world.cycle(revive(1))
      await world.giveBack(shares, REFUSE_SECONDS)
      declined.push(performance.now() - start)
    }
    const limitMs = await limit(world, size)
    const cycleMs = median(cycles)
    const declinedMs = median(declined)
    return {
      size,
      addMs,
      cycleMs,
      cycleCpuMs: median(cpus),
      declinedMs,
      limitMs,
      offersPerSecond: (size.agents / cycleMs) * 1000,
      declinedOffersPerSecond: (size.agents / declinedMs) * 1000,
      heapMiB: (await heapMiB()) - before,
      turnMsMax,
      turnCpuMsMax,
    }
  } finally {
    await world.stop()
  }
}

/** The allocations of one cycle, made up and sent to the master in the same batches. */
async function limit(world: AllocatorWorld, size: Size): Promise<number> {
  const resources = Object.freeze(totalOfEach()) as unknown as Resource[]
  const runs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    world.turn((cx) => {
      for (let at = 0; at < size.agents; at += 1000) {
        const shares: Share[] = []
        for (let i = at; i < Math.min(at + 1000, size.agents); i++) {
          const agent_id = `agent-${i}`
          shares.push({ framework_id: 'framework', role: 'role', agent_id, resources })
        }
        cx.send(pid('master', 'bench'), Allocation, Object.freeze({ shares }))
      }
    })
    await world.handled()
    runs.push(performance.now() - start)
  }
  return median(runs)
}

// ---- report

/** One size, measured here. The first world warms the compiler up. */
async function measureWarm(size: Size): Promise<Figures> {
  for (let i = 0; i < 3; i++) await measure({ ...size, agents: 2000 })
  return measure(size)
}

/** One size, measured in a fresh process. */
function measureApart(index: number): Figures {
  const [program, script] = process.argv as [string, string]
  const args = [...process.execArgv, script, `--size=${index}`]
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as Figures
}

function tableOf(figures: readonly Figures[]): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(1))
  const thousands = (value: number) => `${(value / 1000).toFixed(0)} k`
  const columns: ReadonlyArray<readonly [string, (one: Figures) => string]> = [
    [
      'agents x frameworks (roles)',
      ({ size }) => `${size.agents} x ${size.frameworks} (${size.roles})`,
    ],
    ['add ms', ({ addMs }) => ms(addMs)],
    ['target', ({ size }) => ms(size.addMs)],
    ['Mesos', ({ size }) => ms(size.mesosAddMs)],
    ['cycle ms', ({ cycleMs }) => ms(cycleMs)],
    ['CPU ms', ({ cycleCpuMs }) => ms(cycleCpuMs)],
    ['target', ({ size }) => ms(size.cycleMs)],
    ['Mesos', ({ size }) => ms(size.mesosCycleMs)],
    ['limit ms', ({ limitMs }) => ms(limitMs)],
    ['ratio', ({ cycleMs, limitMs }) => (cycleMs / limitMs).toFixed(1)],
    ['offers/s', (one) => thousands(one.offersPerSecond)],
    ['with declines ms', ({ declinedMs }) => ms(declinedMs)],
    ['offers/s', (one) => thousands(one.declinedOffersPerSecond)],
    ['longest turn ms', ({ turnMsMax }) => ms(turnMsMax)],
    ['CPU ms', ({ turnCpuMsMax }) => ms(turnCpuMsMax)],
    ['heap MiB', ({ heapMiB }) => heapMiB.toFixed(0)],
  ]
  const table = new Table({ head: columns.map(([head]) => head), style: { head: [], border: [] } })
  for (const one of figures) table.push(columns.map(([, cell]) => cell(one)))
  return table.toString()
}

const only = process.argv.find((arg) => arg.startsWith('--size='))
if (only !== undefined) {
  const size = sizes[Number(only.slice('--size='.length))] as Size
  process.stdout.write(JSON.stringify(await measureWarm(size)))
} else {
  const count = process.argv.includes('--quick') ? 3 : sizes.length
  const figures = Array.from({ length: count }, (_, index) => measureApart(index))
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ benchmark: 'allocator', figures }, null, 2)}\n`)
  else process.stdout.write(`${tableOf(figures)}\n`)
}
