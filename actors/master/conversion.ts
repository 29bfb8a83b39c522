/**
 * Operations on resources, as ACCEPT and operators ask for them: checked, reckoned with at once (they
 * are speculative: the agent is taken to succeed), and sent to the agent. Spec: resources.md §6, §7.4;
 * scheduler-api.md §6, steps B and E.
 */
import { err } from '../../protocol/result.ts'
import type { OfferOperation, Resource } from '../../protocol/v1/index.ts'
import {
  add,
  allocatedOperation,
  applyOperation,
  type Checked,
  type Conversion,
  checkOperation,
  contains,
  conversionsOf,
  fault,
  filter,
  formatFault,
  isShared,
  isSpeculative,
  needsCheckpoint,
  type OperationContext,
  operationResources,
  type Resources,
  resources,
  subtract,
  sum,
  unallocatedOperation,
} from '../../src/resources/index.ts'
import { type Context, deepFreeze } from '../../src/runtime/index.ts'
import type { Acceptance } from './acceptance.ts'
import { rescindOffers } from './offers.ts'
import { capacityProblem, operationError, operationIdProblem, sendOperation } from './operations.ts'
import { usedOnAgent } from './shares.ts'
import type { Agent, Framework, MasterState } from './state.ts'

/** Different resources that operations may make of one agent's: each operation looks at all of them. */
const RESOURCES_MAX = 1000

/** Operations on resources in one ACCEPT: it is one turn, and others wait for their calls meanwhile. */
const OPERATIONS_PER_ACCEPT_MAX = 100

/** One operation of an ACCEPT. If it fails the others go on; its framework is told if it gave an id. */
export function convert(acceptance: Acceptance, operation: OfferOperation): void {
  const { state, framework, agent, cx } = acceptance
  const problem = carryOut(acceptance, allocatedOperation(operation, acceptance.role))
  if (problem !== undefined) operationError(state, framework, operation, problem, cx)
  else if (operation.type === 'DESTROY') rescindVolumes(state, agent, operation, cx)
}

/** Returns why it is refused. */
function carryOut(acceptance: Acceptance, operation: OfferOperation): string | undefined {
  const { state, framework, agent, role, remaining, cx } = acceptance
  if (++acceptance.attempts > OPERATIONS_PER_ACCEPT_MAX) {
    return `there are more than ${OPERATIONS_PER_ACCEPT_MAX} operations on resources in one ACCEPT`
  }
  const problem =
    capacityProblem(agent) ??
    operationIdProblem(agent, framework, operation) ??
    problemOf(operation, contextOf(agent, framework)) ??
    strangerProblem(operation, role)
  if (problem !== undefined) return problem
  const plain = unallocatedOperation(operation)
  const left = applyOperation(remaining, plain)
  if (!left.ok) return formatFault(left.error)
  const applied = applyToTotal(agent, plain)
  if (!applied.ok) return formatFault(applied.error)
  const conversions = applied.value
  acceptance.conversions.push(...conversions)
  if (isResize(operation)) {
    const consumed = sum(conversions.map((each) => each.consumed))
    acceptance.remaining = subtract(remaining, consumed)
    const results = conversions.map((each) => each.converted)
    acceptance.resized = sum([acceptance.resized, ...results])
  } else acceptance.remaining = left.value
  for (const { consumed, converted } of conversions) {
    const kept = subtract(acceptance.shared, filter(consumed, isShared))
    acceptance.shared = add(kept, filter(converted, isShared))
  }
  sendOperation(state, agent, framework, plain, cx)
  return undefined
}

/** What the operation does to the agent's resources; or why it cannot, and nothing is done. */
export function applyToTotal(agent: Agent, plain: OfferOperation): Checked<readonly Conversion[]> {
  const total = applyOperation(agent.total, plain)
  if (!total.ok) return total
  if (total.value.length > Math.max(RESOURCES_MAX, agent.total.length)) {
    return err(fault('LIMIT', '', `the agent would have more than ${RESOURCES_MAX} resources`))
  }
  agent.total = deepFreeze(total.value)
  return conversionsOf(plain)
}

/** What is wrong with an operation, whatever is available. */
export function problemOf(
  operation: OfferOperation,
  context: OperationContext,
): string | undefined {
  const { type = 'UNKNOWN' } = operation
  if (!isSpeculative(type)) return `the operation ${type} needs a resource provider; there is none`
  const found = checkOperation(operation, context)
  return found && formatFault(found)
}

/** What an operation is judged by; without a framework it is an operator's. */
export function contextOf(agent: Agent, framework: Framework | undefined): OperationContext {
  const principal = framework?.info.principal
  return {
    ...(framework !== undefined && {
      framework: {
        roles: framework.roles,
        sharedResources: framework.capabilities.has('SHARED_RESOURCES'),
      },
    }),
    ...(principal !== undefined && { principal }),
    capabilities: new Set(agent.capabilities),
    get checkpointed() {
      return filter(agent.total, needsCheckpoint)
    },
    // Summed up only for the operations that ask: it takes all tasks of the agent.
    get used() {
      return usedOnAgent(agent)
    },
  }
}

/** For the allocator: exchanges as documents. */
export function conversionDocument({ consumed, converted }: Conversion): {
  consumed: Resource[]
  converted: Resource[]
} {
  return { consumed: [...consumed], converted: [...converted] }
}

function isResize({ type }: OfferOperation): boolean {
  return type === 'GROW_VOLUME' || type === 'SHRINK_VOLUME'
}

function strangerProblem(operation: OfferOperation, role: string): string | undefined {
  for (const { place, resources } of operationResources(operation)) {
    const other = resources.find(({ allocation_info }) => allocation_info?.role !== role)
    if (other === undefined) continue
    return `${place}: is allocated to '${other.allocation_info?.role}', the offers to '${role}'`
  }
  return undefined
}

/** Shared volumes may be offered elsewhere while they are destroyed here. */
function rescindVolumes(
  state: MasterState,
  agent: Agent,
  operation: OfferOperation,
  cx: Context,
): void {
  const destroyed = unallocatedOperation(operation).destroy?.volumes ?? []
  const volumes = destroyed.map((volume) => resources([volume]))
  const holds = ({ share }: { share: { resources: readonly Resource[] } }) =>
    volumes.some((volume) => contains(share.resources as Resources, volume))
  rescindOffers(state, [...agent.offers].filter(holds), cx)
}
