/**
 * What happens in a run, as data: the world that is built and the list of timed faults. A seed draws a
 * plan; a run follows a plan, so that a failing one can be cut down and kept (`plans/`), and outlives
 * changes that would make its seed mean something else. Spec: simulation.md §3, §4-7, §12.
 */

import { stream } from '../../src/runtime/ports/index.ts'
import type { Random } from '../../src/runtime/ports.ts'

/** How a framework behaves. */
export const habits = ['steady', 'bursty', 'greedy', 'hoarding', 'slow', 'hostile'] as const
export type Habit = (typeof habits)[number]

export interface FrameworkPlan {
  readonly name: string
  readonly habit: Habit
  /** Tasks that it launches in all, and every how many ms it wants more. */
  readonly tasks: number
  readonly everyMs: number
  /** Longest run of a task, ms. */
  readonly runMsMax: number
  /** Part of its tasks that it kills early. */
  readonly killed: number
}

export interface AgentPlan {
  readonly name: string
  readonly cpus: number
  readonly mem: number
  /** Wall clock ahead of true time, ms. */
  readonly offsetMs: number
  /** Speed of its clock, 1 = true; within the bound of the leases. */
  readonly speed: number
}

/** What happens to messages and disks all the time during the chaos. A rate is a part of 1. */
export interface Weather {
  /** Longest usual way of a message between two hosts, ms. */
  readonly latencyMs: number
  /** Part of the links' messages that take up to 2 s, those behind them too. */
  readonly tail: number
  readonly drop: number
  readonly duplicate: number
  readonly reorder: number
  /** Longest usual write to a store, ms. */
  readonly commitMs: number
}

/** One fault. `at` counts from the begin of the chaos, `forMs` is how long it lasts. */
export type Fault = { readonly at: number; readonly forMs: number } & (
  | { readonly type: 'kill' | 'crash' | 'pause' | 'isolate' | 'disconnect'; readonly node: string }
  | { readonly type: 'cut'; readonly from: readonly string[]; readonly to: readonly string[] }
  | { readonly type: 'broker' }
  | { readonly type: 'signal'; readonly node: string }
  | { readonly type: 'storage'; readonly node: string }
  | { readonly type: 'jump'; readonly node: string }
)

export interface Plan {
  readonly seed: string
  /** Nodes of masters. */
  readonly masters: readonly string[]
  readonly leaseMs: number
  readonly allocationMs: number
  readonly agents: readonly AgentPlan[]
  readonly frameworks: readonly FrameworkPlan[]
  readonly weather: Weather
  /** Length of the chaos, ms. */
  readonly chaosMs: number
  readonly faults: readonly Fault[]
}

/** The longest chaos that a seed draws by default, minutes of simulated time. */
export const minutesDefault = 3

/** Draws everything that a seed decides before the run begins. */
export function drawPlan(seed: string, minutes = minutesDefault): Plan {
  const draw = stream(seed, 'world')
  const masters = names('master', pick(draw, [1, 3, 3, 3, 5]))
  const agents = names('agent', 2 + draw.int(5)).map((name) => drawAgent(name, draw))
  const frameworks = names('framework', 1 + draw.int(4)).map((name) => drawFramework(name, draw))
  const chaosMs = Math.round((0.5 + draw.next() * (minutes - 0.5)) * 60_000)
  const world = { masters, agents, frameworks }
  return {
    seed,
    ...world,
    leaseMs: pick(draw, [1000, 2000, 3000]),
    allocationMs: pick(draw, [200, 500, 1000]),
    weather: drawWeather(stream(seed, 'weather')),
    chaosMs,
    faults: drawFaults(stream(seed, 'faults'), world, chaosMs),
  }
}

/** Names of the hosts of a plan, masters first. */
export function hostsOf({ masters, agents, frameworks }: Hosts): string[] {
  return [...masters, ...[...agents, ...frameworks].map(({ name }) => name)]
}
type Hosts = Pick<Plan, 'masters' | 'agents' | 'frameworks'>

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

function drawFramework(name: string, draw: Random): FrameworkPlan {
  const habit = pick(draw, habits)
  return {
    name,
    habit,
    tasks: habit === 'bursty' ? 20 + draw.int(180) : 5 + draw.int(60),
    everyMs: 200 + draw.int(4000),
    runMsMax: pick(draw, [500, 5000, 30_000]),
    killed: pick(draw, [0, 0.1, 0.5]),
  }
}

/** Each kind is off in half of the worlds: some faults need a calm sea to be seen. */
function drawWeather(draw: Random): Weather {
  const perhaps = (most: number) => (draw.int(2) === 0 ? 0 : draw.next() * most)
  return {
    latencyMs: 0.1 + perhaps(5),
    tail: perhaps(0.002),
    drop: perhaps(0.02),
    duplicate: perhaps(0.02),
    reorder: perhaps(0.02),
    commitMs: perhaps(20),
  }
}

function drawFaults(draw: Random, hosts: Hosts, chaosMs: number): Fault[] {
  const all = hostsOf(hosts)
  const kinds = [
    'kill',
    'crash',
    'pause',
    'isolate',
    'disconnect',
    'cut',
    'broker',
    'signal',
    'storage',
    'jump',
  ] as const
  const inForce = kinds.filter(() => draw.int(3) > 0)
  const meanMs = pick(draw, [1000, 2000, 5000, 15_000])
  const faults: Fault[] = []
  if (inForce.length === 0) return faults
  for (let at = draw.int(meanMs); at < chaosMs; at += 1 + draw.int(2 * meanMs)) {
    const type = pick(draw, inForce)
    const forMs = Math.round(10 ** (1 + 3.3 * draw.next()))
    const time = { at, forMs }
    const node = pick(draw, all)
    if (type === 'cut') faults.push({ ...time, type, ...drawCut(draw, all) })
    else if (type === 'broker') faults.push({ ...time, type, forMs: Math.min(forMs, 10_000) })
    else if (type === 'signal') faults.push({ ...time, type, node: pick(draw, hosts.agents).name })
    else faults.push({ ...time, type, node })
  }
  return faults
}

/** Halves, both ways or one; a cut has two faults where it is both ways, for the shrinker to part. */
function drawCut(draw: Random, all: readonly string[]) {
  const from = all.filter(() => draw.int(2) === 0)
  return { from, to: all.filter((name) => !from.includes(name)) }
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
}

function pick<T>(draw: Random, from: readonly T[]): T {
  return from[draw.int(from.length)] as T
}

function spread(draw: Random, most: number): number {
  return (2 * draw.next() - 1) * most
}
