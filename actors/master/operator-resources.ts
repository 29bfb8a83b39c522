/**
 * Reservations and volumes at an operator's word. Offers in the way are withdrawn one by one until the
 * operation fits what is free. The allocator knows what is free and has the last word: it may just have
 * offered some of it, which then is withdrawn as well. Spec: operator-api.md §B, notes on operations.
 */
import { UpdateAvailable } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { MasterCall } from '../../protocol/operator.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { OfferOperation } from '../../protocol/v1/index.ts'
import {
  applyOperation,
  type Checked,
  type Conversion,
  conversionsOf,
  formatFault,
  merge,
  type Resources,
  subtract,
} from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { applyToTotal, contextOf, conversionDocument, problemOf } from './conversion.ts'
import { rescindOffers } from './offers.ts'
import { capacityProblem, sendOperation } from './operations.ts'
import type { Answer } from './operator.ts'
import { tellTotal } from './reports.ts'
import { usedOnAgent } from './shares.ts'
import type { Agent, MasterState } from './state.ts'

type ResourceCall = Extract<
  MasterCall,
  {
    type:
      | 'RESERVE_RESOURCES'
      | 'UNRESERVE_RESOURCES'
      | 'CREATE_VOLUMES'
      | 'DESTROY_VOLUMES'
      | 'GROW_VOLUME'
      | 'SHRINK_VOLUME'
  }
>

/** How often offers that were made in the meantime are withdrawn before the operator is refused. */
const ATTEMPTS_MAX = 5

/** Seconds that those who were offered what an operator wants are not offered it again (§B). */
const REFUSE_SECONDS = 5

/** Returns the answer; or nothing, if `later` is told it when the allocator has answered. */
export function changeResources(
  state: MasterState,
  call: ResourceCall,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const { agentId: agent_id, operation } = operationOf(call)
  const agent = state.agents.get(agent_id)
  if (agent === undefined) return fail('UNKNOWN_AGENT', { agent_id })
  if (!agent.connected) return fail('AGENT_DISCONNECTED', { agent_id })
  const problem = capacityProblem(agent) ?? problemOf(operation, contextOf(agent, undefined))
  if (problem !== undefined) return fail('INVALID_RESOURCES', { problem })
  return attempt(state, { agent, operation, later }, 1, cx)
}

interface Change {
  readonly agent: Agent
  readonly operation: OfferOperation
  readonly later: Answer
}

function attempt(
  state: MasterState,
  change: Change,
  attempts: number,
  cx: Context,
): Result<object, Failure> | undefined {
  const { agent, operation, later } = change
  const room = makeRoom(state, agent, operation, cx)
  if (!room.ok) return fail('NOT_AVAILABLE', { problem: formatFault(room.error) })
  const conversions = room.value.map(conversionDocument)
  const update = { agent_id: agent.id, conversions }
  const { resourceVersion } = agent
  cx.ask(state.allocator, UpdateAvailable, update, {}, (outcome) => {
    const answer = outcome.ok
      ? carryOut(state, change, resourceVersion, cx)
      : // Allocations that crossed the request have arrived before its answer, and are offers by now.
        outcome.error.code === 'NOT_AVAILABLE' && attempts < ATTEMPTS_MAX
        ? attempt(state, change, attempts + 1, cx)
        : fail('NOT_AVAILABLE', { problem: outcome.error.message })
    if (answer !== undefined) later(answer)
  })
  return undefined
}

/**
 * Withdraws offers until the operation fits what neither tasks nor offers hold. Returns what it exchanges;
 * or why it would not fit if all offers were withdrawn, and none is.
 */
function makeRoom(
  state: MasterState,
  agent: Agent,
  operation: OfferOperation,
  cx: Context,
): Checked<readonly Conversion[]> {
  const unused = subtract(agent.total, usedOnAgent(agent))
  const fits = applyOperation(unused, operation)
  if (!fits.ok) return fits
  for (const offer of [...agent.offers]) {
    if (applyOperation(freeOf(agent, unused), operation).ok) break
    rescindOffers(state, [offer], cx, REFUSE_SECONDS)
  }
  return conversionsOf(operation)
}

function freeOf(agent: Agent, unused: Resources): Resources {
  return subtract(unused, merge([...agent.offers].flatMap(({ share }) => share.resources)))
}

/** The allocator has agreed to what was decided on this report of the agent. */
function carryOut(
  state: MasterState,
  { agent, operation }: Change,
  resourceVersion: string,
  cx: Context,
): Result<object, Failure> {
  const { id: agent_id } = agent
  if (state.agents.get(agent_id) !== agent) return fail('UNKNOWN_AGENT', { agent_id })
  if (agent.resourceVersion !== resourceVersion) {
    tellTotal(state, agent, cx)
    const problem = 'the agent has registered again in the meantime'
    return fail('NOT_AVAILABLE', { problem })
  }
  const applied = applyToTotal(agent, operation)
  if (!applied.ok) return fail('NOT_AVAILABLE', { problem: formatFault(applied.error) })
  sendOperation(state, agent, undefined, operation, cx)
  return ok({})
}

/** The call as an operation of ACCEPT. */
function operationOf(call: ResourceCall): { agentId: string; operation: OfferOperation } {
  switch (call.type) {
    case 'RESERVE_RESOURCES': {
      const { agent_id, source, resources } = call.reserve_resources
      const reserve = { resources, ...(source !== undefined && { source }) }
      return { agentId: agent_id.value, operation: { type: 'RESERVE', reserve } }
    }
    case 'UNRESERVE_RESOURCES': {
      const { agent_id, resources } = call.unreserve_resources
      const operation = { type: 'UNRESERVE', unreserve: { resources } } as const
      return { agentId: agent_id.value, operation }
    }
    case 'CREATE_VOLUMES': {
      const { agent_id, volumes } = call.create_volumes
      return { agentId: agent_id.value, operation: { type: 'CREATE', create: { volumes } } }
    }
    case 'DESTROY_VOLUMES': {
      const { agent_id, volumes } = call.destroy_volumes
      return { agentId: agent_id.value, operation: { type: 'DESTROY', destroy: { volumes } } }
    }
    case 'GROW_VOLUME': {
      const { agent_id, volume, addition } = call.grow_volume
      const operation = { type: 'GROW_VOLUME', grow_volume: { volume, addition } } as const
      return { agentId: agent_id.value, operation }
    }
    case 'SHRINK_VOLUME': {
      const { agent_id, volume, subtract } = call.shrink_volume
      const operation = { type: 'SHRINK_VOLUME', shrink_volume: { volume, subtract } } as const
      return { agentId: agent_id.value, operation }
    }
  }
}
