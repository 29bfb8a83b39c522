/**
 * Operations in the master's books, from their sending until whoever asked for them has acknowledged how
 * they ended. Those without an id, and those of operators and of frameworks that are over, the master
 * acknowledges itself. Spec: master.md §12, states.md §6, §8.
 */
import {
  AcknowledgeOperation,
  ApplyOperation,
  type OperationReference,
  type OperationUpdate,
} from '../../protocol/agent.ts'
import { type Failure, failure } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type {
  OfferOperation,
  Operation,
  OperationState,
  OperationStatus,
} from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import { count } from './metrics.ts'
import { type Agent, type Framework, isActive, type MasterState } from './state.ts'
import { withEntry, withoutEntry } from './tables.ts'

/** Operations that one agent may have under way or unacknowledged; further ones are refused. */
const OPERATIONS_MAX = 1000

const TERMINAL: ReadonlySet<OperationState> = new Set<OperationState>([
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_GONE_BY_OPERATOR',
])

/** Why no further operation can be kept account of, or undefined. */
export function capacityProblem(agent: Agent): string | undefined {
  if (agent.operations.size < OPERATIONS_MAX) return undefined
  return `the agent has ${OPERATIONS_MAX} operations that are not acknowledged`
}

/** What is wrong with the id that a framework gave an operation, or undefined. */
export function operationIdProblem(
  agent: Agent,
  framework: Framework,
  { id }: OfferOperation,
): string | undefined {
  if (id === undefined) return undefined
  if (!agent.capabilities.includes('AGENT_OPERATION_FEEDBACK')) {
    return 'id: needs an agent with the capability AGENT_OPERATION_FEEDBACK'
  }
  return framework.operations.has(id.value)
    ? `id: '${id.value}' is that of an operation which is not acknowledged`
    : undefined
}

/** Told only if the framework gave the operation an id; not to be acknowledged. */
export function operationError(
  state: MasterState,
  framework: Framework,
  { id: operation_id }: OfferOperation,
  message: string,
  cx: Context,
): void {
  count(state, 'master/operations_error')
  if (operation_id === undefined) return
  tell(state, framework, { operation_id, state: 'OPERATION_ERROR', message }, cx)
}

/** Enters an operation into the books and sends it. Its resources are without allocation. */
export function sendOperation(
  state: MasterState,
  agent: Agent,
  framework: Framework | undefined,
  info: OfferOperation,
  cx: Context,
): void {
  const { id: operation_id } = info
  const agent_id = { value: agent.id }
  const uuid = { value: new Uint8Array(Buffer.from(cx.newId().replaceAll('-', ''), 'hex')) }
  const ids = {
    ...(framework !== undefined && { framework_id: { value: framework.id } }),
    ...(operation_id !== undefined && { operation_id }),
  }
  const latest_status: OperationStatus = {
    ...(operation_id !== undefined && { operation_id }),
    state: 'OPERATION_PENDING',
    agent_id,
  }
  const { framework_id } = ids
  learn(state, agent, {
    ...(framework_id !== undefined && { framework_id }),
    agent_id,
    info,
    latest_status,
    uuid,
  })
  count(state, `master/operations/${(info.type ?? 'unknown').toLowerCase()}`)
  cx.send(agent.pid, ApplyOperation, {
    epoch: state.epoch,
    ...ids,
    operation_uuid: uuid,
    info,
    resource_version: agent.resourceVersion,
  })
}

/** OPERATION_UPDATE of a registered agent: told to the framework, or acknowledged in its place. */
export function operationUpdated(
  state: MasterState,
  agent: Agent,
  update: Payload<typeof OperationUpdate>,
  cx: Context,
): void {
  const { framework_id, operation_uuid, operation_id, status } = update
  const operation = agent.operations.get(hex(operation_uuid.value))
  if (operation !== undefined) {
    if (!TERMINAL.has(operation.latest_status.state)) {
      count(state, `master/${status.state.toLowerCase().replace('operation_', 'operations_')}`)
    }
    operation.latest_status = status
    operation.statuses = [status]
  }
  const framework = framework_id && state.frameworks.get(framework_id.value)
  const wanted = operation_id !== undefined && operation !== undefined
  if (wanted && framework !== undefined) {
    tell(state, framework, { ...status, agent_id: { value: agent.id } }, cx)
  } else if (!wanted || !mayReturn(state, agent, framework_id?.value, cx)) {
    settle(state, agent, update, cx)
  }
}

/** Whether a framework that is not in the books may still subscribe and ask. */
function mayReturn(state: MasterState, agent: Agent, id: string | undefined, cx: Context): boolean {
  if (id === undefined || state.completedFrameworks.has(id)) return false
  const sinceMs = agent.reregisteredMs ?? agent.registeredMs
  return cx.now() - sinceMs < state.options.agent_reregister_timeout_ms
}

/** Acknowledges the end of an operation and takes it out of the books. */
function settle(
  state: MasterState,
  agent: Agent,
  { operation_uuid, status }: { operation_uuid: { value: Uint8Array }; status: OperationStatus },
  cx: Context,
): void {
  if (status.uuid === undefined) return
  const { epoch } = state
  cx.send(agent.pid, AcknowledgeOperation, { epoch, operation_uuid, status_uuid: status.uuid })
  forgetOperation(state, agent, hex(operation_uuid.value))
}

/** ACKNOWLEDGE_OPERATION_STATUS: the operation is over when its agent has heard of it. */
export function acknowledgeOperation(
  state: MasterState,
  framework: Framework,
  { acknowledge_operation_status: acknowledgement }: CallOf<'ACKNOWLEDGE_OPERATION_STATUS'>,
  cx: Context,
): Failure | undefined {
  const { operation_id, uuid } = acknowledgement
  const operation = framework.operations.get(operation_id.value)
  const agentId = operation?.agent_id?.value ?? ''
  const agent = state.agents.get(agentId)
  if (operation === undefined || agent === undefined) {
    return failure('NOT_FOUND', { kind: 'operation', id: operation_id.value })
  }
  if (!agent.connected) return failure('AGENT_DISCONNECTED', { agent_id: agent.id })
  const status = operation.latest_status
  if (status.uuid === undefined || hex(status.uuid.value) !== hex(uuid)) {
    const problem = 'acknowledge_operation_status.uuid: is not that of the status to acknowledge'
    return failure('INVALID_MESSAGE', { problem })
  }
  settle(state, agent, { operation_uuid: operation.uuid, status }, cx)
  return undefined
}

/** RECONCILE_OPERATIONS: every question is answered, by the table of states.md §8. */
export function reconcileOperations(
  state: MasterState,
  framework: Framework,
  { reconcile_operations: { operations = [] } }: CallOf<'RECONCILE_OPERATIONS'>,
  cx: Context,
): undefined {
  if (operations.length === 0) {
    for (const { latest_status } of framework.operations.values()) {
      tell(state, framework, withoutUuid(latest_status), cx)
    }
  }
  for (const { operation_id, agent_id } of operations) {
    const known = framework.operations.get(operation_id.value)
    const status = known
      ? withoutUuid(known.latest_status)
      : {
          operation_id,
          state: strangerState(state, agent_id?.value),
          ...(agent_id && { agent_id }),
        }
    tell(state, framework, status, cx)
  }
}

function strangerState(state: MasterState, agentId: string | undefined): OperationState {
  if (agentId === undefined) return 'OPERATION_UNKNOWN'
  if (state.recovered.has(agentId)) return 'OPERATION_RECOVERING'
  if (state.agents.has(agentId)) return 'OPERATION_UNKNOWN'
  if (state.unreachable.has(agentId)) return 'OPERATION_UNREACHABLE'
  return state.gone.has(agentId) ? 'OPERATION_GONE_BY_OPERATOR' : 'OPERATION_UNKNOWN'
}

function withoutUuid({ uuid: _, ...status }: OperationStatus): OperationStatus {
  return status
}

/** Operations that an agent brings along. */
export function learnOperations(state: MasterState, agent: Agent, brought: readonly Operation[]) {
  for (const operation of brought) {
    if (!agent.operations.has(hex(operation.uuid.value))) learn(state, agent, operation)
  }
}

/**
 * Operations that were sent and that the agent does not list. It must say itself what became of them;
 * those whose end was told are over.
 */
export function missingOperations(
  state: MasterState,
  agent: Agent,
  listed: readonly Operation[],
): OperationReference[] {
  const there = new Set(listed.map(({ uuid }) => hex(uuid.value)))
  const missing: OperationReference[] = []
  for (const [key, { framework_id, uuid, latest_status }] of [...agent.operations]) {
    if (there.has(key)) continue
    if (TERMINAL.has(latest_status.state)) {
      forgetOperation(state, agent, key)
      continue
    }
    const { operation_id } = latest_status
    missing.push({
      ...(framework_id !== undefined && { framework_id }),
      operation_uuid: uuid,
      ...(operation_id !== undefined && { operation_id }),
    })
  }
  return missing
}

/** The agent leaves the books, and its operations with it: their frameworks are told once. */
export function loseOperations(
  state: MasterState,
  agent: Agent,
  fate: 'OPERATION_UNREACHABLE' | 'OPERATION_GONE_BY_OPERATOR',
  cx: Context,
): void {
  for (const [key, { framework_id, latest_status }] of [...agent.operations]) {
    const framework = framework_id && state.frameworks.get(framework_id.value)
    const { operation_id } = latest_status
    if (framework !== undefined && operation_id !== undefined) {
      const agent_id = { value: agent.id }
      tell(state, framework, { operation_id, state: fate, agent_id }, cx)
    }
    forgetOperation(state, agent, key)
  }
}

function learn(state: MasterState, agent: Agent, operation: Operation): void {
  agent.operations = withEntry(agent.operations, hex(operation.uuid.value), operation)
  const framework = state.frameworks.get(operation.framework_id?.value ?? '')
  const id = operation.latest_status.operation_id?.value
  if (framework !== undefined && id !== undefined) framework.operations.set(id, operation)
}

function forgetOperation(state: MasterState, agent: Agent, key: string): void {
  const operation = agent.operations.get(key)
  agent.operations = withoutEntry(agent.operations, key)
  const framework = state.frameworks.get(operation?.framework_id?.value ?? '')
  const id = operation?.latest_status.operation_id?.value ?? ''
  if (framework?.operations.get(id) === operation) framework?.operations.delete(id)
}

function tell(
  state: MasterState,
  framework: Framework,
  status: OperationStatus,
  cx: Context,
): void {
  if (!isActive(framework)) return
  const event = { type: 'UPDATE_OPERATION_STATUS', update_operation_status: { status } } as const
  sendEvent(state, framework, event, cx)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
