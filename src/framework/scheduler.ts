/**
 * A framework's scheduler as an actor: it subscribes and stays subscribed (new leader, lost broker, lost
 * master), acknowledges each status after its author has processed it, and reconciles what may have been
 * missed. The author writes plain callbacks and calls the driver.
 *
 * It picks its framework id itself and listens before it subscribes, so that no event finds nobody.
 * Spec: scheduler-api.md, states.md §6-7; design.md §4.
 */
import { assign, setup } from 'xstate'
import { decode, encode } from '../../protocol/codec.ts'
import { advice, type ErrorReply } from '../../protocol/errors.ts'
import type { Call, Event, SubscribeReply } from '../../protocol/scheduler.ts'
import { validateEvent } from '../../protocol/scheduler.ts'
import { subjects } from '../../protocol/subjects.ts'
import type { MasterInfo } from '../../protocol/v1/agent.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { InverseOffer, Offer } from '../../protocol/v1/offer.ts'
import type { OperationStatus, TaskStatus } from '../../protocol/v1/status.ts'
import { type ChildSpec, type Context, child, type Outcome, statechart } from '../runtime/index.ts'
import { CallError, Driver } from './driver.ts'
import { KnownOperations } from './known-operations.ts'
import { KnownTasks } from './known-tasks.ts'
import { takeOperationStatus, takeStatus } from './statuses.ts'

/** What the author of a framework writes. A callback that throws ends the framework with that error. */
export interface SchedulerCallbacks {
  /** Subscribed, for the first time or again. Offers made before are void. */
  subscribed?(
    info: { frameworkId: string; masterInfo?: MasterInfo | undefined },
    driver: Driver,
  ): void
  /** Every offer must be accepted or declined, or it is held until rescinded. */
  offers?(offers: readonly Offer[], driver: Driver): void
  rescinded?(offerId: string, driver: Driver): void
  /**
   * Maintenance of agents is planned: the framework is asked to give them back, and may accept or decline
   * for the operator to see. Without this callback it says nothing.
   */
  inverseOffers?(offers: readonly InverseOffer[], driver: Driver): void
  inverseOfferRescinded?(offerId: string, driver: Driver): void
  /**
   * A task's status. It is acknowledged when this returns, or when the promise that it returns resolves;
   * if that rejects, the status comes again. Repeats of the last status are possible.
   */
  update?(status: TaskStatus, driver: Driver): void | Promise<void>
  /**
   * How an operation is that was given an id. Acknowledged as a task's status is; repeats are possible.
   * OPERATION_UNKNOWN: it never arrived, or its end was acknowledged before.
   */
  operation?(status: OperationStatus, driver: Driver): void | Promise<void>
  message?(from: { agentId: string; executorId: string; data: Uint8Array }, driver: Driver): void
  /** An executor ended, or an agent was lost (without `executorId`). */
  failure?(what: { agentId?: string; executorId?: string; status?: number }, driver: Driver): void
  /** The master is out of reach. The scheduler is trying to subscribe again. */
  disconnected?(reason: string, driver: Driver): void
  /** The end: removed, replaced by another instance, or refused. */
  error?(error: CallError, driver: Driver): void
}

export interface SchedulerOptions {
  /** With `id` to take over a framework that was subscribed before. */
  readonly framework: FrameworkInfo
  readonly suppressedRoles?: readonly string[]
  readonly callbacks: SchedulerCallbacks
  /**
   * Tasks that a former instance launched and whose end it has not seen: they are asked about until the
   * master has told their fate, even if it never knew of them.
   */
  readonly tasks?: ReadonlyArray<{ readonly taskId: string; readonly agentId: string }>
  /** First wait before subscribing again after a failure, ms; doubles up to `retryMsMax`. Default 100, 5000. */
  readonly retryMs?: number
  readonly retryMsMax?: number
  /** Tasks that should be starting, and operations, are asked about after so long without a word. Default 30,000. */
  readonly silenceMs?: number
  /**
   * How often all tasks and operations that have not ended are asked about, ms: what a master says of its own
   * accord, as that an agent is gone, it says once. Default 900,000.
   */
  readonly reconcileEveryMs?: number
}

/** Codes after which subscribing again would be of no use. */
const FATAL = new Set([
  'FRAMEWORK_REMOVED',
  'FRAMEWORK_FAILED_OVER',
  'INVALID_MESSAGE',
  'DENIED',
  'UNSUPPORTED_CALL',
])
const SUBSCRIBE_TIMEOUT_MS = 5000
const RECONCILE_FIRST_MS = 1000
const RECONCILE_MAX_MS = 60_000
/** Tasks that one call asks about: some 100 bytes each, of a broker's 1 MiB. */
const RECONCILE_PART = 1000
/** Heartbeats missed before the master is taken for lost. */
const HEARTBEATS_MISSED = 3
const EARLY_MAX = 256
const MESSAGE_FAILED_OVER = 'Framework failed over'

/** Data of a scheduler. */
export interface SchedulerState {
  readonly options: SchedulerOptions
  readonly frameworkId: string
  readonly callSubject: string
  readonly driver: Driver
  readonly tasks: KnownTasks
  readonly operations: KnownOperations
  /** Highest epoch of a master heard of. */
  epoch: number
  /** Events that came before the answer that tells which stream is ours; at most `EARLY_MAX`. */
  early: Event[]
  heartbeatMs: number
  /** Counts SUBSCRIBE calls: an answer to an earlier one is void. */
  attempt: number
  /** Calls refused or unanswered since the last success. */
  failures: number
  reconcileMs: number
}

export const SCHEDULER_ID = 'scheduler'

interface Args {
  readonly options: SchedulerOptions
  readonly started: ((driver: Driver) => void) | undefined
}

/**
 * A child spec, for those who host a scheduler on a node of their own; others use `connectScheduler`.
 * `started` is called in its first turn.
 */
export function scheduler(
  options: SchedulerOptions,
  started?: (driver: Driver) => void,
): ChildSpec {
  return child<Args>({
    id: SCHEDULER_ID,
    behaviour,
    args: { options, started },
    restart: 'transient',
  })
}

interface MachineContext {
  readonly cx: Context
  readonly state: SchedulerState
  readonly error: CallError | undefined
}

type MachineEvent =
  | { type: 'SUBSCRIBED' }
  | { type: 'LOST'; reason: string }
  | { type: 'RETRY' }
  | { type: 'LEADER' }
  | { type: 'FATAL'; error: CallError }
  | { type: 'TORN_DOWN' }

const machine = setup({
  types: {} as {
    context: MachineContext
    events: MachineEvent
    input: { cx: Context; args: Args }
  },
  actions: {
    listen: ({ context: { cx, state } }) => listen(state, cx),
    subscribe: ({ context: { cx, state } }) => subscribe(state, cx),
    retryLater: ({ context: { cx, state } }) => retryLater(state, cx),
    settleIn: ({ context: { cx, state } }) => settleIn(state, cx),
    tellDisconnected: ({ context: { state } }, params: { reason: string }) =>
      state.options.callbacks.disconnected?.(params.reason, state.driver),
    tellError: ({ context: { cx, state, error } }) => {
      state.driver.end(error)
      if (error !== undefined) state.options.callbacks.error?.(error, state.driver)
      cx.log('error', `framework ${state.frameworkId} ended`, {
        code: error?.code,
        reason: error?.message,
      })
    },
    forgetTimers: ({ context: { cx } }) => {
      for (const id of ['heartbeat', 'reconcile', 'silence', 'ask about all']) cx.cancel(id)
    },
    // Who listens is connected, and is given offers that nobody would answer.
    fallSilent: ({ context: { cx, state } }) =>
      cx.unsubscribe(subjects(cx.cluster).frameworkEvent(state.frameworkId)),
    tellTornDown: ({ context: { state } }) => state.driver.end(undefined),
  },
}).createMachine({
  id: 'scheduler',
  context: ({ input: { cx, args } }) => ({ cx, state: newState(args, cx), error: undefined }),
  entry: 'listen',
  initial: 'subscribing',
  on: {
    FATAL: { target: '.failed', actions: assign({ error: ({ event }) => event.error }) },
    TORN_DOWN: '.ended',
  },
  states: {
    subscribing: {
      entry: 'subscribe',
      on: {
        SUBSCRIBED: 'subscribed',
        LOST: 'waiting',
        LEADER: { target: 'subscribing', reenter: true },
      },
    },
    waiting: { entry: 'retryLater', on: { RETRY: 'subscribing', LEADER: 'subscribing' } },
    subscribed: {
      entry: 'settleIn',
      exit: 'forgetTimers',
      on: {
        LOST: {
          target: 'subscribing',
          actions: { type: 'tellDisconnected', params: ({ event }) => ({ reason: event.reason }) },
        },
        LEADER: {
          target: 'subscribing',
          actions: { type: 'tellDisconnected', params: { reason: 'another master leads' } },
        },
      },
    },
    failed: { entry: ['fallSilent', 'tellError'] },
    ended: { entry: ['fallSilent', 'tellTornDown'] },
  },
})

const behaviour = statechart<SchedulerState, readonly [], Args>({
  label: 'scheduler',
  messages: [],
  machine,
  handlers: {},
})

function newState({ options, started }: Args, cx: Context): SchedulerState {
  const frameworkId = options.framework.id?.value ?? cx.newId()
  const callSubject = subjects(cx.cluster).frameworkCall(frameworkId)
  const tasks = new KnownTasks()
  for (const { taskId, agentId } of options.tasks ?? []) {
    tasks.launched(taskId, agentId, cx.monotonic())
  }
  const operations = new KnownOperations()
  const driver = new Driver(cx, frameworkId, callSubject, tasks, operations)
  started?.(driver)
  return {
    options,
    frameworkId,
    callSubject,
    tasks,
    operations,
    driver,
    epoch: 0,
    early: [],
    heartbeatMs: 15_000,
    attempt: 0,
    failures: 0,
    reconcileMs: RECONCILE_FIRST_MS,
  }
}

function listen(state: SchedulerState, cx: Context): void {
  const names = subjects(cx.cluster)
  cx.subscribe(names.frameworkEvent(state.frameworkId), ({ data }) => receive(state, data, cx))
  cx.subscribe(names.events('leader'), ({ data }) => {
    const decoded = decode(data)
    const epoch = decoded.ok
      ? (decoded.value.value as { epoch?: unknown } | null)?.epoch
      : undefined
    // The new leader knows nothing of who listens: tell it at once.
    if (typeof epoch === 'number' && epoch > state.epoch) {
      cx.raise({ type: 'LEADER' })
    }
  })
}

function subscribe(state: SchedulerState, cx: Context): void {
  const attempt = ++state.attempt
  state.driver.streamId = undefined
  state.early = []
  const id = { value: state.frameworkId }
  const call: Call = {
    type: 'SUBSCRIBE',
    framework_id: id,
    subscribe: {
      framework_info: { ...state.options.framework, id },
      suppressed_roles: [...(state.options.suppressedRoles ?? [])],
    },
  }
  const options = { timeoutMs: SUBSCRIBE_TIMEOUT_MS }
  cx.request(state.callSubject, encode(call), options, (outcome) => {
    // A new leader may have made it pointless to wait for this answer.
    if (attempt !== state.attempt) return
    const reply = outcome.ok ? readReply(outcome.value) : outcome
    if (reply.ok) {
      state.failures = 0
      state.driver.streamId = reply.value.stream_id
      cx.raise({ type: 'SUBSCRIBED' })
      for (const event of state.early.splice(0)) take(state, event, cx)
      return
    }
    const { code, message } = reply.error
    if (FATAL.has(code)) {
      cx.raise({ type: 'FATAL', error: new CallError(code, message, advice(code)) })
    } else {
      cx.log('debug', 'could not subscribe', { code, reason: message })
      cx.raise({ type: 'LOST', reason: message })
    }
  })
}

function readReply(data: Uint8Array): Outcome<SubscribeReply> {
  const decoded = decode(data)
  if (!decoded.ok) return { ok: false, error: { code: 'INVALID_REPLY', message: decoded.error } }
  const reply = decoded.value.value as SubscribeReply & Partial<ErrorReply>
  return reply.error === undefined ? { ok: true, value: reply } : { ok: false, error: reply.error }
}

function retryLater(state: SchedulerState, cx: Context): void {
  const { retryMs = 100, retryMsMax = 5000 } = state.options
  const ceiling = Math.min(retryMs * 2 ** Math.min(state.failures++, 16), retryMsMax)
  // Spread, so that a thousand frameworks do not come at once.
  cx.after('retry', ceiling / 2 + (cx.random.next() * ceiling) / 2, () =>
    cx.raise({ type: 'RETRY' }),
  )
}

function settleIn(state: SchedulerState, cx: Context): void {
  watchHeartbeat(state, cx)
  askAboutAll(state, cx)
  const { silenceMs = 30_000 } = state.options
  const look = () => {
    state.tasks.doubtSilent(cx.monotonic(), silenceMs)
    state.operations.doubtSilent(cx.monotonic(), silenceMs)
    if (state.tasks.doubtful().length + state.operations.doubtful().length > 0) reconcile(state, cx)
    cx.after('silence', silenceMs, look)
  }
  cx.after('silence', silenceMs, look)
}

function askAboutAll(state: SchedulerState, cx: Context): void {
  state.tasks.doubtAll()
  state.operations.doubtAll()
  state.reconcileMs = RECONCILE_FIRST_MS
  reconcile(state, cx)
  const { reconcileEveryMs = 900_000 } = state.options
  cx.after('ask about all', reconcileEveryMs, () => askAboutAll(state, cx))
}

function watchHeartbeat(state: SchedulerState, cx: Context): void {
  cx.after('heartbeat', HEARTBEATS_MISSED * state.heartbeatMs, () =>
    cx.raise({ type: 'LOST', reason: 'the master is silent' }),
  )
}

/** Asks until every doubt is answered, less and less often. */
function reconcile(state: SchedulerState, cx: Context): void {
  const tasks = state.tasks.doubtful()
  const operations = state.operations.doubtful()
  if (tasks.length + operations.length === 0) {
    state.reconcileMs = RECONCILE_FIRST_MS
    return
  }
  const framework_id = { value: state.frameworkId }
  for (const part of parts(tasks)) {
    state.driver.call({ type: 'RECONCILE', framework_id, reconcile: { tasks: part } })
  }
  for (const part of parts(operations)) {
    const reconcile_operations = { operations: part }
    state.driver.call({ type: 'RECONCILE_OPERATIONS', framework_id, reconcile_operations })
  }
  cx.after('reconcile', state.reconcileMs, () => reconcile(state, cx))
  state.reconcileMs = Math.min(state.reconcileMs * 2, RECONCILE_MAX_MS)
}

/** All at once might be more than a message may hold. */
function parts<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / RECONCILE_PART)
  return Array.from({ length: count }, (_, index) =>
    all.slice(index * RECONCILE_PART, (index + 1) * RECONCILE_PART),
  )
}

function receive(state: SchedulerState, data: Uint8Array, cx: Context): void {
  const decoded = decode(data)
  const event = decoded.ok ? validateEvent(decoded.value.value) : decoded
  if (!event.ok) {
    cx.log('warn', 'an event was no event', { reason: event.error })
    return
  }
  if (state.driver.streamId === undefined) {
    if (state.early.length < EARLY_MAX) state.early.push(event.value)
  } else take(state, event.value, cx)
}

/** Handles an event if it is of this subscription and of no deposed master. */
function take(state: SchedulerState, event: Event, cx: Context): void {
  const { driver } = state
  const { epoch = state.epoch, stream_id } = event
  if (driver.ended || epoch < state.epoch || stream_id !== driver.streamId) return
  state.epoch = epoch
  watchHeartbeat(state, cx)
  driver.asTurn(() => handle(state, event, cx))
}

function handle(state: SchedulerState, event: Event, cx: Context): void {
  const { driver } = state
  const { callbacks } = state.options
  switch (event.type) {
    case 'SUBSCRIBED': {
      const { heartbeat_interval_seconds: seconds, master_info: masterInfo } = event.subscribed
      if (seconds !== undefined && seconds > 0) state.heartbeatMs = seconds * 1000
      watchHeartbeat(state, cx)
      callbacks.subscribed?.({ frameworkId: state.frameworkId, masterInfo }, driver)
      break
    }
    case 'OFFERS': {
      const offers = event.offers.offers ?? []
      if (callbacks.offers) callbacks.offers(offers, driver)
      else driver.decline(offers)
      break
    }
    case 'RESCIND':
      callbacks.rescinded?.(event.rescind.offer_id.value, driver)
      break
    case 'INVERSE_OFFERS':
      callbacks.inverseOffers?.(event.inverse_offers.inverse_offers ?? [], driver)
      break
    case 'RESCIND_INVERSE_OFFER':
      callbacks.inverseOfferRescinded?.(event.rescind_inverse_offer.inverse_offer_id.value, driver)
      break
    case 'UPDATE':
      takeStatus(state, event.update.status, cx)
      break
    case 'UPDATE_OPERATION_STATUS':
      takeOperationStatus(state, event.update_operation_status.status, cx)
      break
    case 'MESSAGE': {
      const { agent_id, executor_id, data } = event.message
      callbacks.message?.({ agentId: agent_id.value, executorId: executor_id.value, data }, driver)
      break
    }
    case 'FAILURE': {
      const { agent_id, executor_id, status } = event.failure
      callbacks.failure?.(
        {
          ...(agent_id && { agentId: agent_id.value }),
          ...(executor_id && { executorId: executor_id.value }),
          ...(status !== undefined && { status }),
        },
        driver,
      )
      break
    }
    case 'ERROR': {
      const { message, code = codeOf(message) } = event.error
      cx.raise({ type: 'FATAL', error: new CallError(code, message, advice(code)) })
      break
    }
    default:
      // Heartbeats have had their effect.
      break
  }
}

/** Mesos' masters tell the kind of an error by its sentence alone. */
function codeOf(message: string): string {
  return message === MESSAGE_FAILED_OVER ? 'FRAMEWORK_FAILED_OVER' : 'FRAMEWORK_ERROR'
}
