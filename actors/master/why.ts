/**
 * EXPLAIN_OFFERS: the allocator's explanations, with what only the master knows: which offers are out, and
 * why an agent is not to be offered.
 */
import { Explain, type Explanation } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { MasterCall, OfferExplanation } from '../../protocol/operator.ts'
import { ok, type Result } from '../../protocol/result.ts'
import { entries } from '../../src/paging/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import type { Answer } from './operator.ts'
import type { MasterState } from './state.ts'

type Question = Extract<MasterCall, { type: 'EXPLAIN_OFFERS' }>['explain_offers']

/** Returns a refusal; or nothing, and `later` is told the answer when the allocator has given its own. */
export function explainOffers(
  state: MasterState,
  { framework_id, agent_id }: Question,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const id = framework_id.value
  if (!state.frameworks.has(id)) return fail('NOT_FOUND', { kind: 'framework', id })
  if (agent_id !== undefined && !state.agents.has(agent_id.value)) {
    return fail('NOT_FOUND', { kind: 'agent', id: agent_id.value })
  }
  const told: Explanation[] = []
  // The allocator tells a part at a time, so that it stands still for nobody.
  const ask = (offset: number) => {
    const question = { framework_id: id, offset, ...(agent_id && { agent_id: agent_id.value }) }
    cx.ask(state.allocator, Explain, question, {}, (outcome) => {
      if (!outcome.ok) return later(fail('INTERNAL', { reason: outcome.error.message }))
      const { explanations, next } = outcome.value
      told.push(...explanations)
      if (next !== undefined) return ask(next)
      const nowMs = cx.now()
      const documents = entries(told, (each) => document(state, id, each, nowMs))
      later(ok({ explain_offers: { explanations: documents } }))
    })
  }
  ask(0)
  return undefined
}

function document(
  state: MasterState,
  frameworkId: string,
  { agent_id, role, reason, message, seconds }: Explanation,
  nowMs: number,
): OfferExplanation {
  const agent = state.agents.get(agent_id)
  const offers = [...(agent?.offers ?? [])].filter(
    ({ framework, share }) => framework.id === frameworkId && share.role === role,
  )
  return {
    agent_id: { value: agent_id },
    hostname: agent?.info.hostname ?? '',
    role,
    reason,
    message: reason === 'AGENT_INACTIVE' ? inactivity(state, agent_id) : message,
    ...(seconds !== undefined && { until: { nanoseconds: (nowMs + seconds * 1000) * 1e6 } }),
    ...(offers.length > 0 && { offer_ids: offers.map(({ id }) => ({ value: id })) }),
  }
}

function inactivity({ agents, drains, deactivated }: MasterState, id: string): string {
  const drain = drains.get(id)
  if (drain?.state === 'DRAINED') return 'it is drained'
  if (drain !== undefined) return 'it drains: its tasks are being ended'
  if (deactivated.has(id)) return 'an operator has deactivated it'
  return agents.get(id)?.connected ? 'it is about to be offered again' : 'it is disconnected'
}
