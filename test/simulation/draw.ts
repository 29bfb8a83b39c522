/**
 * From a seed to a plan. Each subject is drawn from a stream of its own, and each knob may be off: some
 * bugs need a calm sea. Spec: simulation.md §3-7.
 */
import { stream } from '../../src/runtime/ports/index.ts'
import type { Random } from '../../src/runtime/ports.ts'
import { pick, someOf, spread } from './chance.ts'
import { drawFaults, drawVictims } from './draw-faults.ts'
import {
  type AgentPlan,
  type FrameworkPlan,
  type Hosts,
  habits,
  type Order,
  orderTypes,
  type Plan,
  type Weather,
} from './plan.ts'

/** The longest chaos that a seed draws by default, minutes of simulated time. */
export const minutesDefault = 3

const roles = ['*', 'web', 'db']

/** Draws everything that a seed decides before the run begins. */
export function drawPlan(seed: string, minutes = minutesDefault): Plan {
  const draw = stream(seed, 'world')
  const masters = names('master', pick(draw, [1, 3, 3, 3, 5]))
  const agents = names('agent', 2 + draw.int(pick(draw, [3, 5, 5, 11]))).map((name) =>
    drawAgent(name, draw),
  )
  const isOneRole = draw.int(2) === 0
  const frameworks = names('framework', 1 + draw.int(pick(draw, [3, 4, 6]))).map((name) =>
    drawFramework(name, isOneRole ? ['*'] : roles, draw),
  )
  const chaosMs = Math.round((0.5 + draw.next() * (minutes - 0.5)) * 60_000)
  const world = { masters, agents, frameworks }
  const victims = drawVictims(stream(seed, 'atlas'), masters)
  return {
    seed,
    ...world,
    leaseMs: pick(draw, [1000, 2000, 3000]),
    allocationMs: pick(draw, [200, 500, 1000]),
    weather: drawWeather(stream(seed, 'weather')),
    pendingBytesMax: pick(draw, [2 ** 26, 2 ** 26, 2 ** 20, 2 ** 18]),
    chaosMs,
    faults: drawFaults(stream(seed, 'faults'), world, victims, chaosMs),
    orders: drawOrders(stream(seed, 'operators'), world, chaosMs),
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

function drawFramework(name: string, among: readonly string[], draw: Random): FrameworkPlan {
  const habit = pick(draw, habits)
  return {
    name,
    habit,
    // Nothing can be reserved for everybody.
    role: habit === 'keeping' ? pick(draw, roles.slice(1)) : pick(draw, among),
    tasks: habit === 'bursty' ? 20 + draw.int(180) : 5 + draw.int(60),
    everyMs: 200 + draw.int(4000),
    runMsMax: pick(draw, [500, 5000, 30_000]),
    killed: pick(draw, [0, 0.1, 0.5]),
  }
}

function drawWeather(draw: Random): Weather {
  const perhaps = (most: number) => (draw.int(2) === 0 ? 0 : draw.next() * most)
  return {
    latencyMs: 0.1 + perhaps(5),
    tail: perhaps(0.002),
    drop: perhaps(0.02),
    duplicate: perhaps(0.02),
    reorder: perhaps(0.02),
    commitMs: perhaps(20),
    diskMs: perhaps(20),
  }
}

/** In a third of the worlds nobody steers. */
function drawOrders(draw: Random, { agents }: Hosts, chaosMs: number): Order[] {
  const orders: Order[] = []
  if (draw.int(3) === 0) return orders
  const inForce = orderTypes.filter(() => draw.int(2) === 0)
  const meanMs = pick(draw, [2000, 5000, 15_000])
  if (inForce.length === 0) return orders
  for (let at = draw.int(meanMs); at < chaosMs; at += 1 + draw.int(2 * meanMs)) {
    orders.push({
      at,
      forMs: 500 + draw.int(20_000),
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
