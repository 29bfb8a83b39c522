/**
 * A custom executor: one actor for each program that a framework gave to run its tasks. It starts the
 * program, takes its calls, publishes its events, and destroys it when it does not register in time or
 * does not shut down in time. A child of the agent; if it crashes the agent destroys the container. The
 * program outlives the agent and subscribes again. Spec: executor-api.md §2-§8.
 *
 * "Connected means listening" (design.md §4): the heartbeat is published with a reply subject, so that
 * the broker tells when nobody listens. That alone changes nothing (§7); it is logged, and the container's
 * end decides.
 */

import {
  agentToExecutor,
  ExecutorEnded,
  ExecutorSubscribed,
  ReportData,
  ReportStatus,
} from '../../protocol/container.ts'
import {
  executor as api,
  decode,
  encode,
  errorReply,
  type Failure,
  fail,
  type Result,
  subjects,
} from '../../protocol/index.ts'
import type { Payload } from '../../protocol/message.ts'
import type { ChildSpec, Context, Delivery } from '../../src/runtime/index.ts'
import { statechart } from '../../src/runtime/index.ts'
import { type ContainerEvents, launch, recover, signal } from './container.ts'
import { customMachine } from './custom-machine.ts'
import type { Cause, CustomArgs, CustomState } from './custom-state.ts'
import { argvOf, commandVariables, placeVariables } from './environment.ts'

/** Pause between two calls to an executor that has not subscribed again, ms. */
const callBackMs = 250
/** How long a broker may take to hand over what a program said before it ended, ms. */
const lastWordsMs = 1000

const behaviour = statechart<CustomState, typeof agentToExecutor, CustomArgs>({
  label: 'custom executor',
  messages: agentToExecutor,
  machine: customMachine({ begin, registered, shutDown, finish }),
  handlers: {
    STATUS_TAKEN(state, { task_id, uuid }, cx) {
      publish(state, { type: 'ACKNOWLEDGED', acknowledged: { task_id, uuid } }, cx)
    },
    SEND_EVENT(state, { event }, cx) {
      publish(state, event as api.Event, cx)
    },
    END_EXECUTOR(state, { max_grace_ms = Number.POSITIVE_INFINITY }, cx) {
      const graceMs = Math.min(state.args.place.shutdownGraceMs, max_grace_ms)
      const forceMs = cx.monotonic() + graceMs
      // Said again, it may shorten the grace period, never extend it.
      if (forceMs >= state.forceMs) return
      state.forceMs = forceMs
      cx.after('force', graceMs, () => signal(state.container, 'SIGKILL', cx))
      cx.raise({ type: 'SHUTDOWN' })
    },
  },
})

/** The actor of a custom executor, a child of `args.owner`. */
export function customExecutor(args: CustomArgs): ChildSpec<CustomArgs> {
  return { id: `executor-${args.container_id}`, behaviour, args }
}

function addressOf({ args }: CustomState) {
  return {
    agent: args.place.agent_id,
    framework: args.place.framework.id?.value ?? '',
    executor: args.place.executor_id,
    container: args.container_id,
  }
}

function idsOf({ args }: CustomState) {
  return {
    framework_id: args.place.framework.id ?? { value: '' },
    executor_id: args.executor.executor_id,
  }
}

function begin(state: CustomState, cx: Context): void {
  const { args, container } = state
  const names = subjects(cx.cluster)
  const events: ContainerEvents = {
    started: () => undefined,
    ended(status, failure) {
      state.exit = { status, failure }
      afterItsWords(cx, () => cx.raise({ type: 'ENDED' }))
    },
  }
  cx.subscribe(names.executorCall(addressOf(state)), (delivery) => receive(state, delivery, cx))
  if (args.recovered) {
    recover(container, cx, events)
    callBack(state, cx)
  } else {
    const program = programOf(state, cx)
    if (program.ok) launch(container, program.value, cx, events)
    else cx.after('refuse', 0, () => events.ended(undefined, program.error))
  }
  const timeoutMs = args.recovered ? args.reregistrationTimeoutMs : args.registrationTimeoutMs
  cx.after('registration', timeoutMs, () =>
    destroy(
      state,
      args.recovered
        ? {
            state: 'TASK_GONE',
            reason: 'REASON_EXECUTOR_REREGISTRATION_TIMEOUT',
            message: `the executor did not subscribe again within ${timeoutMs} ms`,
          }
        : {
            reason: 'REASON_EXECUTOR_REGISTRATION_TIMEOUT',
            message: `the executor did not subscribe within ${timeoutMs} ms`,
          },
      cx,
    ),
  )
}

/** The executor cannot know that its agent was restarted: there is no connection that could break. */
function callBack(state: CustomState, cx: Context): void {
  if (state.subscribed || state.exit !== undefined) return
  publish(state, { type: 'HEARTBEAT', subscribed: false }, cx)
  cx.after('call back', callBackMs, () => callBack(state, cx))
}

function programOf(
  state: CustomState,
  cx: Context,
): Result<{ argv: readonly string[]; env: Record<string, string> }> {
  const command = state.args.executor.command ?? {}
  const argv = argvOf(command)
  if (!argv.ok) return argv
  const variables = commandVariables(command)
  if (!variables.ok) return variables
  const names = subjects(cx.cluster)
  const env = {
    ...placeVariables(state.args.place),
    MESETA_NATS_URL: state.args.natsUrl,
    MESETA_CLUSTER: cx.cluster,
    MESETA_EXECUTOR_CALL: names.executorCall(addressOf(state)),
    MESETA_EXECUTOR_EVENT: names.executorEvent(addressOf(state)),
    ...variables.value,
  }
  return { ok: true, value: { argv: argv.value, env } }
}

// ---- calls

function receive(state: CustomState, { data, reply }: Delivery, cx: Context): void {
  const decoded = decode(data)
  if (decoded.ok) state.format = decoded.value.format
  const call = decoded.ok
    ? api.validateCall(decoded.value.value)
    : fail('INVALID_MESSAGE', { problem: decoded.error })
  const refusal = call.ok ? take(state, call.value, cx) : call.error
  if (refusal !== undefined) cx.log('debug', 'an executor call was refused', { ...refusal })
  if (reply === undefined) return
  cx.publish(reply, encode(refusal === undefined ? {} : errorReply(refusal), state.format))
}

/** Returns why the call is refused, if it is. */
function take(state: CustomState, call: api.Call, cx: Context): Failure | undefined {
  if (call.type === 'HEARTBEAT') return undefined
  const ids = idsOf(state)
  if (
    call.executor_id.value !== ids.executor_id.value ||
    call.framework_id.value !== ids.framework_id.value
  ) {
    const { error } = fail('UNKNOWN_EXECUTOR', {
      executor_id: call.executor_id.value,
      framework_id: call.framework_id.value,
    })
    return error
  }
  if (call.type === 'SUBSCRIBE') {
    subscribe(state, call, cx)
    return undefined
  }
  if (!state.subscribed) {
    return fail('INVALID_MESSAGE', { problem: `${call.type} before SUBSCRIBE` }).error
  }
  if (call.type === 'UPDATE') {
    cx.send(state.args.owner, ReportStatus, { ...ids, status: call.update.status })
  } else cx.send(state.args.owner, ReportData, { ...ids, data: call.message.data })
  return undefined
}

function subscribe(state: CustomState, call: api.CallOf<'SUBSCRIBE'>, cx: Context): void {
  state.listening = true
  if (state.forceMs < Number.POSITIVE_INFINITY || state.cause !== undefined) {
    publish(state, { type: 'SHUTDOWN' }, cx)
    return
  }
  state.subscribed = true
  const { unacknowledged_tasks = [], unacknowledged_updates = [], mark } = call.subscribe
  const launches_seen = launchesSeen(mark, cx)
  const body: Payload<typeof ExecutorSubscribed> = {
    ...idsOf(state),
    unacknowledged_tasks,
    unacknowledged_updates: unacknowledged_updates.map(({ status }) => status),
    ...(launches_seen !== undefined && { launches_seen }),
  }
  cx.raise({ type: 'SUBSCRIBED' })
  cx.send(state.args.owner, ExecutorSubscribed, body)
}

// ---- events

function publish(
  state: CustomState,
  event: api.Event,
  cx: Context,
  options?: { readonly reply: string },
): void {
  if (event.type === 'LAUNCH' || event.type === 'LAUNCH_GROUP') state.launches++
  const subject = subjects(cx.cluster).executorEvent(addressOf(state))
  cx.publish(
    subject,
    encode({ ...event, mark: `${lifeOf(cx)}${state.launches}` }, state.format),
    options,
  )
}

/** Begins the marks of this life of the actor; after it they count the launches that it has published. */
function lifeOf({ self }: Context): string {
  return `${self} `
}

/**
 * How many launches of this life precede the event with that mark. The broker keeps the order of what one
 * actor publishes: those that have not come before the event are lost.
 */
function launchesSeen(mark: string | undefined, cx: Context): number | undefined {
  const life = lifeOf(cx)
  if (!mark?.startsWith(life)) return undefined
  const launches = Number(mark.slice(life.length))
  return Number.isSafeInteger(launches) ? launches : undefined
}

function registered(state: CustomState, cx: Context): void {
  cx.cancel('registration')
  const inbox = `_INBOX.${cx.newId()}`
  cx.subscribe(inbox, ({ noResponders }) => {
    if (!noResponders || !state.listening) return
    state.listening = false
    cx.log('warn', 'an executor does not listen', { executor: state.args.place.executor_id })
  })
  const beat = () => {
    publish(state, { type: 'HEARTBEAT' }, cx, { reply: inbox })
    cx.after('heartbeat', state.args.heartbeatMs, beat)
  }
  cx.after('heartbeat', state.args.heartbeatMs, beat)
}

// ---- the end

function shutDown(state: CustomState, cx: Context): void {
  cx.cancel('registration')
  publish(state, { type: 'SHUTDOWN' }, cx)
}

/**
 * Runs `then` when what the program published before its end has been served: the broker may be slower
 * than the news of that end. What goes through it now comes after that.
 */
function afterItsWords(cx: Context, then: () => void): void {
  const inbox = `_INBOX.${cx.newId()}`
  cx.subscribe(inbox, then)
  cx.publish(inbox, new Uint8Array())
  cx.after('last words', lastWordsMs, then)
}

function destroy(state: CustomState, cause: Cause, cx: Context): void {
  state.cause = cause
  signal(state.container, 'SIGKILL', cx)
}

function finish(state: CustomState, cx: Context): void {
  const { exit } = state
  const failed =
    exit?.failure === undefined
      ? undefined
      : {
          reason: state.args.recovered
            ? ('REASON_EXECUTOR_TERMINATED' as const)
            : ('REASON_CONTAINER_LAUNCH_FAILED' as const),
          message: exit.failure,
        }
  const cause = state.cause ?? (state.subscribed ? undefined : failed)
  cx.send(state.args.owner, ExecutorEnded, {
    ...idsOf(state),
    status: exit?.status ?? -1,
    ...(cause === undefined ? {} : { cause }),
  })
}
