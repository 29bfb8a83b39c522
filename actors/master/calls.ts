/**
 * Calls as they arrive: decoded, validated, handed to their conversation, answered in the format of the
 * call. Whatever is wrong with a call is said to its sender and changes nothing (design.md §6).
 */

import { ReviveOffers, SuppressOffers } from '../../protocol/allocator.ts'
import { decode, type Format, formatOf } from '../../protocol/codec.ts'
import { errorReply, type Failure, failure } from '../../protocol/errors.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import { type Call, validateCall } from '../../protocol/scheduler.ts'
import { newFramework as newSubject } from '../../protocol/subjects.ts'
import { encodeAnswer } from '../../src/paging/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { accept } from './accept.ts'
import { shutdownExecutor, toExecutor } from './executors.ts'
import { removeFramework } from './frameworks.ts'
import { laneOf } from './intake.ts'
import type { RawCall } from './internal.ts'
import { answerInverseOffers } from './inverse-offers.ts'
import { count } from './metrics.ts'
import { decline } from './offers.ts'
import { acknowledgeOperation, reconcileOperations } from './operations.ts'
import { type Answer, operate } from './operator.ts'
import { kill, reconcile } from './reconcile.ts'
import type { Framework, MasterState } from './state.ts'
import { subscribe, updateFramework } from './subscription.ts'
import { acknowledge } from './tasks.ts'

export function serveCall(state: MasterState, raw: RawCall, cx: Context): void {
  const format = formatOf(raw.data)
  const answer: Answer = (outcome) => {
    if (!outcome.ok) {
      count(state, 'master/calls_refused')
      cx.log('debug', 'call refused', { subject: raw.subject, code: outcome.error.code })
    }
    if (raw.reply === undefined) return
    const body = outcome.ok ? outcome.value : errorReply(outcome.error)
    cx.publish(raw.reply, encodeAnswer(body, format, cx), { lane: laneOf(state.subjects, raw) })
  }
  const outcome = carryOut(state, raw, format, answer, cx)
  if (outcome !== undefined) answer(outcome)
}

/** Returns the answer; or nothing, if `later` is told it in a later turn. */
function carryOut(
  state: MasterState,
  { subject, data }: RawCall,
  format: Format,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const decoded = decode(data)
  if (!decoded.ok) return err(failure('INVALID_MESSAGE', { problem: decoded.error }))
  if (subject === state.subjects.masterCall) {
    return operate(state, decoded.value.value, format, later, cx)
  }
  const call = validateCall(decoded.value.value)
  if (!call.ok) return call
  count(state, `master/calls/${call.value.type.toLowerCase()}`)
  const problem = subjectProblem(state.subjects.parseFrameworkCall(subject), call.value)
  if (problem !== undefined) return err(failure('INVALID_MESSAGE', { problem }))
  if (call.value.type === 'SUBSCRIBE') return subscribe(state, call.value, format, cx)
  const framework = frameworkOf(state, call.value)
  if (!framework.ok) return framework
  const refusal = dispatch(state, framework.value, call.value, cx)
  return refusal === undefined ? ok({}) : err(refusal)
}

/** Who may publish on a framework's subject speaks for it and for no other. */
function subjectProblem(id: string | undefined, call: Call): string | undefined {
  if (id === (call.framework_id?.value || newSubject)) return undefined
  return `${call.type}.framework_id: is not the framework of the subject that the call came on`
}

function frameworkOf(
  state: MasterState,
  call: Exclude<Call, { type: 'SUBSCRIBE' }>,
): Result<Framework, Failure> {
  const { framework_id, stream_id } = call
  const details = { framework_id: framework_id.value }
  const framework = state.frameworks.get(framework_id.value)
  if (framework === undefined) {
    const removed = state.completedFrameworks.has(framework_id.value)
    return err(removed ? failure('FRAMEWORK_REMOVED') : failure('UNKNOWN_FRAMEWORK', details))
  }
  if (framework.phase === 'disconnected' || framework.phase === 'recovered') {
    return err(failure('NOT_SUBSCRIBED', details))
  }
  if (stream_id !== undefined && stream_id !== framework.streamId) {
    return err(failure('FRAMEWORK_FAILED_OVER'))
  }
  return ok(framework)
}

function dispatch(
  state: MasterState,
  framework: Framework,
  call: Exclude<Call, { type: 'SUBSCRIBE' }>,
  cx: Context,
): Failure | undefined {
  switch (call.type) {
    case 'ACCEPT':
      return accept(state, framework, call, cx)
    case 'DECLINE':
      return decline(state, framework, call, cx)
    case 'ACKNOWLEDGE':
      return acknowledge(state, framework, call, cx)
    case 'KILL':
      return kill(state, framework, call, cx)
    case 'RECONCILE':
      return reconcile(state, framework, call, cx)
    case 'MESSAGE':
      return toExecutor(state, framework, call, cx)
    case 'SHUTDOWN':
      return shutdownExecutor(state, framework, call, cx)
    case 'REVIVE':
      return setSuppression(state, framework, call.revive?.roles ?? [], false, cx)
    case 'SUPPRESS':
      return setSuppression(state, framework, call.suppress?.roles ?? [], true, cx)
    case 'UPDATE_FRAMEWORK':
      return updateFramework(state, framework, call, cx)
    case 'TEARDOWN':
      removeFramework(state, framework, 'its scheduler tore it down', cx)
      return undefined
    case 'REQUEST':
      // The allocator is free to ignore wishes, and does (scheduler-api.md §4).
      return undefined
    case 'ACCEPT_INVERSE_OFFERS':
      return answerInverseOffers(state, framework, 'ACCEPT', call.accept_inverse_offers, cx)
    case 'DECLINE_INVERSE_OFFERS':
      return answerInverseOffers(state, framework, 'DECLINE', call.decline_inverse_offers, cx)
    case 'ACKNOWLEDGE_OPERATION_STATUS':
      return acknowledgeOperation(state, framework, call, cx)
    case 'RECONCILE_OPERATIONS':
      return reconcileOperations(state, framework, call, cx)
  }
}

/** REVIVE and SUPPRESS: all roles if none is named; one that is not the framework's spoils the call. */
function setSuppression(
  state: MasterState,
  framework: Framework,
  roles: readonly string[],
  suppressed: boolean,
  cx: Context,
): Failure | undefined {
  const stranger = roles.find((role) => !framework.roles.includes(role))
  if (stranger !== undefined) {
    const problem = `roles: '${stranger}' is no role of the framework`
    return failure('INVALID_MESSAGE', { problem })
  }
  const concerned = roles.length === 0 ? framework.roles : roles
  const others = framework.suppressedRoles.filter((role) => !concerned.includes(role))
  framework.suppressedRoles = suppressed ? [...others, ...concerned] : others
  const message = suppressed ? SuppressOffers : ReviveOffers
  cx.send(state.allocator, message, { framework_id: framework.id, roles: [...roles] })
  return undefined
}
