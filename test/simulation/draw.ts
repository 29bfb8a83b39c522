/**
 * From a seed to a plan. Each subject is drawn from a stream of its own, and each knob may be off: some
 * bugs need a calm sea. Spec: simulation.md §3-7.
 */
import { stream } from '../../src/runtime/ports/index.ts'
import type { Random } from '../../src/runtime/ports.ts'
import { pick, someOf, spread } from './chance.ts'
import { drawFaults, drawVictims } from './draw-faults.ts'
import { type Pace, settingsOf } from './pace.ts'
import {
  type AgentPlan,
  type FrameworkPlan,
  type Habit,
  type Hosts,
  habits,
  type Order,
  orderTypes,
  type Plan,
  type Weather,
} from './plan.ts'

/** A seed that begins so draws a world that lives for hours; of the others one in so many does. */
export const calmSeed = 'calm:'
const calmOf = 50
/** A seed that begins so draws ten minutes in which far more goes wrong, and far more is done. */
export const stormSeed = 'storm:'

/** What is drawn from in a kind of world. */
interface Kind {
  readonly pace: Pace
  /** Length of the chaos from and to, ms. */
  readonly chaosMs: readonly [least: number, most: number]
  readonly masters: readonly number[]
  /** At least so many, and fewer than one of these more. */
  readonly agents: readonly [least: number, more: readonly number[]]
  readonly frameworks: readonly [least: number, more: readonly number[]]
  readonly leaseMs: readonly number[]
  readonly allocationMs: readonly number[]
}

const hourMs = 3_600_000

const brisk: Kind = {
  pace: 'brisk',
  chaosMs: [30_000, 180_000],
  masters: [1, 3, 3, 3, 5],
  agents: [2, [3, 5, 5, 11]],
  frameworks: [1, [3, 4, 6]],
  leaseMs: [1000, 2000, 3000],
  allocationMs: [200, 500, 1000],
}
const storm: Kind = {
  ...brisk,
  pace: 'storm',
  chaosMs: [600_000, 600_000],
  masters: [3, 3, 3, 5],
  agents: [5, [3]],
  frameworks: [4, [1]],
  leaseMs: [2000, 3000],
  allocationMs: [500, 1000],
}
const calm: Kind = {
  ...brisk,
  pace: 'real',
  chaosMs: [hourMs, 6 * hourMs],
  masters: [1, 3, 3, 3],
  leaseMs: [10_000, 10_000, 30_000],
  allocationMs: [1000, 5000],
}

const roles = ['*', 'web', 'db']

/** Draws everything that a seed decides before the run begins. */
export function drawPlan(seed: string): Plan {
  if (seed.startsWith(calmSeed)) return drawWorld(seed, calm)
  if (seed.startsWith(stormSeed)) return drawWorld(seed, storm)
  // Among others a world of hours is short.
  if (stream(seed, 'pace').int(calmOf) === 0)
    return drawWorld(seed, { ...calm, chaosMs: [hourMs, 2 * hourMs] })
  return drawWorld(seed, brisk)
}

function drawWorld(seed: string, kind: Kind): Plan {
  const { pace } = kind
  const draw = stream(seed, 'world')
  const count = ([least, more]: Kind['agents']) => least + draw.int(pick(draw, more))
  const masters = names('master', pick(draw, kind.masters))
  const agents = names('agent', count(kind.agents)).map((name) => drawAgent(name, draw))
  const isOneRole = draw.int(2) === 0
  const left = new Set<Habit>(habits)
  const frameworks = names('framework', count(kind.frameworks)).map((name) => {
    const framework = drawFramework(name, isOneRole ? ['*'] : roles, [...left], pace, draw)
    // Two hoarders would leave the others of a storm too little.
    if (pace === 'storm') left.delete(framework.habit)
    return framework
  })
  const [least, most] = kind.chaosMs
  const chaosMs = Math.round(least + draw.next() * (most - least))
  const world = { masters, agents, frameworks }
  const victims = drawVictims(stream(seed, 'atlas'), masters)
  return {
    seed,
    pace,
    ...world,
    leaseMs: pick(draw, kind.leaseMs),
    allocationMs: pick(draw, kind.allocationMs),
    weather: drawWeather(stream(seed, 'weather'), pace),
    lanes: stream(seed, 'lanes').int(2) === 0,
    pendingBytesMax: pick(draw, [2 ** 26, 2 ** 26, 2 ** 20, 2 ** 18]),
    chaosMs,
    faults: drawFaults(stream(seed, 'faults'), world, victims, { chaosMs, pace }),
    orders: drawOrders(stream(seed, 'operators'), world, { chaosMs, pace }),
    lost: drawLost(stream(seed, 'core'), world, victims),
  }
}

function drawAgent(name: string, draw: Random): AgentPlan {
  const cpus = 1 + draw.int(8)
  const isAskew = draw.int(3) === 0
  const offsetMs = isAskew ? draw.int(7_200_000) - 3_600_000 : 0
  return {
    name,
    cpus,
    mem: 256 * (1 + draw.int(8)),
    offsetMs,
    speed: 1 + spread(draw, isAskew ? 0.02 : 0),
  }
}

interface Work {
  /** Tasks in all of a bursty framework, and of another, so many times as many where it lives long. */
  readonly tasks: readonly [bursty: Span, other: Span]
  readonly times: number
  /** Longest pause between two wishes, and longest runs of a task, ms. */
  readonly everyMs: number
  readonly runMs: readonly number[]
}
/** At least so many, and fewer than so many more. */
type Span = readonly [least: number, more: number]

const works: Readonly<Record<Pace, Work>> = {
  brisk: {
    tasks: [
      [20, 180],
      [5, 60],
    ],
    times: 1,
    everyMs: 4000,
    runMs: [500, 5000, 30_000],
  },
  storm: {
    tasks: [
      [300, 40],
      [290, 40],
    ],
    times: 1,
    everyMs: 1000,
    runMs: [500, 5000, 10_000],
  },
  real: {
    tasks: [
      [20, 180],
      [5, 60],
    ],
    times: 10,
    everyMs: 4000,
    runMs: [500, 5000, 30_000],
  },
}

function drawFramework(
  name: string,
  among: readonly string[],
  having: readonly Habit[],
  pace: Pace,
  draw: Random,
): FrameworkPlan {
  const habit = pick(draw, having)
  const { idleFactor } = settingsOf({ pace })
  const { tasks, times, everyMs, runMs } = works[pace]
  const [least, more] = tasks[habit === 'bursty' ? 0 : 1]
  return {
    name,
    habit,
    // Nothing can be reserved for everybody.
    role: habit === 'keeping' ? pick(draw, roles.slice(1)) : pick(draw, among),
    tasks: (least + draw.int(more)) * times,
    everyMs: (200 + draw.int(everyMs)) * idleFactor,
    runMsMax: pick(draw, runMs) * idleFactor,
    killed: pick(draw, [0, 0.1, 0.5]),
  }
}

/** Where it is calm one message in thousands is disturbed, and not one in tens; in storms few are spared. */
function drawWeather(draw: Random, pace: Pace): Weather {
  const offOf = pace === 'storm' ? 10 : 2
  const perhaps = (most: number) => (draw.int(offOf) === 0 ? 0 : draw.next() * most)
  const rarely = (most: number) => perhaps(pace === 'real' ? most / 100 : most)
  return {
    latencyMs: 0.1 + perhaps(5),
    tail: rarely(0.002),
    // Who waits for what was lost does nothing that could go wrong.
    drop: rarely(pace === 'storm' ? 0.02 : 0.05),
    duplicate: rarely(0.05),
    reorder: rarely(0.05),
    commitMs: perhaps(20),
    diskMs: perhaps(20),
    flip: rarely(0.001),
    held: rarely(0.5),
  }
}

/** In a third of the worlds nobody steers. */
function drawOrders(
  draw: Random,
  { agents }: Hosts,
  { chaosMs, pace }: Pick<Plan, 'chaosMs' | 'pace'>,
): Order[] {
  const orders: Order[] = []
  if (draw.int(3) === 0) return orders
  const inForce = orderTypes.filter(() => draw.int(2) === 0)
  const { idleFactor } = settingsOf({ pace })
  const meanMs = pick(draw, [2000, 5000, 15_000]) * idleFactor
  if (inForce.length === 0) return orders
  for (let at = draw.int(meanMs); at < chaosMs; at += 1 + draw.int(2 * meanMs)) {
    orders.push({
      at,
      forMs: (500 + draw.int(20_000)) * idleFactor,
      type: pick(draw, inForce),
      agent: pick(draw, agents).name,
      role: pick(draw, roles.slice(1)),
      amount: draw.int(4) / 2,
    })
  }
  return orders
}

/** In a quarter of the worlds not all come back: some masters that others can do without, and some agents. */
function drawLost(draw: Random, { agents }: Hosts, victims: readonly string[]): string[] {
  if (draw.int(4) > 0) return []
  const names = agents.map(({ name }) => name)
  return [...someOf(draw, victims), ...someOf(draw, names).slice(0, names.length - 1)]
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
}
