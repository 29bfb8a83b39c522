/**
 * One run of a plan: boot, chaos, heal, liveness, drain, with the rules looked at after every step.
 * Spec: simulation.md §7-10.
 */
import { forgetPids } from '../../src/runtime/pid.ts'
import { disagreement } from './agreement.ts'
import { copyMsMax } from './air.ts'
import { buildCluster, type Cluster } from './cluster.ts'
import { type Deadlines, healed } from './deadlines.ts'
import { Turns } from './fairness.ts'
import { begin as beginFault } from './faults.ts'
import { notOffered } from './flow-rules.ts'
import { Violation } from './history.ts'
import { type Pace, settingsOf } from './pace.ts'
import type { Plan } from './plan.ts'
import { checkAtRest, checkQuiet } from './rest-rules.ts'
import { checkStep, scan } from './rules.ts'
import {
  allVote,
  describeLeader,
  isFree,
  isWhole,
  keptBy,
  leaderOf,
  openOperations,
  openTasks,
} from './views.ts'
import { watch } from './watchers.ts'

export interface Failure {
  /** Row of simulation.md §9, or `L` and what did not come to pass (§10). */
  readonly rule: string
  readonly reason: string
  /** Simulated time, ms. */
  readonly atMs: number
  readonly phase: string
}

export interface Result {
  readonly failure: Failure | undefined
  /** Over all that happened; equal for equal plans. */
  readonly hash: string
  /** Timers that fired and turns that were deferred: the events of simulation.md §3. */
  readonly events: number
  readonly simulatedMs: number
  readonly cpuMs: number
  /** CPU time until all programs had been started. */
  readonly startMs: number
  readonly pace: Pace
  readonly faults: number
  /** Messages that the weather has lost, doubled, put out of turn, held back or changed. */
  readonly harmed: number
  /** Ends of a process by a fault. */
  readonly crashes: number
  readonly launches: number
  readonly situations: ReadonlyMap<string, number>
  /** The newest lines of the trace. */
  readonly lines: readonly string[]
}

export interface RunOptions {
  /** Stops at this simulated time, s. */
  readonly until?: number | undefined
  readonly print?: (line: string) => void
}

/** The run was asked to stop here. */
class Stop extends Error {}

const bootMs = 60_000
const scanMs = 1000
/** For offers to come to who wants them, and cycles of allocations until they do. */
const offersMs = 5000
const cycles = 3
/** For how long it is looked at what a cluster says that has nothing to do, at the usual pace. */
const quietMs = 20_000

export async function run(plan: Plan, { until, print }: RunOptions = {}): Promise<Result> {
  const cpuMs = cpuClock()
  forgetPids()
  const cluster = buildCluster(plan, print)
  watch(cluster)
  const crash = (error: unknown) => {
    cluster.trouble ??= new Violation('S5', `unhandled: ${(error as Error)?.stack ?? error}`)
  }
  process.on('unhandledRejection', crash)
  process.on('uncaughtException', crash)
  const progress = { phase: 'boot', faults: 0, crashes: 0, startMs: 0, cpuMs }
  let failure: Failure | undefined
  try {
    await phases(cluster, progress, (until ?? Number.POSITIVE_INFINITY) * 1000)
  } catch (error) {
    if (!(error instanceof Stop)) failure = failureOf(error, cluster, progress.phase)
  } finally {
    process.off('unhandledRejection', crash)
    process.off('uncaughtException', crash)
  }
  const { clock, trace, history, situations } = cluster
  return {
    failure,
    hash: trace.hash,
    events: clock.turns,
    simulatedMs: clock.monotonic(),
    cpuMs: cpuMs(),
    startMs: progress.startMs,
    pace: plan.pace,
    faults: progress.faults,
    harmed: cluster.air.harmed,
    crashes: progress.crashes,
    launches: history.tasks.size,
    situations,
    lines: trace.lines,
  }
}

/** Returns a function that says how much CPU time has been used since, ms. */
function cpuClock(): () => number {
  const started = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(started)
    return (user + system) / 1000
  }
}

/** What is counted while a run goes on. */
interface Progress {
  phase: string
  faults: number
  crashes: number
  startMs: number
  readonly cpuMs: () => number
}

function failureOf(error: unknown, { clock }: Cluster, phase: string): Failure {
  const rule = error instanceof Violation ? error.rule : 'S5'
  const reason =
    error instanceof Violation ? error.message : String((error as Error).stack ?? error)
  return { rule, reason, atMs: clock.monotonic(), phase }
}

async function phases(cluster: Cluster, progress: Progress, untilMs: number): Promise<void> {
  const { clock, plan, hosts, frameworks } = cluster
  const { settledMs, lookMs, idleFactor } = settingsOf(plan)
  let nextScan = 0
  let deadlines: Deadlines | undefined
  const check = () => {
    if (cluster.trouble !== undefined) throw cluster.trouble
    checkStep(cluster)
    const now = clock.monotonic()
    if (now >= nextScan) {
      nextScan = now + scanMs
      scan(cluster)
    }
    if (now >= untilMs) throw new Stop()
  }
  const until = async (what: string, holds: () => boolean, limitMs: number) => {
    let missed = false
    let nextLook = 0
    const limit = clock.setTimeout(() => {
      missed = true
    }, limitMs)
    await clock.advanceUntil(() => {
      check()
      if (missed || clock.monotonic() < nextLook) return missed
      nextLook = clock.monotonic() + lookMs
      deadlines?.look(clock.monotonic())
      return holds()
    }, limitMs + 1)
    clock.clearTimeout(limit)
    if (missed) throw new Violation(`L ${what}`, waitingFor(cluster, what, limitMs))
  }
  const pass = async (ms: number) => {
    const end = clock.monotonic() + ms
    clock.setTimeout(() => undefined, ms)
    await clock.advanceUntil(() => {
      check()
      return clock.monotonic() >= end
    }, ms + 1)
  }

  const { operators } = cluster
  const bootRate = meter(cluster)
  await operators.open()
  for (const host of hosts.values()) host.start()
  for (const { framework } of frameworks) framework.begin()
  await clock.settle()
  progress.startMs = progress.cpuMs()
  await until(
    'all agents and frameworks are there, and all replicas vote',
    () => isWhole(cluster) && allVote(cluster),
    bootMs,
  )
  const booting = bootRate()

  progress.phase = 'chaos'
  const beganMs = clock.monotonic()
  cluster.disturb()
  const ends = new Set<() => void>()
  for (const fault of plan.faults) {
    clock.setTimeout(() => {
      if (progress.phase !== 'chaos') return
      progress.faults++
      if (endsProcess.has(fault.type)) progress.crashes++
      cluster.trace.note('node' in fault ? fault.node : '*', 'fault', JSON.stringify(fault))
      cluster.mark(`fault ${fault.type}`)
      const undo = beginFault(cluster, fault)
      ends.add(undo)
      clock.setTimeout(() => {
        if (ends.delete(undo)) undo()
      }, fault.forMs)
    }, fault.at)
  }
  for (const order of plan.orders) {
    clock.setTimeout(() => {
      if (progress.phase !== 'chaos') return
      cluster.mark(`order ${order.type}`)
      operators.begin(order)
    }, order.at)
  }
  await pass(plan.chaosMs)

  progress.phase = 'heal'
  cluster.heal()
  for (const undo of ends) undo()
  ends.clear()
  for (const name of plan.lost) cluster.broker.isolate(name)
  operators.tidy()
  deadlines = healed(cluster, beganMs)
  await until('all agents and frameworks are back', () => isWhole(cluster), settledMs)
  await until('operators are done', () => isTidied(cluster), settledMs)

  progress.phase = 'liveness'
  for (const { framework } of frameworks) framework.becomeQuiet()
  cluster.registers.isQuiet = true
  const isOver = () => isTidied(cluster) && openTasks(cluster).length === 0
  await until('every task has ended', isOver, settledMs)

  await until(
    'every operation has ended',
    () => isTidied(cluster) && openOperations(cluster).length === 0,
    settledMs,
  )

  cluster.registers.check()

  for (const { framework } of frameworks) framework.collect()
  await until(
    'all that is free is offered',
    () => isTidied(cluster) && missingOffers(cluster) === undefined,
    offersMs + cycles * plan.allocationMs,
  )
  const turns = new Turns(cluster)
  await until('shares are compared', () => isTidied(cluster) && turns.look(), settledMs)

  progress.phase = 'drain'
  for (const { framework } of frameworks) framework.leave()
  await until('everything is free', () => isTidied(cluster) && isFree(cluster), settledMs)
  await until('the books agree', () => disagreement(cluster) === undefined, settledMs)
  const met = deadlines
  await until('what has its time has come to pass', () => met.areMet, settledMs)
  const quietRate = meter(cluster)
  await pass(quietMs * idleFactor)
  checkQuiet(quietRate(), booting)
  // What runs on a machine that is lost will never be told to end.
  for (const name of plan.lost) hosts.get(name)?.crash()
  for (const host of hosts.values()) checkAtRest(host.name, keptBy(host))
  for (const host of [...hosts.values()].reverse()) {
    let stopped = false
    void host.stop().then(() => {
      stopped = true
    })
    await until(`${host.name} stops`, () => stopped, 60_000)
  }
  await operators.close()
  // Whoever acts from time to time may just have thought of it.
  await pass(copyMsMax + 30_000 * idleFactor)
  const left = clock.pending()
  if (left.timers + left.deferred > 0)
    throw new Violation('S4', `left on the clock: ${JSON.stringify(left)}`)
}

/** Returns a function that says how many messages were published in a simulated minute since. */
function meter({ broker, clock }: Cluster): () => number {
  const [published, sinceMs] = [broker.stats().published, clock.monotonic()]
  return () => ((broker.stats().published - published) / (clock.monotonic() - sinceMs)) * 60_000
}

/** Faults that are the end of a process. */
const endsProcess: ReadonlySet<string> = new Set(['kill', 'crash', 'loop', 'wipe', 'restore'])

function missingOffers(cluster: Cluster): string | undefined {
  const leader = leaderOf(cluster)
  if (leader === undefined) return 'nobody leads'
  // After a failover an allocator with quotas waits for agents, of which some may never come back.
  return leader.isAwaiting ? undefined : notOffered(leader.master)
}

/** What came up meanwhile is cleared away as well. */
function isTidied({ operators }: Cluster): boolean {
  if (operators.isDone) return true
  operators.tidy()
  return false
}

function waitingFor(cluster: Cluster, what: string, limitMs: number): string {
  const unended = openTasks(cluster)
  const tasks = unended
    .slice(0, 5)
    .map(({ id, agentId, lastState }) => `${id} on ${agentId} ${lastState}`)
  const down = [...cluster.hosts.values()].filter(({ isUp }) => !isUp).map(({ name }) => name)
  return `not within ${limitMs} ms: ${what}; down: ${down.join(', ') || 'nobody'}; ${unended.length} tasks open: ${tasks.join('; ')}; operations open: ${openOperations(cluster).join(', ')}; ${describeLeader(cluster)}; ${missingOffers(cluster) ?? 'all is on offer'}; ${disagreement(cluster) ?? 'the books agree'}`
}
