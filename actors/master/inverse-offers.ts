/**
 * Inverse offers: frameworks are asked to give agents back before their maintenance. Nothing is taken
 * away from who declines; the answers are kept for operators to look at. Spec: master.md §13,
 * scheduler-api.md §4, allocator.md §8.
 */
import { type InverseAllocation, UpdateInverseOffer } from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { InverseOffer as Document, Filters, OfferId } from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import { refuseSeconds } from './offers.ts'
import {
  type Agent,
  type Framework,
  type InverseOffer,
  isActive,
  type MasterState,
  toTimeInfo,
} from './state.ts'
import { withEntry } from './tables.ts'

/** Inverse offers of one event: about 300 bytes each, within what every broker takes. */
const EVENT_INVERSE_OFFERS_MAX = 500

type Asked = Payload<typeof InverseAllocation>['inverse_offers']

/** INVERSE_ALLOCATION: an inverse offer for each whose framework listens and whose agent is there. */
export function makeInverseOffers(state: MasterState, asked: Asked, cx: Context): void {
  const createdMs = cx.monotonic()
  const batches = new Map<Framework, InverseOffer[]>()
  const unasked: Array<{ framework_id: string; agent_id: string }> = []
  for (const { framework_id, agent_id, unavailability } of asked) {
    const framework = state.frameworks.get(framework_id)
    const agent = state.agents.get(agent_id)
    if (framework === undefined || !isActive(framework) || agent?.unavailability === undefined) {
      unasked.push({ framework_id, agent_id })
      continue
    }
    const id = `${state.info.id}-O${state.nextOffer++}`
    const offer: InverseOffer = { id, framework, agent, unavailability, createdMs }
    state.inverseOffers.set(id, offer)
    const batch = batches.get(framework)
    if (batch === undefined) batches.set(framework, [offer])
    else batch.push(offer)
  }
  if (unasked.length > 0) cx.send(state.allocator, UpdateInverseOffer, { inverse_offers: unasked })
  for (const [framework, batch] of batches) {
    for (let i = 0; i < batch.length; i += EVENT_INVERSE_OFFERS_MAX) {
      const part = batch.slice(i, i + EVENT_INVERSE_OFFERS_MAX)
      const inverse_offers = { inverse_offers: part.map(inverseOfferDocument) }
      sendEvent(state, framework, { type: 'INVERSE_OFFERS', inverse_offers }, cx)
    }
  }
  if (state.options.offer_timeout_ms > 0 && batches.size > 0) awaitTimeout(state, cx)
}

/** Without resources: the whole agent is asked for. */
export function inverseOfferDocument({ id, framework, agent, ...rest }: InverseOffer): Document {
  return {
    id: { value: id },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    unavailability: rest.unavailability,
  }
}

/** One timer for all, which are kept in the order of their making. */
function awaitTimeout(state: MasterState, cx: Context): void {
  const [oldest] = state.inverseOffers.values()
  if (oldest === undefined) return
  const { offer_timeout_ms } = state.options
  const dueMs = oldest.createdMs + offer_timeout_ms
  cx.after('inverse offer time-out', Math.max(0, dueMs - cx.monotonic()), () => {
    const nowMs = cx.monotonic()
    rescindInverseOffers(state, ({ createdMs }) => createdMs + offer_timeout_ms <= nowMs, cx)
    awaitTimeout(state, cx)
  })
}

/** ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS; ids that are not (any more) valid are passed over. */
export function answerInverseOffers(
  state: MasterState,
  framework: Framework,
  status: 'ACCEPT' | 'DECLINE',
  answer: { inverse_offer_ids?: OfferId[]; filters?: Filters },
  cx: Context,
): undefined {
  const own = (answer.inverse_offer_ids ?? []).flatMap(({ value }) => {
    const offer = state.inverseOffers.get(value)
    return offer?.framework === framework ? [offer] : []
  })
  const timestamp = toTimeInfo(cx.now())
  for (const { agent } of own) {
    const framework_id = { value: framework.id }
    const said = { status, framework_id, timestamp }
    agent.inverseAnswers = withEntry(agent.inverseAnswers, framework.id, said)
  }
  end(state, own, refuseSeconds(answer.filters), cx)
}

/** Ends inverse offers, and tells their frameworks. */
export function rescindInverseOffers(
  state: MasterState,
  which: (offer: InverseOffer) => boolean,
  cx: Context,
): void {
  const offers = [...state.inverseOffers.values()].filter(which)
  for (const { id, framework } of offers) {
    const rescind_inverse_offer = { inverse_offer_id: { value: id } }
    sendEvent(state, framework, { type: 'RESCIND_INVERSE_OFFER', rescind_inverse_offer }, cx)
  }
  end(state, offers, undefined, cx)
}

/** The same for those of an agent whose window has changed, or that leaves. */
export function rescindInverseOffersOf(state: MasterState, agent: Agent, cx: Context): void {
  rescindInverseOffers(state, (offer) => offer.agent === agent, cx)
}

/** Without a word: the subscription that they were made in has ended. */
export function discardInverseOffers(state: MasterState, framework: Framework, cx: Context): void {
  const own = [...state.inverseOffers.values()].filter((offer) => offer.framework === framework)
  end(state, own, undefined, cx)
}

function end(
  state: MasterState,
  offers: readonly InverseOffer[],
  refuse_seconds: number | undefined,
  cx: Context,
): void {
  if (offers.length === 0) return
  for (const { id } of offers) state.inverseOffers.delete(id)
  const inverse_offers = offers.map(({ framework, agent }) => ({
    framework_id: framework.id,
    agent_id: agent.id,
  }))
  const filter = refuse_seconds === undefined ? {} : { refuse_seconds }
  cx.send(state.allocator, UpdateInverseOffer, { inverse_offers, ...filter })
}
