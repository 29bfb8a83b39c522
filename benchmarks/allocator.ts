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
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Table from 'cli-table3'
import { allocator } from '../actors/allocator/index.ts'
import {
  AddAgents,
  AddFramework,
  Allocation,
  RecoverResources,
  ReviveOffers,
  type Share,
} from '../protocol/allocator.ts'
import type { Payload } from '../protocol/message.ts'
import type { Resource } from '../protocol/v1/resources.ts'
import { type Context, child, type Node, pid, startNode, table } from '../src/runtime/index.ts'
import { systemClock, systemPorts } from '../src/runtime/ports/index.ts'
import { memoryBroker } from '../src/transport/memory.ts'

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
  /** As `cycleMs`, up to the last of all the offers' being declined with a filter. */
  readonly declinedMs: number
  readonly limitMs: number
  readonly offersPerSecond: number
  readonly declinedOffersPerSecond: number
  readonly heapMiB: number
  /** Longest that another actor had to wait for its turn, garbage collection included. */
  readonly turnMsMax: number
}

const ROUNDS = 5
const REFUSE_SECONDS = 365 * 24 * 3600

// ---- a stand-in for the master

interface Sink {
  readonly wanted: number
  readonly shares: Share[]
  readonly done: () => void
}

let sink: Sink | undefined

const stub = table({
  label: 'master',
  messages: [Allocation],
  init: () => undefined,
  handlers: {
    ALLOCATION(_state, { shares }: Payload<typeof Allocation>) {
      if (sink === undefined) return
      for (const share of shares) sink.shares.push(share)
      if (sink.shares.length >= sink.wanted) sink.done()
    },
  },
})

/** Resolves with the shares once so many have come in answer to what `begin` does. */
function allocations(wanted: number, begin: () => void): Promise<Share[]> {
  const shares: Share[] = []
  return new Promise((resolve) => {
    sink = { wanted, shares, done: () => resolve(shares) }
    begin()
  })
}

// ---- the world

const to = pid('allocator', 'bench')

function as(node: Node, run: (cx: Context) => void): void {
  const cell = node.cell('master')!
  node.call(cell, () => run(cell))
}

/** Until all that was sent to the allocator so far has been handled. */
async function handled(node: Node): Promise<void> {
  while (node.backlog > 0) await new Promise((resolve) => setImmediate(resolve))
}

const roleOf = (framework: number, { roles }: Size) => `role-${framework % roles}`

const scalar = (name: string, value: number): Resource => ({
  name,
  type: 'SCALAR',
  scalar: { value },
})

function newAgent(index: number, size: Size) {
  const framework = index % size.frameworks
  const agent_id = `agent-${index}`
  const fragments = Array.from({ length: 16 }, (_, i) => ({
    begin: 31_000 + i * 20,
    end: 31_009 + i * 20,
  }))
  return {
    agent_id,
    hostname: `host-${index}`,
    attributes: [],
    active: true,
    total: [
      scalar('cpus', 24),
      scalar('mem', 4096),
      scalar('disk', 4096),
      {
        name: 'ports',
        type: 'RANGES' as const,
        ranges: { range: [{ begin: 31_000, end: 32_000 }] },
      },
    ],
    used: [
      {
        framework_id: `framework-${framework}`,
        role: roleOf(framework, size),
        agent_id,
        resources: [
          scalar('cpus', 16),
          scalar('mem', 2014),
          scalar('disk', 1024),
          { name: 'ports', type: 'RANGES' as const, ranges: { range: fragments } },
        ],
      },
    ],
  }
}

async function measure(size: Size): Promise<Figures> {
  const before = await heapMiB()
  const node = await startNode({
    name: 'bench',
    ports: systemPorts({
      transport: memoryBroker({ clock: systemClock }).transport('bench'),
      log: { write() {} },
    }),
    // Rounds are asked for, not waited for.
    children: [
      child(allocator({ allocationIntervalMs: 3600_000 })),
      child({ id: 'master', behaviour: stub, args: undefined }),
    ],
  })
  try {
    as(node, (cx) => {
      for (let i = 0; i < size.frameworks; i++) {
        const framework_id = `framework-${i}`
        const roles = [roleOf(i, size)]
        const framework = {
          framework_id,
          roles,
          suppressed_roles: roles,
          capabilities: ['MULTI_ROLE' as const],
        }
        cx.send(to, AddFramework, { framework, active: true, used: [] })
      }
    })
    await handled(node)
    const agents = Array.from({ length: size.agents }, (_, i) => newAgent(i, size))
    const addStart = performance.now()
    for (let at = 0; at < agents.length; at += 100) {
      as(node, (cx) => cx.send(to, AddAgents, { agents: agents.slice(at, at + 100) }))
    }
    await handled(node)
    const addMs = performance.now() - addStart
    agents.length = 0

    const revive = (frameworks: number) => () =>
      as(node, (cx) => {
        for (let i = 0; i < frameworks; i++) {
          cx.send(to, ReviveOffers, { framework_id: `framework-${i}`, roles: [] })
        }
      })
    const giveBack = async (shares: readonly Share[], refuse?: number) => {
      // A decline holds the offers of one event: hundreds.
      for (let at = 0; at < shares.length; at += 500) {
        const batch = { shares: shares.slice(at, at + 500), used: false }
        const body = refuse === undefined ? batch : { ...batch, refuse_seconds: refuse }
        as(node, (cx) => cx.send(to, RecoverResources, body))
      }
      await handled(node)
    }
    await giveBack(await allocations(size.agents, revive(size.frameworks)))
    const cycles: number[] = []
    const declined: number[] = []
    let turnMsMax = 0
    for (let round = 0; round < ROUNDS; round++) {
      const turns = watchTurns()
      const start = performance.now()
      const shares = await allocations(size.agents, revive(1))
      cycles.push(performance.now() - start)
      turnMsMax = Math.max(turnMsMax, turns.stop())
      await giveBack(shares)
    }
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now()
      const shares = await allocations(size.agents, revive(1))
      await giveBack(shares, REFUSE_SECONDS)
      declined.push(performance.now() - start)
    }
    const limitMs = await limit(node, size)
    const cycleMs = median(cycles)
    const declinedMs = median(declined)
    return {
      size,
      addMs,
      cycleMs,
      declinedMs,
      limitMs,
      offersPerSecond: (size.agents / cycleMs) * 1000,
      declinedOffersPerSecond: (size.agents / declinedMs) * 1000,
      heapMiB: (await heapMiB()) - before,
      turnMsMax,
    }
  } finally {
    sink = undefined
    await node.stop()
  }
}

/** The allocations of one cycle, made up and sent to the master in the same batches. */
async function limit(node: Node, size: Size): Promise<number> {
  const { resources } = {
    resources: Object.freeze(newAgent(0, size).total) as unknown as Resource[],
  }
  const runs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    await allocations(size.agents, () =>
      as(node, (cx) => {
        for (let at = 0; at < size.agents; at += 1000) {
          const shares: Share[] = []
          for (let i = at; i < Math.min(at + 1000, size.agents); i++) {
            const agent_id = `agent-${i}`
            shares.push({ framework_id: 'framework', role: 'role', agent_id, resources })
          }
          cx.send(pid('master', 'bench'), Allocation, Object.freeze({ shares }))
        }
      }),
    )
    runs.push(performance.now() - start)
  }
  return median(runs)
}

/** Watches how long the event loop is kept from its next turn. */
function watchTurns(): { stop(): number } {
  let max = 0
  let last = performance.now()
  let running = true
  const look = () => {
    const now = performance.now()
    max = Math.max(max, now - last)
    last = now
    if (running) setImmediate(look)
  }
  setImmediate(look)
  return {
    stop() {
      running = false
      // What has kept the loop since its last turn counts too.
      return Math.max(max, performance.now() - last)
    },
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What is alive, once the timers and turns of a world that has ended have let go of it. */
async function heapMiB(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 2 ** 20
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
    ['target', ({ size }) => ms(size.cycleMs)],
    ['Mesos', ({ size }) => ms(size.mesosCycleMs)],
    ['limit ms', ({ limitMs }) => ms(limitMs)],
    ['ratio', ({ cycleMs, limitMs }) => (cycleMs / limitMs).toFixed(1)],
    ['offers/s', (one) => thousands(one.offersPerSecond)],
    ['with declines ms', ({ declinedMs }) => ms(declinedMs)],
    ['offers/s', (one) => thousands(one.declinedOffersPerSecond)],
    ['longest turn ms', ({ turnMsMax }) => ms(turnMsMax)],
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
