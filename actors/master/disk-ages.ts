/**
 * How old the disks of agents are, in the registry: an agent whose disk somebody has set back to an older copy
 * of it is not taken back, whoever leads. What such a copy says of tasks, reservations and volumes is no longer
 * so. Spec: simulation.md §5 ("stops and says so, never wrong data").
 */
import { failure } from '../../protocol/errors.ts'
import type { Context } from '../../src/runtime/index.ts'
import { store } from './registry.ts'
import { type MasterState, toTimeInfo } from './state.ts'

/** Refuses an agent whose disk is younger than it was; false if nobody knows that of it. */
export function refuseOldCopy(
  state: MasterState,
  id: string,
  disk_age: number | undefined,
  cx: Context,
): boolean {
  const known = state.disks.get(id)?.disk_age
  if (disk_age === undefined || known === undefined || disk_age >= known) return false
  // The agent is not told to end: it may have said this before it said the other.
  const refusal = failure('OLD_COPY', { agent_id: id, disk_age, known })
  cx.log('warn', 'an agent is refused: its disk is an older copy', { agent: id, disk_age, known })
  cx.refuse(refusal)
  return true
}

/** An agent says how old its disk is now; it is known once that is in the registry. */
export function learnDiskAge(state: MasterState, id: string, disk_age: number, cx: Context): void {
  const record = { disk_age, timestamp: toTimeInfo(cx.now()) }
  store(
    state,
    [{ type: 'RECORD_DISK_AGE', agent_id: { value: id }, ...record }],
    cx,
    ([applied]) => {
      if (applied) state.disks.set(id, record)
    },
  )
}
