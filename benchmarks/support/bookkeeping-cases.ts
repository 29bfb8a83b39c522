/** The cases of the benchmark `bookkeeping`. Spec: allocator.md §16; the parameters are Mesos'. */
import {
  ActivateFramework,
  Measure,
  ReviveOffers,
  type Share,
  SuppressOffers,
  UpdateAgent,
  UpdateAllocation,
  UpdateQuota,
} from '../../protocol/allocator.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import type { Metric } from '../../protocol/v1/state.ts'
import { pid } from '../../src/runtime/index.ts'
import {
  type AllocatorWorld,
  agent,
  allocatorWorld,
  framework,
  ports,
  portsUpTo,
  SENTINEL,
  scalar,
  timed,
} from './allocator-world.ts'
import { mixedWorkload } from './mixed-workload.ts'
import { sortDeep, sortFlat } from './share-tree-work.ts'
import { median } from './statistics.ts'

/** One line of the report. */
export interface Line {
  readonly what: string
  /** How often the work was done. */
  readonly count: number
  readonly ms: number
  readonly cpuMs: number
  readonly limitMs?: number
  /** What came of it, for people. */
  readonly result?: string
}

export interface Case {
  readonly name: string
  /** `scale` divides the numbers of agents and frameworks. */
  measure(scale: number): Promise<Line[]>
}

export const cases: readonly Case[] = [
  { name: 'AddAndUpdateSlave', measure: (scale) => addAndUpdate(50_000 / scale, 1000 / scale) },
  { name: 'SuppressOffers', measure: (scale) => suppress(10_000 / scale, 1000 / scale) },
  { name: 'AllocatorBacklog', measure: (scale) => backlog(10_000 / scale, 1000 / scale) },
  { name: 'Metrics', measure: (scale) => metrics(10_000 / scale, 1000 / scale) },
  { name: 'UpdateAllocation', measure: (scale) => convert([50, 100, 200].map((n) => n / scale)) },
  { name: 'FullSort', measure: async (scale) => sortFlat(50_000 / scale, 1000 / scale) },
  { name: 'HierarchyFullSort', measure: async (scale) => sortDeep(50_000 / scale) },
  { name: 'MultiFrameworkAllocations', measure: mixedWorkload },
]

async function inWorld<T>(run: (world: AllocatorWorld) => Promise<T>): Promise<T> {
  const world = await allocatorWorld()
  try {
    return await run(world)
  } finally {
    await world.stop()
  }
}

const namesOf = (count: number) => Array.from({ length: count }, (_, i) => `framework-${i}`)

/** Agents come, a part of each in use, and each then lends ten cpus to revocable tasks. */
function addAndUpdate(count: number, frameworks: number): Promise<Line[]> {
  const total = [scalar('cpus', 2), scalar('mem', 1024), scalar('disk', 4096), portsUpTo(32_000)]
  const lent: Resource[] = [...total, { ...scalar('cpus', 10), revocable: {} }]
  const used = [scalar('cpus', 1), scalar('mem', 128), scalar('disk', 1024), ports(4)]
  return inWorld(async (world) => {
    const capabilities = ['MULTI_ROLE' as const, 'REVOCABLE_RESOURCES' as const]
    await world.addFrameworks(
      namesOf(frameworks).map((id) => framework(id, ['*'], { capabilities })),
    )
    const agents = Array.from({ length: count }, (_, i) => {
      const agent_id = `agent-${i}`
      const framework_id = `framework-${i % frameworks}`
      return agent(agent_id, total, [{ framework_id, role: '*', agent_id, resources: used }])
    })
    const added = await world.cycleWith(agents)
    const update = (tell: AllocatorWorld['send']) => {
      for (const { agent_id } of agents) {
        tell(UpdateAgent, { agent_id, total: lent, attributes: [] })
      }
    }
    const limit = await timed(async () => {
      update(world.waste)
      await world.handled()
    })
    const updated = await world.cycle(() => {
      update(world.send)
      world.send(ActivateFramework, { framework_id: SENTINEL })
    })
    return [
      { what: `add ${count} agents`, count, ...added, result: offersOf(added.shares) },
      {
        what: `update ${count} agents`,
        count,
        ...updated,
        limitMs: limit.ms,
        result: offersOf(updated.shares),
      },
    ].map(withoutShares)
  })
}

function offersOf(shares: readonly Share[]): string {
  return `${shares.length} offers`
}

function withoutShares({
  shares: _,
  turnMsMax: __,
  turnCpuMsMax: ___,
  ...line
}: Line & Record<string, unknown>): Line {
  return line as Line
}

/** Five runs; before each, another fifth of the frameworks wants no more offers. */
function suppress(agents: number, frameworks: number): Promise<Line[]> {
  return inWorld(async (world) => {
    const names = namesOf(frameworks)
    await world.addFrameworks(names.map((id) => framework(id, ['*'])))
    await world.giveBack((await world.cycleWith(machines(agents))).shares)
    const lines: Line[] = []
    for (let part = 1; part <= 5; part++) {
      const from = Math.floor(((part - 1) * frameworks) / 5)
      for (const framework_id of names.slice(from, Math.floor((part * frameworks) / 5))) {
        world.send(SuppressOffers, { framework_id, roles: [] })
      }
      const { shares, ms, cpuMs } = await world.cycle()
      const what = `run with ${part * 20} % suppressed`
      lines.push({ what, count: agents, ms, cpuMs, result: offersOf(shares) })
      await world.giveBack(shares)
    }
    return lines
  })
}

/** Each framework revives its offers: what waits together must be one run. */
function backlog(agents: number, frameworks: number): Promise<Line[]> {
  return inWorld(async (world) => {
    const names = namesOf(frameworks)
    await world.addFrameworks(names.map((id) => framework(id, ['*'])))
    await world.cycleWith(machines(agents))
    const before = await runsOf(world)
    const revive = (tell: AllocatorWorld['send']) => {
      for (const framework_id of names) tell(ReviveOffers, { framework_id, roles: [] })
    }
    const limit = await timed(async () => {
      revive(world.waste)
      await world.handled()
    })
    const { ms, cpuMs } = await world.cycle(() => revive(world.send))
    const result = `${(await runsOf(world)) - before} runs`
    const what = `${frameworks} revivals`
    return [{ what, count: frameworks, ms, cpuMs, limitMs: limit.ms, result }]
  })
}

async function runsOf(world: AllocatorWorld): Promise<number> {
  const all = await snapshot(world)
  return all.find(({ name }) => name === 'allocator/mesos/allocation_runs')?.value ?? 0
}

function snapshot(world: AllocatorWorld): Promise<readonly Metric[]> {
  return new Promise((resolve, reject) => {
    world.turn((cx) =>
      cx.ask(pid('allocator', 'bench'), Measure, {}, { timeoutMs: 60_000 }, (outcome) => {
        if (outcome.ok) resolve(outcome.value.metrics)
        else reject(new Error(outcome.error.message))
      }),
    )
  })
}

/** One snapshot, with a role of its own and a quota for each framework. */
function metrics(agents: number, frameworks: number): Promise<Line[]> {
  return inWorld(async (world) => {
    const names = namesOf(frameworks)
    const guarantees = { cpus: { value: 1 }, mem: { value: 512 }, disk: { value: 256 } }
    world.send(UpdateQuota, {
      quota_configs: names.map((name) => ({ role: `role-${name}`, guarantees })),
    })
    await world.addFrameworks(names.map((id) => framework(id, [`role-${id}`])))
    const total = [scalar('cpus', 16), scalar('mem', 2048), scalar('disk', 1024)]
    await world.cycleWith(Array.from({ length: agents }, (_, i) => agent(`agent-${i}`, total)))
    let count = 0
    const times = await timed(async () => {
      count = (await snapshot(world)).length
    })
    return [{ what: 'snapshot', count, ...times, result: `${count} metrics` }]
  })
}

const CONVERSIONS = 20

/** What was offered of one agent, where each role has a reservation, is reserved otherwise, and back. */
async function convert(counts: readonly number[]): Promise<Line[]> {
  const lines: Line[] = []
  for (const roles of counts.map(Math.round)) lines.push(await inWorld((w) => convertIn(w, roles)))
  return lines
}

async function convertIn(world: AllocatorWorld, count: number): Promise<Line> {
  const names = namesOf(count)
  const reserved = names.map((role, index) => reservedTo(role, index))
  await world.addFrameworks(names.map((name) => framework(name, [name])))
  const owned = agent('agent', reserved.flat())
  const { shares } = await world.cycleWith([owned])
  const share = shares[0]!
  const consumed = share.resources
  const converted = consumed.map(({ reservations: _, ...rest }) => rest)
  const { framework_id, role, agent_id } = share
  const there = { framework_id, role, agent_id, copies: [] }
  const both = async (tell: AllocatorWorld['send']) => {
    tell(UpdateAllocation, { ...there, conversions: [{ consumed, converted }] })
    tell(UpdateAllocation, {
      ...there,
      conversions: [{ consumed: converted, converted: consumed }],
    })
    await world.handled()
  }
  const times = []
  const limits = []
  for (let i = 0; i < CONVERSIONS; i++) {
    limits.push((await timed(() => both(world.waste))).ms)
    times.push(await timed(() => both(world.send)))
  }
  return {
    what: `unreserve and reserve, ${count} roles`,
    count: 2,
    ms: median(times.map(({ ms }) => ms)),
    cpuMs: median(times.map(({ cpuMs }) => cpuMs)),
    limitMs: median(limits),
  }
}

function reservedTo(role: string, index: number): Resource[] {
  const value = String(index).padStart(36, '0')
  const reservations = [
    {
      type: 'DYNAMIC' as const,
      role,
      principal: 'p',
      labels: { labels: [{ key: 'id', value }] },
    },
  ]
  const begin = 31_000 + index
  const port: Resource = {
    name: 'ports',
    type: 'RANGES',
    ranges: { range: [{ begin, end: begin }] },
  }
  const parts = [scalar('cpus', 100), scalar('mem', 100), scalar('disk', 100), port]
  return parts.map((part) => ({ ...part, reservations }))
}

function machines(count: number) {
  const total = [scalar('cpus', 24), scalar('mem', 4096), scalar('disk', 4096), portsUpTo(32_000)]
  return Array.from({ length: count }, (_, i) => agent(`agent-${i}`, total))
}
