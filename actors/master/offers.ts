/**
 * Offers: made from allocations, and ended by decline, rescission, time-out or silently. An offer is one
 * framework's, one role's and one agent's. However it ends, its resources go back to the allocator once.
 * Spec: master.md §9, scheduler-api.md §5.
 */
import { RecoverResources, type Share } from '../../protocol/allocator.ts'
import { encode } from '../../protocol/codec.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type { Filters } from '../../protocol/v1/index.ts'
import { type Context, deepFreeze, inSlices } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import { silenceSubject } from './liveness.ts'
import { count } from './metrics.ts'
import { encodeOffers, offerDocument } from './offer-encoding.ts'
import { type Framework, isActive, isInService, type MasterState, type Offer } from './state.ts'

/** Offers of one event, made in one piece: some milliseconds. */
const EVENT_OFFERS_MAX = 128
/** Payload that every broker takes (NATS' default limit is 1 MiB). */
const EVENT_BYTES_MAX = 512 * 1024

/**
 * ALLOCATION: an offer for each share whose framework and agent are there; the rest goes back. It takes
 * several turns if they are many, and is answered after the last one.
 */
export function makeOffers(state: MasterState, shares: readonly Share[], cx: Context): void {
  const allocator = cx.hold()
  inSlices(offering(state, shares, cx), cx, () => {
    if (state.options.offer_timeout_ms > 0) awaitTimeout(state, cx)
    cx.answer(allocator, {})
  })
}

/** What is made for a framework is told to it in the same step: there are no offers that nobody knows. */
function* offering(
  state: MasterState,
  shares: readonly Share[],
  cx: Context,
): Generator<void, void> {
  const batches = new Map<string, Share[]>()
  for (const share of shares) {
    const batch = batches.get(share.framework_id)
    if (batch === undefined) batches.set(share.framework_id, [share])
    else batch.push(share)
  }
  for (const [id, batch] of batches) {
    for (let i = 0; i < batch.length; i += EVENT_OFFERS_MAX) {
      offerTo(state, state.frameworks.get(id), batch.slice(i, i + EVENT_OFFERS_MAX), cx)
      yield
    }
  }
}

function offerTo(
  state: MasterState,
  framework: Framework | undefined,
  shares: readonly Share[],
  cx: Context,
): void {
  const createdMs = cx.monotonic()
  const offers: Offer[] = []
  const unwanted: Share[] = []
  for (const share of shares) {
    const agent = state.agents.get(share.agent_id)
    if (!framework || !isActive(framework) || !agent || !isInService(state, agent)) {
      unwanted.push(share)
      continue
    }
    const id = `${state.info.id}-O${state.nextOffer++}`
    const offer: Offer = { id, framework, agent, share: deepFreeze(share), createdMs }
    state.offers.set(id, offer)
    framework.offers.add(offer)
    agent.offers.add(offer)
    offers.push(offer)
  }
  giveBack(state, unwanted, undefined, cx)
  if (framework && offers.length > 0) publishOffers(state, framework, offers, cx)
  count(state, 'master/offers_made', offers.length)
}

/** With a reply subject: if nobody listens these offers, and the framework, are ended at once. */
function publishOffers(
  state: MasterState,
  framework: Framework,
  offers: readonly Offer[],
  cx: Context,
): void {
  const data =
    framework.format === 'msgpack'
      ? encodeOffers(state, offers)
      : encode(offersEvent(state, framework, offers), 'json')
  if (data.length > EVENT_BYTES_MAX && offers.length > 1) {
    const middle = offers.length >> 1
    publishOffers(state, framework, offers.slice(0, middle), cx)
    publishOffers(state, framework, offers.slice(middle), cx)
    return
  }
  const subject = state.subjects.frameworkEvent(framework.id)
  cx.publish(subject, data, { reply: silenceSubject(state, framework) })
  if (isWatched(state, cx)) cx.publish(state.subjects.offers(framework.id), data.slice())
}

/** Whether operators watch what frameworks are told of offers. */
function isWatched({ offersWatchedUntilMs }: MasterState, cx: Context): boolean {
  return cx.monotonic() < offersWatchedUntilMs
}

function offersEvent(state: MasterState, { streamId }: Framework, offers: readonly Offer[]) {
  return {
    type: 'OFFERS',
    epoch: state.epoch,
    stream_id: streamId,
    offers: { offers: offers.map(offerDocument) },
  }
}

/** One timer for all offers, which are kept in the order of their making. */
function awaitTimeout(state: MasterState, cx: Context): void {
  const [oldest] = state.offers.values()
  if (oldest === undefined) return
  const dueMs = oldest.createdMs + state.options.offer_timeout_ms
  cx.after('offer time-out', Math.max(0, dueMs - cx.monotonic()), () => {
    const overdue: Offer[] = []
    for (const offer of state.offers.values()) {
      if (offer.createdMs + state.options.offer_timeout_ms > cx.monotonic()) break
      overdue.push(offer)
    }
    rescindOffers(state, overdue, cx)
    awaitTimeout(state, cx)
  })
}

/** DECLINE: own offers that are still there go back with the filter; unknown ids are ignored. */
export function decline(
  state: MasterState,
  framework: Framework,
  { decline: { offer_ids = [], filters } }: CallOf<'DECLINE'>,
  cx: Context,
): undefined {
  const shares: Share[] = []
  for (const { value } of offer_ids) {
    const offer = state.offers.get(value)
    if (offer?.framework !== framework) continue
    forget(state, offer)
    shares.push(offer.share)
  }
  count(state, 'master/offers_declined', shares.length)
  giveBack(state, shares, refuseSeconds(filters), cx)
}

/** scheduler-api.md §5: absent, negative and unparsable mean 5 s; 0 means no filter; capped at a year. */
export function refuseSeconds(filters: Filters | undefined): number | undefined {
  const seconds = filters?.refuse_seconds ?? REFUSE_SECONDS_DEFAULT
  if (seconds === 0) return undefined
  return seconds > 0 ? Math.min(seconds, REFUSE_SECONDS_MAX) : REFUSE_SECONDS_DEFAULT
}

const REFUSE_SECONDS_DEFAULT = 5
const REFUSE_SECONDS_MAX = 365 * 24 * 3600

/** Ends offers and tells their frameworks, who perhaps are not offered the same again for a while. */
export function rescindOffers(
  state: MasterState,
  offers: readonly Offer[],
  cx: Context,
  refuseSeconds?: number,
): void {
  const watched = isWatched(state, cx)
  for (const { id, framework } of offers) {
    const event = { type: 'RESCIND', rescind: { offer_id: { value: id } } } as const
    sendEvent(state, framework, event, cx)
    if (watched) cx.publish(state.subjects.offers(framework.id), encode(event))
  }
  count(state, 'master/offers_rescinded', offers.length)
  discardOffers(state, offers, cx, refuseSeconds)
}

/** Offers that are ended in one step where there may be any number. */
const RESCINDED_PER_STEP = 50

/**
 * The same for however many, step by step; those that end by themselves meanwhile are passed over. Returns
 * how many were ended.
 */
export function* rescindAll(
  state: MasterState,
  offers: readonly Offer[],
  cx: Context,
): Generator<void, number> {
  let ended = 0
  for (let at = 0; at < offers.length; at += RESCINDED_PER_STEP) {
    const portion = offers
      .slice(at, at + RESCINDED_PER_STEP)
      .filter((offer) => state.offers.get(offer.id) === offer)
    rescindOffers(state, portion, cx)
    ended += portion.length
    yield
  }
  return ended
}

/** Ends offers without a word to their frameworks. */
export function discardOffers(
  state: MasterState,
  offers: readonly Offer[],
  cx: Context,
  refuseSeconds?: number,
): void {
  for (const offer of offers) forget(state, offer)
  const shares = offers.map(({ share }) => share)
  giveBack(state, shares, refuseSeconds, cx)
}

/** Takes offers out of the books; their resources are the caller's to give back or to use. */
export function forget(state: MasterState, offer: Offer): void {
  state.offers.delete(offer.id)
  offer.framework.offers.delete(offer)
  offer.agent.offers.delete(offer)
}

/** Offered resources are free again, perhaps not for this framework for a while. */
export function giveBack(
  state: MasterState,
  shares: Share[],
  refuseSeconds: number | undefined,
  cx: Context,
): void {
  const filter = refuseSeconds === undefined ? {} : { refuse_seconds: refuseSeconds }
  for (let at = 0; at < shares.length; at += SHARES_MAX) {
    const portion = shares.slice(at, at + SHARES_MAX)
    cx.send(state.allocator, RecoverResources, { shares: portion, used: false, ...filter })
  }
}

/** Shares of one message to the allocator, which takes some microseconds for each. */
const SHARES_MAX = 500
