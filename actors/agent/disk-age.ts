/**
 * How old the agent's disk is: a number there that only grows. Masters keep it in the registry, and so they know
 * an agent whose work directory was set back to an older copy. It is raised after each registration and every
 * few minutes: a copy that is older than both, is noticed. Spec: simulation.md §5.
 */
import { DiskAged } from '../../protocol/agent.ts'
import type { AskError, Context, Pid } from '../../src/runtime/index.ts'
import { putAge } from './checkpoints.ts'
import type { AgentState } from './state.ts'
import { close } from './stop.ts'

/** Each costs one write of the agent's and one of the registry's. */
const raiseMs = 300_000

/** Raises it now and from time to time; the leader is told. */
export function growOlder(state: AgentState, cx: Context): void {
  cx.after('age', raiseMs, () => growOlder(state, cx))
  if (isEnding(state)) return
  const age = state.diskAge + 1
  cx.job(
    () => state.store.commit([putAge(age)]),
    (outcome) => {
      if (isEnding(state)) return
      if (!outcome.ok) throw outcome.error
      state.diskAge = age
      if (state.phase === 'RUNNING') cx.send(state.leader?.pid as Pid, DiskAged, { disk_age: age })
    },
  )
}

/** Its store may be closed. */
function isEnding({ phase, stop }: AgentState): boolean {
  return phase === 'TERMINATING' || stop === 'CLOSING'
}

/**
 * The master has heard of a later age than it was told. If that is not what this agent said since, it goes by a
 * past that is not its own any more: it ends, tells nobody anything, and leaves the disk as it is.
 */
export function endIfOld(state: AgentState, { details }: AskError, cx: Context): void {
  const { known } = details as { readonly known: number }
  if (known <= state.diskAge) return
  cx.cancel('register')
  cx.log('fatal', 'the work directory is an older copy; use an empty one', {
    work_dir: state.options.work_dir,
    disk_age: state.diskAge,
    known,
  })
  close(state, cx)
}
