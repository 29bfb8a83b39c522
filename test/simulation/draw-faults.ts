/** The faults that a seed draws. Spec: simulation.md §4-6. */
import type { Random } from '../../src/runtime/ports.ts'
import { pick } from './chance.ts'
import type { Pace } from './pace.ts'
import {
  type Fault,
  type HostFault,
  type Hosts,
  hostFaults,
  hostsOf,
  networkFaults,
  type Plan,
  theLeader,
  type Way,
} from './plan.ts'

/** The broker is away, or stands still, no longer than this, ms. */
const brokerMsMax = 10_000
/** Brokers of a cluster, and how long their clients take to find another one at the most, ms. */
const servers = 3
const moveMsMax = 2000

interface Rhythm {
  /** Between two faults, ms. */
  readonly meanMs: readonly number[]
  /** How long they last: from 10 ms on, so many powers of ten. */
  readonly decades: number
  /**
   * How long somebody stands still or is not heard at the most, ms: others go on without him meanwhile. And
   * how old a copy of a disk is that it is set back to.
   */
  readonly heldMsMax: number
  /** The faults that last for up to so long. */
  readonly holding: ReadonlySet<string>
}

const allHolding: ReadonlySet<string> = new Set(['clog', 'pause', 'restore', 'jam'])

const rhythms: Readonly<Record<Pace, Rhythm>> = {
  brisk: {
    meanMs: [1000, 2000, 5000, 15_000],
    decades: 3.3,
    heldMsMax: 30_000,
    holding: allHolding,
  },
  storm: {
    meanMs: [1600, 1700, 1800],
    // What is over soon leaves time for work between it and the next.
    decades: 2.7,
    heldMsMax: 5000,
    // Nobody can go on without the many whom a jam holds.
    holding: new Set(['clog', 'pause', 'restore']),
  },
  real: {
    meanMs: [120_000, 300_000, 900_000],
    decades: 5,
    heldMsMax: 300_000,
    holding: allHolding,
  },
}

/** In no storm programs run on undisturbed. */
const frequent: ReadonlySet<string> = new Set<HostFault>(['kill', 'crash'])

const ways: readonly Way[] = ['both', 'out', 'in']

/** Each kind is off in a third of the worlds, and in a storm in a tenth, but for those that end programs. */
export function drawFaults(
  draw: Random,
  hosts: Hosts,
  victims: readonly string[],
  { chaosMs, pace }: Pick<Plan, 'chaosMs' | 'pace'>,
): Fault[] {
  const offOf = pace === 'storm' ? 10 : 3
  const kinds = [...hostFaults, ...networkFaults].filter(
    (kind) => draw.int(offOf) > 0 || (pace === 'storm' && frequent.has(kind)),
  )
  const rhythm = rhythms[pace]
  const meanMs = pick(draw, rhythm.meanMs)
  const atServers = drawServers(draw, hosts)
  const faults: Fault[] = []
  if (kinds.length === 0) return faults
  for (let at = draw.int(meanMs); at < chaosMs; at += 1 + draw.int(2 * meanMs)) {
    const type = pick(draw, kinds)
    const usualMs = Math.round(10 ** (1 + rhythm.decades * draw.next()))
    const forMs = rhythm.holding.has(type) ? draw.int(rhythm.heldMsMax) : usualMs
    if (type === 'cut') faults.push(...drawCuts(draw, hosts, { at, forMs }))
    else if (type === 'jam')
      for (const [from, to] of drawRoutes(draw, hosts)) faults.push({ at, forMs, type, from, to })
    else if (type === 'broker' || type === 'freeze')
      faults.push({ at, forMs: Math.min(forMs, brokerMsMax), type })
    else if (type === 'route' || type === 'server') {
      const first = draw.int(servers)
      const [from, to] = [atServers[first]!, atServers[(first + 1) % servers]!]
      if (type === 'route') faults.push({ at, forMs, type, from, to })
      else faults.push({ at, forMs: Math.min(forMs, moveMsMax), type, clients: from })
    } else {
      const struck = strikable(type, hosts, victims)
      if (struck.length === 0) continue
      // One host of many leads, and much can go wrong only there.
      const isLeader = draw.int(3) === 0 && hosts.masters.every((name) => struck.includes(name))
      const node = isLeader ? theLeader : pick(draw, struck)
      faults.push({ at, forMs, type, node, ...(type === 'clog' && { way: pick(draw, ways) }) })
    }
  }
  return faults
}

/**
 * The fault atlas: the disks of these masters only are ever damaged, and only these are lost for ever, so
 * that at most a minority of the replicas loses a position of the log.
 */
export function drawVictims(draw: Random, masters: readonly string[]): readonly string[] {
  const minority = Math.ceil(masters.length / 2) - 1
  const first = draw.int(masters.length)
  return [...masters, ...masters].slice(first, first + minority)
}

function strikable(type: HostFault, hosts: Hosts, victims: readonly string[]): readonly string[] {
  const agents = hosts.agents.map(({ name }) => name)
  switch (type) {
    case 'corrupt':
    case 'stale':
    case 'wipe':
    case 'restore':
      return [...victims, ...agents]
    case 'signal':
      return agents
    case 'storage':
    case 'full':
    case 'stall':
      return [...hosts.masters, ...agents]
    default:
      return hostsOf(hosts)
  }
}

/** Which hosts are at which of the brokers: some at each. */
function drawServers(draw: Random, hosts: Hosts): readonly string[][] {
  return drawSides(draw, hostsOf(hosts), servers)
}

/**
 * So many sides, and who is on each: somebody, or a fault between them would strike nobody. There are as many
 * names at least.
 */
function drawSides(draw: Random, names: readonly string[], sides: number): readonly string[][] {
  for (;;) {
    const at = Array.from({ length: sides }, (): string[] => [])
    for (const name of names) at[draw.int(sides)]!.push(name)
    if (at.every((side) => side.length > 0)) return at
  }
}

interface Time {
  readonly at: number
  readonly forMs: number
}

type Route = readonly [from: readonly string[], to: readonly string[]]

/** A cut that takes several routes is as many faults, for the shrinker to part. */
function drawCuts(draw: Random, hosts: Hosts, time: Time): Fault[] {
  const flapMs = draw.int(4) === 0 ? { flapMs: 100 + draw.int(5000) } : {}
  return drawRoutes(draw, hosts).map(([from, to]) => ({
    ...time,
    type: 'cut',
    from,
    to,
    ...flapMs,
  }))
}

function drawRoutes(draw: Random, hosts: Hosts): readonly Route[] {
  const all = hostsOf(hosts)
  const { masters } = hosts
  const others = all.filter((name) => !masters.includes(name))
  // The last of them are between masters, of which there may be too few.
  switch (draw.int(masters.length > nearMax ? 7 : masters.length > 1 ? 6 : 5)) {
    case 0:
      return [drawHalves(draw, all)]
    case 1:
      return both(...drawHalves(draw, all))
    case 2:
      return [pick(draw, [[masters, others] as const, [others, masters] as const])]
    case 3:
      return both(masters, others)
    case 4: {
      // One host in the middle hears both sides.
      const bridge = pick(draw, all)
      return both(
        ...drawHalves(
          draw,
          all.filter((name) => name !== bridge),
        ),
      )
    }
    case 5: {
      // Who has led, perhaps, and still hears all but the other masters.
      const alone = pick(draw, masters)
      return both(
        [alone],
        masters.filter((name) => name !== alone),
      )
    }
    default:
      // Masters that only hear their neighbours, and those beyond them.
      return ring(masters)
  }
}

function drawHalves(draw: Random, names: readonly string[]): Route {
  const [some = [], others = []] = drawSides(draw, names, 2)
  return [some, others]
}

function both(some: readonly string[], others: readonly string[]): Route[] {
  return [
    [some, others],
    [others, some],
  ]
}

/** In a ring everyone has this many near, itself among them. */
const nearMax = 3

function ring(names: readonly string[]): Route[] {
  return names.map((name, index): Route => {
    const near = [-1, 0, 1].map((step) => names.at((index + step) % names.length))
    return [[name], names.filter((other) => !near.includes(other))]
  })
}
