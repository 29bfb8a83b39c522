/**
 * SUBSCRIBE and UPDATE_FRAMEWORK: how frameworks come, come back, take over and change.
 * Spec: master.md §8, scheduler-api.md §2, §8.
 *
 * Two instances of one framework share its subjects. Each SUBSCRIBE begins a stream with an id of its
 * own, told in the reply and carried by every event. When another instance takes over, ERROR "Framework
 * failed over" is published once with the old `stream_id`: an instance obeys it only if the id is its own.
 * Calls that name a stream which is not the present one are refused; calls that name none are taken.
 */
import { UpdateFrameworkInfo } from '../../protocol/agent.ts'
import { AddFramework, UpdateFrameworkOptions } from '../../protocol/allocator.ts'
import type { Format } from '../../protocol/codec.ts'
import { type Failure, fail, failure } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { CallOf, SubscribeReply } from '../../protocol/scheduler.ts'
import type { FrameworkInfo } from '../../protocol/v1/index.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import { changeProblem, type Subscription, subscriptionProblem } from './framework-validation.ts'
import { announceFramework, frameworkOptions, stopFailoverTimer } from './frameworks.ts'
import { noteFramework } from './intake.ts'
import { discardInverseOffers } from './inverse-offers.ts'
import { awaitListener, stopHeartbeats } from './liveness.ts'
import { discardOffers, rescindOffers } from './offers.ts'
import { type Framework, type MasterState, newFramework, setFrameworkInfo } from './state.ts'

/** The answer to a SUBSCRIBE: Mesos' event SUBSCRIBED, and the subjects. */
export interface Subscribed extends SubscribeReply {
  readonly type: 'SUBSCRIBED'
  readonly subscribed: object
}

export function subscribe(
  state: MasterState,
  call: CallOf<'SUBSCRIBE'>,
  format: Format,
  cx: Context,
): Result<Subscribed, Failure> {
  const { framework_info: info } = call.subscribe
  const problem = subscriptionProblem(call.subscribe)
  if (problem !== undefined) return fail('INVALID_FRAMEWORK', { problem })
  const id = info.id?.value || undefined
  if (id !== undefined && state.completedFrameworks.has(id)) return fail('FRAMEWORK_REMOVED')
  const known = id === undefined ? undefined : state.frameworks.get(id)
  if (known !== undefined) {
    const change = changeProblem(known.info, info)
    if (change !== undefined) return fail('INVALID_FRAMEWORK', { problem: change })
  }
  const framework = known ?? newFramework(state, withId(info, id))
  if (known !== undefined) endFormerStream(state, known, cx)
  begin(state, framework, call.subscribe, format, known === undefined, cx)
  return ok(answer(state, framework))
}

function withId(info: FrameworkInfo, id: string | undefined): FrameworkInfo {
  const { id: _, ...rest } = info
  return id === undefined ? rest : { ...rest, id: { value: id } }
}

/** The former instance is told, and its offers are void without further words (scheduler-api.md §2). */
function endFormerStream(state: MasterState, framework: Framework, cx: Context): void {
  const { message } = failure('FRAMEWORK_FAILED_OVER')
  sendEvent(state, framework, { type: 'ERROR', error: { message } }, cx)
  stopHeartbeats(framework, cx)
  stopFailoverTimer(framework, cx)
  discardOffers(state, [...framework.offers], cx)
  discardInverseOffers(state, framework, cx)
}

function begin(
  state: MasterState,
  framework: Framework,
  subscription: Subscription,
  format: Format,
  isNew: boolean,
  cx: Context,
): void {
  const firstTime = framework.registeredMs === undefined
  if (firstTime) framework.registeredMs = cx.now()
  else framework.reregisteredMs = cx.now()
  framework.phase = 'subscribing'
  framework.format = format
  framework.streamId = `${state.epoch}-${++state.nextStream}`
  take(framework, subscription)
  const options = frameworkOptions(framework)
  // It gets offers as soon as it is known to listen (liveness.ts).
  if (isNew) cx.send(state.allocator, AddFramework, { framework: options, active: false, used: [] })
  else {
    cx.send(state.allocator, UpdateFrameworkOptions, { framework: options })
    // Of a new one no agent can know anything; those that come back with some are told then.
    tellAgents(state, framework, cx)
  }
  announceFramework(state, firstTime ? 'FRAMEWORK_ADDED' : 'FRAMEWORK_UPDATED', framework, cx)
  noteFramework(framework, true, cx)
  awaitListener(state, framework, cx)
}

/** User and checkpoint keep their first values (scheduler-api.md §2). */
function take(framework: Framework, subscription: Subscription): void {
  const { framework_info, suppressed_roles = [], offer_constraints } = subscription
  const { checkpoint: _, ...info } = framework_info
  const { user, checkpoint } = framework.info
  setFrameworkInfo(framework, {
    ...info,
    user,
    ...(checkpoint !== undefined && { checkpoint }),
  })
  framework.suppressedRoles = suppressed_roles
  framework.constraints = offer_constraints
}

/** Makes the agents send again what is not acknowledged. One round at a time: another one follows it. */
function tellAgents(state: MasterState, framework: Framework, cx: Context): void {
  const idle = framework.rounds === 0
  framework.rounds = idle ? 1 : 2
  if (!idle) return
  const next = () => {
    framework.rounds = framework.rounds === 2 ? 1 : 0
    if (framework.rounds === 1) inSlices(roundOfAgents(state, framework, cx), cx, next)
  }
  inSlices(roundOfAgents(state, framework, cx), cx, next)
}

function* roundOfAgents(
  state: MasterState,
  framework: Framework,
  cx: Context,
): Generator<void, void> {
  for (const { connected, pid } of state.agents.values()) {
    if (state.frameworks.get(framework.id) !== framework) return
    const body = { epoch: state.epoch, framework_info: framework.info }
    if (connected) cx.send(pid, UpdateFrameworkInfo, body)
    yield
  }
}

function answer(state: MasterState, framework: Framework): Subscribed {
  const framework_id = { value: framework.id }
  return {
    type: 'SUBSCRIBED',
    subscribed: {
      framework_id,
      heartbeat_interval_seconds: state.options.heartbeat_interval_ms / 1000,
      master_info: state.info,
    },
    framework_id,
    stream_id: framework.streamId,
    call_subject: state.subjects.frameworkCall(framework.id),
    event_subject: state.subjects.frameworkEvent(framework.id),
    epoch: state.epoch,
  }
}

export function updateFramework(
  state: MasterState,
  framework: Framework,
  { update_framework: update }: CallOf<'UPDATE_FRAMEWORK'>,
  cx: Context,
): Failure | undefined {
  const { framework_info: info } = update
  const problem =
    subscriptionProblem(update) ??
    changeProblem(framework.info, info) ??
    fixedProblem(framework, info)
  if (problem !== undefined) return failure('INVALID_FRAMEWORK', { problem })
  const former = JSON.stringify(framework.info)
  take(framework, update)
  const lost = [...framework.offers].filter(({ share }) => !framework.roles.includes(share.role))
  rescindOffers(state, lost, cx)
  cx.send(state.allocator, UpdateFrameworkOptions, { framework: frameworkOptions(framework) })
  if (JSON.stringify(framework.info) !== former) {
    tellAgents(state, framework, cx)
    announceFramework(state, 'FRAMEWORK_UPDATED', framework, cx)
  }
  return undefined
}

function fixedProblem({ info: former }: Framework, next: FrameworkInfo): string | undefined {
  if (former.user !== next.user) return 'framework_info.user: must not change'
  if ((former.checkpoint ?? false) === (next.checkpoint ?? false)) return undefined
  return 'framework_info.checkpoint: must not change'
}
