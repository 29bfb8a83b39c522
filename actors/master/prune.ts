/**
 * Forgetting agents that left long ago, so that the registry does not grow for ever: those that have been
 * unreachable or gone for too long, and the oldest of too many. Spec: master.md §7.
 */
import type { TimeInfo } from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { store } from './registry.ts'
import { isKnownAgent, type MasterState } from './state.ts'

/** Looks through the lists once in each interval. */
export function prunePeriodically(state: MasterState, cx: Context): void {
  cx.after('prune', state.options.registry_gc_interval_ms, () => {
    prune(state, cx)
    prunePeriodically(state, cx)
  })
}

function prune(state: MasterState, cx: Context): void {
  const { registry_max_agent_age_ms: maxAgeMs, registry_max_agent_count: max } = state.options
  const idle = (id: string) => !state.transitions.has(id)
  const unreachable = overdue(state.unreachable, cx.now() - maxAgeMs, max).filter(idle)
  const gone = overdue(state.gone, cx.now() - maxAgeMs, max).filter(idle)
  const left = overdue(disksOfNobody(state), cx.now() - maxAgeMs, max).filter(idle)
  if (unreachable.length + gone.length + left.length === 0) return
  const ids = (list: readonly string[]) => list.map((value) => ({ value }))
  const lists = { unreachable: ids(unreachable), gone: ids(gone), left: ids(left) }
  store(state, [{ type: 'PRUNE', ...lists }], cx, () => {
    for (const id of unreachable) forget(state, id)
    for (const id of gone) state.gone.delete(id)
    for (const id of left) state.disks.delete(id)
    const details = { unreachable: unreachable.length, gone: gone.length, left: left.length }
    cx.log('info', 'agents that left long ago are forgotten', details)
  })
}

/** Of agents of which nothing else is known: id -> when they last said how old it is. */
function disksOfNobody(state: MasterState): Map<string, TimeInfo> {
  const left = [...state.disks].filter(([id]) => !isKnownAgent(state, id) && !state.gone.has(id))
  return new Map(left.map(([id, { timestamp }]) => [id, timestamp]))
}

/** Its tasks are not known any more, either; unless the agent is back since. */
function forget(state: MasterState, id: string): void {
  if (!state.unreachable.delete(id)) return
  state.drains.delete(id)
  state.deactivated.delete(id)
  for (const { unreachable } of state.frameworks.values()) {
    for (const [taskId, task] of [...unreachable]) {
      if (task.agent_id.value === id) unreachable.delete(taskId)
    }
  }
}

/**
 * Those that left before a moment (ms since the Unix epoch), and the oldest beyond `max`.
 * @param left id -> when
 */
export function overdue(
  left: ReadonlyMap<string, TimeInfo>,
  beforeMs: number,
  max: number,
): string[] {
  const oldestFirst = [...left].sort(([, a], [, b]) => a.nanoseconds - b.nanoseconds)
  const surplus = oldestFirst.length - max
  return oldestFirst
    .filter(([, { nanoseconds }], index) => index < surplus || nanoseconds / 1e6 < beforeMs)
    .map(([id]) => id)
}
