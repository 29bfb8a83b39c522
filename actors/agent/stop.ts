/**
 * The orderly end of the agent's process. Tasks run on and are found again at the next start; or, if the
 * operator wants that (`kill_tasks_on_stop`), they end first. Then the agent takes no new ones, and stays
 * until the schedulers have acknowledged how all of them ended, or nobody has acknowledged anything for a
 * while: what is not delivered is on disk, and the next start delivers it. Spec: agent.md §2, §7.
 */
import type { Context } from '../../src/runtime/index.ts'
import { end } from './executors.ts'
import { shutDownExecutor } from './kill.ts'
import type { AgentOptions } from './options.ts'
import type { AgentState } from './state.ts'

/** How long the agent waits for one more acknowledgement when all tasks have ended, ms. */
const farewellMs = 2000
/** For writing down how the last tasks ended, and for closing the store, ms. */
const closingMs = 3000

/** How long an agent may take to stop, ms. */
export function stopMs(options: AgentOptions): number {
  const endingMs = options.kill_tasks_on_stop ? options.executor_shutdown_grace_ms + farewellMs : 0
  return Math.max(10_000, endingMs + closingMs)
}

/** The node goes down. */
export function stop(state: AgentState, cx: Context): void {
  // It ends already, at a master's word and after its executors.
  if (state.phase === 'TERMINATING') return
  if (!state.options.kill_tasks_on_stop) {
    close(state, cx)
    return
  }
  state.stop = 'ENDING'
  // Before the end of recovery it is not known what there is to end.
  if (state.phase !== 'RECOVERING') cx.raise({ type: 'END_TASKS' })
}

/** Each has its own grace period, but none a longer one than the agent's. */
export function endTasks(state: AgentState, cx: Context): void {
  const mostMs = state.options.executor_shutdown_grace_ms
  for (const { executors, terminating } of [...state.frameworks.values()]) {
    for (const executor of [...executors.values()]) {
      if (!terminating) shutDownExecutor(state, executor, cx, mostMs)
      else if (executor.pid !== undefined) end(executor, cx, mostMs)
    }
  }
  proceed(state, cx)
}

/** A status was acknowledged, or an executor has ended: an agent that ends may be through. */
export function proceed(state: AgentState, cx: Context): void {
  if (state.phase === 'TERMINATING') {
    const left = [...state.frameworks.values()].some(({ executors }) => executors.size > 0)
    if (!left)
      cx.job(
        () => state.store.close(),
        () => cx.raise({ type: 'GONE' }),
      )
    return
  }
  if (state.stop !== 'ENDING' || state.phase === 'RECOVERING') return
  if (state.frameworks.size === 0) {
    close(state, cx)
    return
  }
  const alive = [...state.frameworks.values()].some(({ executors }) =>
    [...executors.values()].some(({ phase }) => phase !== 'terminated'),
  )
  if (!alive) cx.after('farewell', farewellMs, () => close(state, cx))
}

/** The store first: whatever is not written then never was. */
export function close(state: AgentState, cx: Context): void {
  state.stop = 'CLOSING'
  cx.cancel('farewell')
  cx.job(
    () => state.store.close(),
    () => cx.stop(),
  )
}
