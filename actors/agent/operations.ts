/**
 * Operations on the agent's resources: applied in the order of their arrival, written together with what
 * they did, then told to the master until it acknowledges. An operation has one status of the agent's,
 * the one that ends it, so its stream is that status. Spec: agent.md §8, states.md §8.
 */
import {
  type AcknowledgeOperation,
  type ApplyOperation,
  type OperationReference,
  OperationUpdate,
  UpdateResources,
} from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import { type Resources, sum } from '../../src/resources/index.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import {
  carryOut,
  checkpointed,
  hex,
  type Ledger,
  operationDocument,
  type Refusal,
  reportedResources,
} from './ledger.ts'
import { type LedgerChange, writeLedger } from './ledger-store.ts'
import { obeys } from './registration.ts'
import { type AgentState, agentId } from './state.ts'
import { heldBy } from './usage.ts'

export const operations = {
  APPLY_OPERATION(state: AgentState, request: Payload<typeof ApplyOperation>, cx: Context): void {
    const { ledger, options } = state
    // Never twice: the messages of a broker might come again.
    if (
      !obeys(state, request.epoch, cx) ||
      ledger.operations.has(hex(request.operation_uuid.value))
    )
      return
    const done = carryOut(ledger, options.work_dir, request, () => used(state))
    record(state, request, request.info, done.ok ? undefined : done.error, cx)
    // The master has reckoned with it, and perhaps with others that build on it: those are void.
    if (!done.ok && done.error.state === 'OPERATION_ERROR') reportResources(state, cx)
  },
  ACKNOWLEDGE_OPERATION(
    state: AgentState,
    { epoch, operation_uuid, status_uuid }: Payload<typeof AcknowledgeOperation>,
    cx: Context,
  ): void {
    if (!obeys(state, epoch, cx)) return
    const key = hex(operation_uuid.value)
    const operation = state.ledger.operations.get(key)
    const uuid = operation?.document.latest_status.uuid
    if (uuid === undefined || hex(uuid.value) !== hex(status_uuid.value)) return
    state.ledger.operations.delete(key)
    state.ledger.acknowledged.add(key)
    cx.cancel(timerId(key))
    write(state, cx)
  },
}

/** The master sent an operation that did not arrive: it never will be carried out. */
export function answerForOperation(
  state: AgentState,
  reference: OperationReference,
  cx: Context,
): void {
  if (state.ledger.operations.has(hex(reference.operation_uuid.value))) return
  const message = 'the operation did not reach the agent'
  record(state, reference, {}, { state: 'OPERATION_DROPPED', message }, cx)
}

/** Tells the master that it is wrong about what the agent has. */
export function reportResources(state: AgentState, cx: Context): void {
  state.ledger.version = cx.newId()
  if (state.phase !== 'RUNNING' || state.leader === undefined) return
  cx.send(state.leader.pid as Pid, UpdateResources, {
    total_resources: reportedResources(state.ledger),
    resource_version: state.ledger.version,
  })
}

/** Sends what is not acknowledged, of one framework or of all, and starts the back-off anew. */
export function resendOperations(state: AgentState, framework: string | undefined, cx: Context) {
  for (const [key, { document, durable }] of state.ledger.operations) {
    if (framework !== undefined && document.framework_id?.value !== framework) continue
    if (durable) sendFirst(state, key, cx)
  }
}

/** Runs `then` when all that was ordered so far is on disk and its volumes are there. */
export function whenWritten({ ledger }: AgentState, then: () => void): void {
  if (!ledger.writing) then()
  else (ledger.dirty ? ledger.waitingNext : ledger.waiting).push(then)
}

function used(state: AgentState): Resources {
  const executors = [...state.frameworks.values()].flatMap((each) => [...each.executors.values()])
  return sum(executors.filter(({ phase }) => phase !== 'terminated').map(heldBy))
}

function record(
  state: AgentState,
  request: OperationReference,
  info: Payload<typeof ApplyOperation>['info'],
  refusal: Refusal | undefined,
  cx: Context,
): void {
  const uuid = new Uint8Array(Buffer.from(cx.newId().replaceAll('-', ''), 'hex'))
  const document = operationDocument(request, info, refusal, { agent: agentId(state), uuid })
  const operation = { document, durable: false, intervalMs: 0 }
  state.ledger.operations.set(hex(request.operation_uuid.value), operation)
  if (refusal !== undefined) {
    cx.log('warn', `an operation is not carried out: ${refusal.message}`, { type: info.type })
  }
  write(state, cx)
}

/** Writes the ledger; what comes while it is being written is written together after that. */
function write(state: AgentState, cx: Context): void {
  const { ledger, store } = state
  ledger.dirty = true
  if (ledger.writing) return
  ledger.dirty = false
  ledger.writing = true
  const change = takeChange(ledger)
  cx.job(
    () => writeLedger(cx.ports.disk, store, change),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      ledger.writing = false
      for (const { uuid } of change.ended) {
        const operation = ledger.operations.get(hex(uuid.value))
        if (operation === undefined) continue
        operation.durable = true
        sendFirst(state, hex(uuid.value), cx)
      }
      const { waiting } = ledger
      ledger.waiting = ledger.waitingNext
      ledger.waitingNext = []
      if (ledger.dirty) write(state, cx)
      for (const then of waiting) then()
    },
  )
}

/** What has changed since the last write began. */
function takeChange(ledger: Ledger): LedgerChange {
  const ended = [...ledger.operations.values()].filter(({ durable }) => !durable)
  const change = {
    resources: checkpointed(ledger),
    ended: ended.map(({ document }) => document),
    acknowledged: [...ledger.acknowledged],
    remove: [...ledger.remove.values()],
    make: [...ledger.make.values()],
  }
  ledger.acknowledged.clear()
  ledger.remove.clear()
  ledger.make.clear()
  return change
}

function sendFirst(state: AgentState, key: string, cx: Context): void {
  const operation = state.ledger.operations.get(key)
  if (operation === undefined) return
  operation.intervalMs = state.options.update_retry_min_ms
  send(state, key, cx)
}

/** Again and again, less and less often; after a registration all are sent anew. */
function send(state: AgentState, key: string, cx: Context): void {
  const operation = state.ledger.operations.get(key)
  if (operation === undefined || state.phase !== 'RUNNING' || state.leader === undefined) return
  const { framework_id, uuid, latest_status: status } = operation.document
  const { operation_id } = status
  cx.send(state.leader.pid as Pid, OperationUpdate, {
    ...(framework_id !== undefined && { framework_id }),
    operation_uuid: uuid,
    ...(operation_id !== undefined && { operation_id }),
    status,
  })
  cx.after(timerId(key), operation.intervalMs, () => {
    operation.intervalMs = Math.min(2 * operation.intervalMs, state.options.update_retry_max_ms)
    send(state, key, cx)
  })
}

function timerId(key: string): string {
  return `operation ${key}`
}
