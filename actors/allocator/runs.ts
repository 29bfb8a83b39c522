/**
 * When runs happen: triggers that come together share one run, a run over all agents comes after each
 * allocation interval, and a long run goes in slices between which others have their turn.
 * Spec: allocator.md §3, "Batching".
 */

import Type from 'typebox'
import { Allocation, InverseAllocation } from '../../protocol/allocator.ts'
import { message } from '../../protocol/message.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import type { Agent, Cluster } from './cluster.ts'
import { shuffle } from './draw.ts'
import { askBack } from './maintenance.ts'
import type { Timings } from './metrics.ts'
import type { Awaited, RecoveryOptions } from './recovery.ts'
import { Run } from './run.ts'

/** To itself: everything that was triggered before its turn is done in one run. */
export const RunAllocation = message(
  'RUN_ALLOCATION',
  'The allocator begins the run that was asked for.',
  Type.Object({}),
)

export interface AllocatorState {
  readonly cluster: Cluster
  /** Who is told allocations. */
  readonly master: Pid
  readonly recovery: RecoveryOptions
  /** Nothing is offered before so many agents are there; undefined = no such number. */
  awaited: Awaited | undefined
  /** Agents that the next run goes through. */
  candidates: Set<Agent> | 'all'
  /** Monotonic ms at which the next run was asked for; undefined if it was not. */
  queuedMs: number | undefined
  /** The next run is that of the interval, which is counted from its end. */
  intervalDue: boolean
  current: RunUnderWay | undefined
  readonly timings: Timings
}

interface RunUnderWay {
  readonly run: Run
  readonly agents: Agent[]
  /** Guarantees are met on all agents before anything else is given to anybody. */
  stage: 'guarantees' | 'shares'
  /** How many of the agents are done in this stage. */
  done: number
  /** That it has taken so far. */
  ms: number
  readonly ofInterval: boolean
}

/**
 * A slice is over after so many ms, looked at after so many agents, or when so many shares are made: the
 * master has more to do with them, and frameworks shall not wait for the first until the last are made.
 */
const SLICE_MS = 6
const AGENTS_PER_LOOK = 4
const SHARES_PER_SLICE = 400

/** Asks for a run over these agents; in vain while agents are awaited. */
export function trigger(state: AllocatorState, agents: Iterable<Agent> | 'all', cx: Context): void {
  if (state.awaited !== undefined) return
  if (agents === 'all') state.candidates = 'all'
  else if (state.candidates !== 'all') for (const agent of agents) state.candidates.add(agent)
  if (state.queuedMs !== undefined) return
  state.queuedMs = cx.monotonic()
  if (state.current === undefined) cx.send(cx.self, RunAllocation, {})
}

/** Has a run over all agents after the interval. */
export function awaitInterval(state: AllocatorState, cx: Context): void {
  cx.after('allocation interval', state.cluster.settings.allocationIntervalMs, () => {
    state.intervalDue = true
    if (state.awaited === undefined) trigger(state, 'all', cx)
    else awaitInterval(state, cx)
  })
}

/** Begins the run that was asked for, unless one is under way, which will see to it at its end. */
export function beginRun(state: AllocatorState, cx: Context): void {
  const { queuedMs, candidates, cluster } = state
  const beganMs = cx.monotonic()
  if (queuedMs === undefined || state.current !== undefined) return
  const agents = [...(candidates === 'all' ? cluster.agents.values() : candidates)]
  shuffle(agents, cx.random)
  const run = new Run(cluster, queuedMs)
  const stage = run.guarantees ? 'guarantees' : 'shares'
  state.current = { run, agents, stage, done: 0, ms: 0, ofInterval: state.intervalDue }
  state.timings.latency.add(beganMs - queuedMs)
  state.candidates = new Set()
  state.queuedMs = undefined
  state.intervalDue = false
  runSlice(state, beganMs, cx)
}

function runSlice(state: AllocatorState, beganMs: number, cx: Context): void {
  const current = state.current!
  const { run } = current
  const over = runUntil(current, beganMs + SLICE_MS, cx)
  const shares = run.take()
  current.ms += cx.monotonic() - beganMs
  const goOn = () => {
    if (over) endRun(state, current, cx)
    else runSlice(state, cx.monotonic(), cx)
  }
  if (shares.length > 0) {
    // Offers take the master longer than us: without its answer they would pile up before it, and whoever
    // asks it something would wait behind all of them. Frozen, hence not copied: the shares are the
    // receiver's now, their resources are deeply frozen.
    cx.ask(state.master, Allocation, Object.freeze({ shares }), {}, goOn)
  } else if (over) endRun(state, current, cx)
  // By a timer, since a message to itself would be served within the same turn.
  else cx.after('slice', 0, goOn)
}

/** Goes on until the deadline; returns whether the run is over. */
function runUntil(current: RunUnderWay, deadlineMs: number, cx: Context): boolean {
  const { run, agents } = current
  for (;;) {
    while (current.done < agents.length) {
      const agent = agents[current.done++]!
      if (current.stage === 'guarantees') run.guarantee(agent)
      else run.allocate(agent)
      if (current.done % AGENTS_PER_LOOK > 0) continue
      if (run.made >= SHARES_PER_SLICE || cx.monotonic() >= deadlineMs) return false
    }
    if (current.stage === 'shares') return true
    current.stage = 'shares'
    current.done = 0
    shuffle(agents, cx.random)
  }
}

function endRun(state: AllocatorState, current: RunUnderWay, cx: Context): void {
  const { agents, ofInterval, ms } = current
  state.current = undefined
  state.timings.run.add(ms)
  const inverse_offers = askBack(state.cluster, agents, cx.monotonic())
  if (inverse_offers.length > 0) cx.send(state.master, InverseAllocation, { inverse_offers })
  if (ofInterval) awaitInterval(state, cx)
  if (state.queuedMs !== undefined) cx.send(cx.self, RunAllocation, {})
}
