/** What operators do with offers: withdraw them, and watch them come and go. Both are ours. */
import { type Failure, fail } from '../../protocol/errors.ts'
import type { MasterCall } from '../../protocol/operator.ts'
import { ok, type Result } from '../../protocol/result.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { rescindAll } from './offers.ts'
import type { Answer } from './operator.ts'
import type { MasterState, Offer } from './state.ts'

type Selection = Extract<MasterCall, { type: 'RESCIND_OFFERS' }>['rescind_offers']

/** How long offers are told to watchers who do not ask again. */
const WATCH_MS = 30_000

/** RESCIND_OFFERS: no filter keeps what is free again from being offered to the same frameworks. */
export function rescindSelected(
  state: MasterState,
  selection: Selection,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const selected = select(state, selection)
  if (!selected.ok) return selected
  inSlices(rescindAll(state, selected.value, cx), cx, (count) =>
    later(ok({ type: 'RESCIND_OFFERS', rescind_offers: { count } })),
  )
  return undefined
}

function select(
  state: MasterState,
  { offer_ids, framework_id, agent_id, all = false }: Selection,
): Result<Offer[], Failure> {
  const byOwner = framework_id !== undefined || agent_id !== undefined
  if ([offer_ids !== undefined, byOwner, all].filter(Boolean).length !== 1) {
    const problem = 'must name either offer_ids, or a framework_id or agent_id, or all'
    return fail('INVALID_MESSAGE', { problem: `RESCIND_OFFERS.rescind_offers: ${problem}` })
  }
  if (offer_ids !== undefined) {
    const ids = [...new Set(offer_ids.map(({ value }) => value))]
    const missing = ids.find((id) => !state.offers.has(id))
    if (missing !== undefined) return fail('NOT_FOUND', { kind: 'offer', id: missing })
    return ok(ids.flatMap((id) => state.offers.get(id) ?? []))
  }
  if (framework_id !== undefined && !state.frameworks.has(framework_id.value)) {
    return fail('NOT_FOUND', { kind: 'framework', id: framework_id.value })
  }
  if (agent_id !== undefined && !state.agents.has(agent_id.value)) {
    return fail('NOT_FOUND', { kind: 'agent', id: agent_id.value })
  }
  const matching = [...state.offers.values()].filter(
    ({ framework, agent }) =>
      (framework_id === undefined || framework.id === framework_id.value) &&
      (agent_id === undefined || agent.id === agent_id.value),
  )
  return ok(matching)
}

/** WATCH_OFFERS: one watch for all operators, so that its cost does not grow with them. */
export function watchOffers(state: MasterState, cx: Context): object {
  state.offersWatchedUntilMs = cx.monotonic() + WATCH_MS
  const watch_offers = { subject: state.subjects.allOffers, seconds: WATCH_MS / 1000 }
  return { type: 'WATCH_OFFERS', watch_offers }
}
