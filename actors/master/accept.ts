/**
 * ACCEPT: offers are used up, tasks launched, the rest declined. Spec: scheduler-api.md §6 (its steps
 * are named below), master.md §10. Everything here happens in one turn, so no agent can leave between
 * the check of the offers and their use (step D never applies).
 */
import { UpdateAllocation, UseResources } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type { OfferId, OfferOperation, Resource, TaskInfo } from '../../protocol/v1/index.ts'
import { merge, none, settleAccept } from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { type Acceptance, newAcceptance } from './acceptance.ts'
import { conversionDocument, convert } from './conversion.ts'
import { sendStatus } from './events.ts'
import { launch, launchGroup } from './launch.ts'
import { discardOffers, forget, giveBack, refuseSeconds } from './offers.ts'
import { operationError } from './operations.ts'
import type { Framework, MasterState, Offer } from './state.ts'
import { fateOf, masterStatus } from './tasks.ts'

export function accept(
  state: MasterState,
  framework: Framework,
  { accept: { offer_ids = [], operations = [], filters } }: CallOf<'ACCEPT'>,
  cx: Context,
): Failure | undefined {
  const offers = ownOffers(state, framework, offer_ids)
  if (!offers.ok) {
    refuse(state, framework, offer_ids, operations, offers.error, cx)
    return offers.error
  }
  const [{ agent, share }] = offers.value as [Offer]
  for (const offer of offers.value) forget(state, offer)
  const offered = merge(offers.value.flatMap((offer) => offer.share.resources))
  const { role } = share
  const acceptance = newAcceptance({ state, framework, agent, role, cx, offered })
  for (const operation of operations) operate(acceptance, operation)
  settle(acceptance, refuseSeconds(filters))
  return undefined
}

/** Step F: the allocator learns what was done with the offers, then gets back what is left of them. */
function settle(acceptance: Acceptance, refuseSeconds: number | undefined): void {
  const { state, framework, agent, role, cx, conversions, used, copies, remaining } = acceptance
  const share = (resources: readonly Resource[]) => ({
    framework_id: framework.id,
    role,
    agent_id: agent.id,
    resources: [...resources],
  })
  if (conversions.length > 0 || copies.length > 0) {
    cx.send(state.allocator, UpdateAllocation, {
      framework_id: framework.id,
      role,
      agent_id: agent.id,
      conversions: conversions.map(conversionDocument),
      copies: [...copies],
    })
  }
  if (used.length > 0) cx.send(state.allocator, UseResources, { shares: [share(used)] })
  const { converted, declined } =
    conversions.length === 0
      ? { converted: none, declined: remaining }
      : settleAccept(acceptance.offered, remaining, acceptance.resized)
  if (converted.length > 0) giveBack(state, [share(converted)], undefined, cx)
  if (declined.length > 0) giveBack(state, [share(declined)], refuseSeconds, cx)
}

/** Step A. */
function ownOffers(
  state: MasterState,
  framework: Framework,
  ids: readonly OfferId[],
): Result<Offer[], Failure> {
  if (ids.length === 0) return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: is empty' })
  const offers = new Set<Offer>()
  for (const { value } of ids) {
    const offer = state.offers.get(value)
    if (offer?.framework !== framework) {
      const reason = 'it was used, declined or rescinded, or is not yours'
      return fail('OFFER_STALE', { offer_id: value, reason })
    }
    if (offers.has(offer)) {
      return fail('INVALID_OFFERS', { problem: `accept.offer_ids: ${value} stands twice` })
    }
    offers.add(offer)
  }
  const all = [...offers]
  const [{ agent, share }] = all as [Offer]
  if (all.some((offer) => offer.agent !== agent)) {
    return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: are of different agents' })
  }
  if (all.some((offer) => offer.share.role !== share.role)) {
    return fail('INVALID_OFFERS', { problem: 'accept.offer_ids: are of different roles' })
  }
  return ok(all)
}

/** The broker may deliver a call twice: what the first copy launched was not dropped by the second. */
function isLaunched({ tasks, unreachable, completed }: Framework, taskId: string): boolean {
  return (
    tasks.has(taskId) ||
    unreachable.has(taskId) ||
    completed.some(({ task_id }) => task_id.value === taskId)
  )
}

/** Step A, invalid: offers of this framework are void, its tasks were dropped. */
function refuse(
  state: MasterState,
  framework: Framework,
  ids: readonly OfferId[],
  operations: readonly OfferOperation[],
  { message }: Failure,
  cx: Context,
): void {
  const own = ids.flatMap(({ value }) => {
    const offer = state.offers.get(value)
    return offer?.framework === framework ? [offer] : []
  })
  discardOffers(state, [...new Set(own)], cx)
  for (const operation of operations) {
    for (const { task_id, agent_id, executor } of tasksOf(operation)) {
      if (isLaunched(framework, task_id.value)) continue
      const status = {
        ...masterStatus(task_id.value, fateOf(framework, 'TASK_DROPPED'), cx),
        reason: 'REASON_INVALID_OFFERS',
        message,
        agent_id,
        ...(executor !== undefined && { executor_id: executor.executor_id }),
      } as const
      sendStatus(state, framework, status, cx)
    }
    if (!isLaunch(operation)) operationError(state, framework, operation, message, cx)
  }
}

function tasksOf({ launch, launch_group }: OfferOperation): readonly TaskInfo[] {
  return launch?.task_infos ?? launch_group?.task_group.tasks ?? []
}

function isLaunch({ type }: OfferOperation): boolean {
  return type === 'LAUNCH' || type === 'LAUNCH_GROUP'
}

/** Step E. */
function operate(acceptance: Acceptance, operation: OfferOperation): void {
  switch (operation.type) {
    case 'LAUNCH':
      launch(acceptance, operation)
      break
    case 'LAUNCH_GROUP':
      launchGroup(acceptance, operation)
      break
    case 'UNKNOWN':
    case undefined:
      break
    default:
      convert(acceptance, operation)
  }
}
