/**
 * When runs happen: triggers that come together share one run, a run over all agents comes after each
 * allocation interval, and a long run goes in slices between which others have their turn.
 * Spec: allocator.md §3, "Batching".
 */

import Type from 'typebox'
import { Allocation } from '../../protocol/allocator.ts'
import { message } from '../../protocol/message.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import type { Agent, Cluster } from './cluster.ts'
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
  /** Agents that the next run goes through. */
  candidates: Set<Agent> | 'all'
  /** Monotonic ms at which the next run was asked for; undefined if it was not. */
  queuedMs: number | undefined
  /** The next run is that of the interval, which is counted from its end. */
  intervalDue: boolean
  current: RunUnderWay | undefined
}

interface RunUnderWay {
  readonly run: Run
  readonly agents: readonly Agent[]
  /** How many of them are done. */
  done: number
  readonly ofInterval: boolean
}

/** A slice is over after so many ms, looked at after so many agents. */
const SLICE_MS = 8
const AGENTS_PER_LOOK = 8

/** Asks for a run over these agents. */
export function trigger(state: AllocatorState, agents: Iterable<Agent> | 'all', cx: Context): void {
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
    trigger(state, 'all', cx)
  })
}

/** Begins the run that was asked for, unless one is under way, which will see to it at its end. */
export function beginRun(state: AllocatorState, cx: Context): void {
  const { queuedMs, candidates, cluster } = state
  if (queuedMs === undefined || state.current !== undefined) return
  const agents = [...(candidates === 'all' ? cluster.agents.values() : candidates)]
  shuffle(agents, cx)
  const run = new Run(cluster, queuedMs)
  state.current = { run, agents, done: 0, ofInterval: state.intervalDue }
  state.candidates = new Set()
  state.queuedMs = undefined
  state.intervalDue = false
  runSlice(state, cx)
}

function runSlice(state: AllocatorState, cx: Context): void {
  const current = state.current!
  const { run, agents } = current
  const deadline = cx.monotonic() + SLICE_MS
  while (current.done < agents.length) {
    run.allocate(agents[current.done++]!)
    if (current.done % AGENTS_PER_LOOK === 0 && cx.monotonic() >= deadline) break
  }
  const shares = run.take()
  // Frozen, hence not copied: the shares are the receiver's now, their resources are deeply frozen.
  if (shares.length > 0) cx.send(state.master, Allocation, Object.freeze({ shares }))
  // By a timer, since a message to itself would be served within the same turn.
  if (current.done < agents.length) cx.after('slice', 0, () => runSlice(state, cx))
  else endRun(state, current, cx)
}

function endRun(state: AllocatorState, { ofInterval }: RunUnderWay, cx: Context): void {
  state.current = undefined
  if (ofInterval) awaitInterval(state, cx)
  if (state.queuedMs !== undefined) cx.send(cx.self, RunAllocation, {})
}

/** Fisher and Yates: no agent shall always be the first that is emptied. */
function shuffle(agents: Agent[], { random }: Context): void {
  for (let i = agents.length - 1; i > 0; i--) {
    const other = random.int(i + 1)
    const agent = agents[i]!
    agents[i] = agents[other]!
    agents[other] = agent
  }
}
