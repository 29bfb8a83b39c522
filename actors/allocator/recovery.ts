/**
 * The pause after a failover: while few agents are back, guarantees of quotas cannot be told from what
 * is free, so nothing is offered. Without quotas there is no such pause. Spec: allocator.md §9.
 */
import type { Recover } from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Context } from '../../src/runtime/index.ts'
import { setQuotas } from './quota-accounts.ts'
import { type AllocatorState, trigger } from './runs.ts'

export interface RecoveryOptions {
  /** Fraction of the agents that were there before which are waited for. */
  readonly factor: number
  /** At most so long, ms. */
  readonly timeoutMs: number
}

/** What is waited for. */
export interface Awaited {
  readonly agents: number
  /** Monotonic ms at which waiting ends all the same. */
  readonly untilMs: number
}

/** A new leader tells what it has read. Without quotas, or agents, nothing is waited for. */
export function recover(
  state: AllocatorState,
  { agents, quota_configs }: Payload<typeof Recover>,
  cx: Context,
): void {
  setQuotas(state.cluster, quota_configs)
  const { factor, timeoutMs } = state.recovery
  const awaited = Math.floor(agents * factor)
  if (state.cluster.quotas.size === 0 || awaited <= state.cluster.agents.size) return
  state.awaited = { agents: awaited, untilMs: cx.monotonic() + timeoutMs }
  cx.after(TIMER, timeoutMs, () => resume(state, cx))
  cx.log('info', 'waits for agents before it offers anything', { agents: awaited })
}

/** Agents have come: perhaps enough. */
export function countAgents(state: AllocatorState, cx: Context): void {
  const { awaited, cluster } = state
  if (awaited !== undefined && cluster.agents.size >= awaited.agents) resume(state, cx)
}

function resume(state: AllocatorState, cx: Context): void {
  cx.cancel(TIMER)
  state.awaited = undefined
  cx.log('info', 'offers again', { agents: state.cluster.agents.size })
  trigger(state, 'all', cx)
}

const TIMER = 'recovery'
