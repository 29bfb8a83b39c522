/**
 * What happens in a run, as data: the world that is built, the list of timed faults, and what operators
 * do. A seed draws a plan (`draw.ts`); a run follows a plan, so that a failing one can be cut down and
 * kept (`plans/`), and outlives changes that would make its seed mean something else.
 * Spec: simulation.md §3, §4-7, §12.
 */

import type { Pace } from './pace.ts'

/** How a framework behaves. */
export const habits = [
  'steady',
  'bursty',
  'greedy',
  'hoarding',
  'slow',
  'keeping',
  'executing',
  'failing over',
  'churning',
  'hostile',
] as const
export type Habit = (typeof habits)[number]

export interface FrameworkPlan {
  readonly name: string
  readonly habit: Habit
  readonly role: string
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
  /** Of messages between nodes, in which one bit is turned. */
  readonly flip: number
  /** Of SUBSCRIBEs of executors, which are held on their way with all that is said after them. */
  readonly held?: number
  /** Longest usual write to a store, ms. */
  readonly commitMs: number
  /** Longest usual call to the disk, ms. */
  readonly diskMs: number
}

/**
 * Faults that strike one host:
 *
 * - `kill`: its program dies; `crash`: its power fails; `loop`: its program dies again and again.
 * - `pause`: its program stands still; `slow`: each of its turns takes long; `jump`: its wall clock is set.
 * - `isolate`: its messages are lost; `clog`: they are held, or only those that it sends (`out`) or only
 *   those that it gets (`in`), and come in order; `disconnect`: the broker refuses it.
 * - `storage`: a write to its store fails, or a read; `full`: no write finds room; `stall`: writes do not return.
 * - `corrupt`: a bit of its store is flipped; `stale`: a value is read as it was before, once.
 * - `wipe`: it comes back on an empty disk; `restore`: after so long, on the copy that was made of it.
 * - `signal`: one of its tasks is killed.
 */
export const hostFaults = [
  'kill',
  'crash',
  'loop',
  'pause',
  'slow',
  'jump',
  'isolate',
  'clog',
  'disconnect',
  'storage',
  'full',
  'stall',
  'corrupt',
  'stale',
  'wipe',
  'restore',
  'signal',
] as const
export type HostFault = (typeof hostFaults)[number]

/** In place of a host's name: whoever leads when the fault strikes. */
export const theLeader = 'leader'

/** What a clog holds. */
export type Way = 'out' | 'in' | 'both'

/**
 * Faults of the whole network: `cut` takes the way from some hosts to others, and with `flapMs` gives it
 * back and takes it again all the time; `jam` holds what is said there, and lets it come in order; `broker`:
 * it is gone; `freeze`: it stands still, and loses nothing.
 * Where it is a cluster of three, `route`: two of them have lost each other, and those at one do not see who
 * is at the other; `server`: one is gone, and its clients go to the others.
 */
export const networkFaults = ['cut', 'jam', 'broker', 'freeze', 'route', 'server'] as const

/** One fault. `at` counts from the begin of the chaos, `forMs` is how long it lasts. */
export type Fault = { readonly at: number; readonly forMs: number } & (
  | { readonly type: HostFault; readonly node: string; readonly way?: Way }
  | {
      readonly type: 'cut'
      readonly from: readonly string[]
      readonly to: readonly string[]
      readonly flapMs?: number
    }
  | { readonly type: 'broker' | 'freeze' }
  | {
      readonly type: 'jam' | 'route'
      readonly from: readonly string[]
      readonly to: readonly string[]
    }
  | { readonly type: 'server'; readonly clients: readonly string[] }
)

/**
 * What operators ask for, at a moment of the chaos. `lost`: the host has burnt down, its agent is marked
 * gone, and another machine takes its name after `forMs`; `gone`: they say so of one that is alive.
 */
export const orderTypes = [
  'reserve',
  'unreserve',
  'quota',
  'weight',
  'drain',
  'deactivate',
  'reactivate',
  'gone',
  'lost',
  'maintain',
  'look',
] as const
export type OrderType = (typeof orderTypes)[number]

export interface Order {
  readonly at: number
  readonly forMs: number
  readonly type: OrderType
  /** Host of the agent that it is about. */
  readonly agent: string
  readonly role: string
  /** Amount of cpus, or a weight. */
  readonly amount: number
}

export interface Plan {
  readonly seed: string
  readonly pace: Pace
  /** Nodes of masters. */
  readonly masters: readonly string[]
  readonly leaseMs: number
  readonly allocationMs: number
  readonly agents: readonly AgentPlan[]
  readonly frameworks: readonly FrameworkPlan[]
  readonly weather: Weather
  /** Whether masters have all the connections of real ones, or one each. */
  readonly lanes?: boolean
  /** Bytes that may wait in each direction of a connection to the broker. */
  readonly pendingBytesMax: number
  /** Length of the chaos, ms. */
  readonly chaosMs: number
  readonly faults: readonly Fault[]
  readonly orders: readonly Order[]
  /** Masters and agents that are cut off for ever after the chaos; the others are the core (§7). */
  readonly lost: readonly string[]
}

/** Names of the hosts of a plan, masters first. */
export function hostsOf({ masters, agents, frameworks }: Hosts): string[] {
  return [...masters, ...[...agents, ...frameworks].map(({ name }) => name)]
}
export type Hosts = Pick<Plan, 'masters' | 'agents' | 'frameworks'>
