/**
 * What registered agents say of themselves, again: their resources may have changed, by a restart with
 * other settings, by an operation that was reckoned with and came to nothing, or because more or less is
 * left over for revocable tasks. Spec: master.md §5; resources.md §6.
 */
import { isDeepStrictEqual } from 'node:util'
import type { UpdateOversubscribed, UpdateResources } from '../../protocol/agent.ts'
import { UpdateAgent } from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { AgentCapabilityType, Resource } from '../../protocol/v1/index.ts'
import {
  add,
  equals,
  filter,
  isRevocable,
  type Resources,
  resources,
} from '../../src/resources/index.ts'
import { type Context, deepFreeze } from '../../src/runtime/index.ts'
import { capabilitiesOf, totalOf } from './agents.ts'
import type { Report } from './interning.ts'
import { encodeAgentPart } from './offer-encoding.ts'
import { rescindOffers } from './offers.ts'
import type { Agent, MasterState } from './state.ts'

/** A registered agent registers again, with a report that is interned. */
export function adoptReport(state: MasterState, agent: Agent, report: Report, cx: Context): void {
  const { agent_info, version, resource_version = '' } = report
  const capabilities = capabilitiesOf(report)
  const learned = !isDeepStrictEqual(agent.capabilities, capabilities)
  agent.version = version
  agent.capabilities = capabilities
  agent.resourceVersion = resource_version
  const changed = !isDeepStrictEqual(agent.info, agent_info)
  if (changed) {
    agent.info = agent_info
    agent.encoded = encodeAgentPart(agent_info, agent.unavailability)
  }
  setTotal(state, agent, totalOf(report), changed || learned, cx)
}

/** UPDATE_RESOURCES: what was applied in advance and is not in it never was. */
export function resourcesUpdated(
  state: MasterState,
  agent: Agent,
  { total_resources, resource_version }: Payload<typeof UpdateResources>,
  cx: Context,
): void {
  agent.resourceVersion = resource_version
  setTotal(state, agent, resources(total_resources), false, cx)
}

/** UPDATE_OVERSUBSCRIBED: offers of what was lent until now are withdrawn, if that has changed. */
export function oversubscribedUpdated(
  state: MasterState,
  agent: Agent,
  { resources: lent }: Payload<typeof UpdateOversubscribed>,
  cx: Context,
): void {
  const own = filter(agent.total, (resource) => !isRevocable(resource))
  const total = add(own, resources(lent))
  if (equals(agent.total, total)) return
  agent.total = deepFreeze(total)
  const stale = [...agent.offers].filter(({ share }) => share.resources.some(isRevocable))
  rescindOffers(state, stale, cx)
  tellTotal(state, agent, cx)
}

/** Offers of what may not be there any more are withdrawn before anything else is offered. */
function setTotal(
  state: MasterState,
  agent: Agent,
  total: Resources,
  infoChanged: boolean,
  cx: Context,
): void {
  if (!infoChanged && equals(agent.total, total)) return
  agent.total = state.interned.of(total)
  rescindOffers(state, [...agent.offers], cx)
  tellTotal(state, agent, cx)
}

/** The allocator has the total that the books have. */
export function tellTotal(state: MasterState, agent: Agent, cx: Context): void {
  const { attributes = [] } = agent.info
  cx.send(state.allocator, UpdateAgent, {
    agent_id: agent.id,
    // Frozen, and known by their identity: no copies.
    total: agent.total as Resources & Resource[],
    attributes,
    capabilities: agent.capabilities as AgentCapabilityType[],
  })
}
