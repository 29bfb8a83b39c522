/**
 * What must come to pass soon after the last fault has ended (simulation.md §10), each within its own time.
 */
import { learnedTo } from '../../actors/log/replica.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import type { SimulatedHost } from './host.ts'
import { settingsOf } from './pace.ts'
import type { Plan } from './plan.ts'
import { areAgentsBack, isInCore, leaderOf, stateOf } from './views.ts'

interface Deadline {
  readonly what: string
  /** Monotonic time, ms. */
  readonly byMs: number
  readonly holds: () => boolean
}

export class Deadlines {
  #open: readonly Deadline[]

  constructor(deadlines: readonly Deadline[]) {
    this.#open = deadlines
  }

  get areMet(): boolean {
    return this.#open.length === 0
  }

  /** @throws Violation L if something that never held yet is overdue */
  look(nowMs: number): void {
    if (this.areMet) return
    this.#open = this.#open.filter(({ holds }) => !holds())
    for (const { what, byMs } of this.#open)
      if (nowMs > byMs)
        throw new Violation(`L ${what}`, `not in time: it is ${nowMs - byMs} ms late`)
  }
}

/** To find a leader once a lease has run out; the longest pause of agents; for a log to be whole, ms. */
const leaderMs = 10_000
/** Operators ask again, and again, before they go on with what they do. */
const operatorMs = 60_000
const agentsMs = 60_000
const logMs = 60_000

/** Those of a cluster in which nothing begins to fail any more. The chaos began at `beganMs`. */
export function healed(cluster: Cluster, beganMs: number): Deadlines {
  const { plan, clock } = cluster
  const calmMs = Math.max(clock.monotonic(), beganMs + lastEndOf(plan))
  const { restartMs, pingsMs } = settingsOf(plan)
  const leaderBy = calmMs + restartMs + plan.leaseMs + leaderMs
  const machinesBy = Math.max(leaderBy, beganMs + lastMachineOf(plan) + operatorMs)
  const logs = () =>
    cluster.masters.filter((host) => isInCore(cluster, host)).flatMap((host) => [logOf(host)])
  const learned = Math.max(-1, ...logs().map((log) => (log ? learnedTo(log.replica) : -1)))
  return new Deadlines([
    { what: 'one leads', byMs: leaderBy, holds: () => leaderOf(cluster) !== undefined },
    {
      what: 'all agents are registered',
      byMs: machinesBy + pingsMs + agentsMs,
      holds: () => areAgentsBack(cluster),
    },
    {
      what: 'all replicas vote',
      byMs: leaderBy + logMs,
      holds: () => logs().every((log) => log?.replica.status === 'VOTING'),
    },
    {
      what: 'all replicas have learned what one of them had',
      byMs: leaderBy + logMs,
      holds: () => logs().every((log) => log !== undefined && learnedTo(log.replica) >= learned),
    },
  ])
}

/** When the last of the faults ends that nobody can end before its time, ms of the chaos. */
function lastEndOf({ faults }: Plan): number {
  const lasting = new Set(['clog', 'jam', 'freeze', 'stall'])
  const ends = faults.filter(({ type }) => lasting.has(type)).map(({ at, forMs }) => at + forMs)
  return Math.max(0, ...ends)
}

/** When operators give the last machine back that they have taken away, ms of the chaos. */
function lastMachineOf({ orders }: Plan): number {
  return Math.max(0, ...orders.map(({ at, forMs }) => at + forMs))
}

function logOf(host: SimulatedHost): ReplicaState | undefined {
  return stateOf<ReplicaState>(host, 'log')
}
