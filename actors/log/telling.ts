/** A writer tells all replicas how far each has voted, so that none comes back from an older copy (voted.ts). */
import { type Generations, Heard, type Voted } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { replicaOf, timing } from './state.ts'
import { laterOf } from './voted.ts'
import type { WriterState } from './writer-state.ts'

/** A replica has accepted something: said before long, together with what others accept until then. */
export function heard(
  state: WriterState,
  cx: Context,
  node: string,
  { generations }: { readonly generations: Generations },
  { promised = 0, end = 0 }: Partial<Voted>,
): void {
  const voted = { generation: generations[node] ?? 0, promised, end }
  const known = state.votes[node]
  state.votes[node] = known === undefined ? voted : laterOf(known, voted)
  if (state.telling) return
  state.telling = true
  cx.after('tell votes', timing.tellMs, () => {
    state.telling = false
    const votes = { ...state.votes }
    const { args } = state
    for (const other of args.ensemble.replicas) cx.send(replicaOf(args, other), Heard, { votes })
  })
}
