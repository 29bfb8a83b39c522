/**
 * Connected means listening (design.md §4). There is no connection between a framework and the master:
 * the master publishes with a reply subject of its own, and the broker answers there if nobody listened.
 *
 * A new subscription is told SUBSCRIBED again and again until somebody hears it, because a framework that
 * has just learnt its id may not listen yet; only then it is connected and gets offers. Behind each of
 * these goes a marker to the reply subject: the broker keeps the order of one publisher, so if the marker
 * comes first, the event was heard. Heartbeats and offers go with the reply subject too; at the broker's
 * word on one of them the framework's offers end at once, and it is told SUBSCRIBED again: a framework
 * whose connection is only a moment behind ours, after a restart of the broker, has lost nothing else.
 */
import { ActivateFramework, DeactivateFramework } from '../../protocol/allocator.ts'
import type { Context, Delivery } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import { disconnectFramework } from './frameworks.ts'
import { rescindOffers } from './offers.ts'
import type { Framework, MasterState } from './state.ts'

const PROBE_MS_MIN = 20
const PROBE_MS_MAX = 1000
/** How long a framework that was heard of may be deaf before it counts as disconnected. */
const SILENCE_MS_MAX = 3000

/** Number of a probe in the reply subject of an event that is none. */
const NO_PROBE = 0

export function listenForSilence(state: MasterState, cx: Context): void {
  cx.subscribe(`${prefix(state)}.*.*.*`, (delivery) => judge(state, delivery, cx))
}

/** Where the broker's word about an event of the present subscription comes. */
export function silenceSubject(state: MasterState, framework: Framework, probe = NO_PROBE): string {
  return `${prefix(state)}.${framework.id}.${framework.streamId}.${probe}`
}

/** Tells a framework that it is subscribed until it hears it, for one interval of heartbeats. */
export function awaitListener(state: MasterState, framework: Framework, cx: Context): void {
  const deadlineMs = cx.monotonic() + state.options.heartbeat_interval_ms
  probe(state, framework, { number: 1, waitMs: PROBE_MS_MIN, deadlineMs }, cx)
}

/** No more heartbeats and probes. */
export function stopHeartbeats(framework: Framework, cx: Context): void {
  framework.probe = undefined
  cx.cancel(timerOf(framework))
}

/** The probe of a subscription that is under way. */
export interface Probe {
  readonly number: number
  /** Until the next one. */
  readonly waitMs: number
  readonly deadlineMs: number
}

// Ids of frameworks need no escape: they are tokens (`frameworkIdProblem`).
function prefix({ info }: MasterState): string {
  return `_INBOX.meseta.${info.id}`
}

function timerOf({ id }: Framework): string {
  return `heartbeat ${id}`
}

function probe(state: MasterState, framework: Framework, next: Probe, cx: Context): void {
  framework.probe = next
  const subject = silenceSubject(state, framework, next.number)
  const subscribed = {
    framework_id: { value: framework.id },
    heartbeat_interval_seconds: state.options.heartbeat_interval_ms / 1000,
    master_info: state.info,
  }
  sendEvent(state, framework, { type: 'SUBSCRIBED', subscribed }, cx, subject)
  cx.publish(subject, new Uint8Array(0))
}

function judge(state: MasterState, { subject, noResponders }: Delivery, cx: Context): void {
  const [id, streamId, number] = subject.slice(prefix(state).length + 1).split('.')
  const framework = state.frameworks.get(id!)
  if (framework === undefined || framework.streamId !== streamId) return
  if (Number(number) === NO_PROBE) {
    if (noResponders && framework.phase === 'connected') doubt(state, framework, cx)
    return
  }
  if (framework.probe?.number !== Number(number)) return
  if (noResponders) probeLater(state, framework, framework.probe, cx)
  else connect(state, framework, cx)
}

function probeLater(
  state: MasterState,
  framework: Framework,
  { number, waitMs, deadlineMs }: Probe,
  cx: Context,
): void {
  framework.probe = undefined
  if (cx.monotonic() + waitMs > deadlineMs) {
    disconnectFramework(state, framework, 'nobody listens to its events', cx)
    return
  }
  const next = { number: number + 1, waitMs: Math.min(2 * waitMs, PROBE_MS_MAX), deadlineMs }
  cx.after(timerOf(framework), waitMs, () => probe(state, framework, next, cx))
}

/** Nobody heard an event: what it offered is void, and the framework must show that it listens. */
function doubt(state: MasterState, framework: Framework, cx: Context): void {
  stopHeartbeats(framework, cx)
  framework.phase = 'subscribing'
  rescindOffers(state, [...framework.offers], cx)
  cx.send(state.allocator, DeactivateFramework, { framework_id: framework.id })
  const deadlineMs = cx.monotonic() + SILENCE_MS_MAX
  probe(state, framework, { number: 1, waitMs: PROBE_MS_MIN, deadlineMs }, cx)
}

function connect(state: MasterState, framework: Framework, cx: Context): void {
  framework.probe = undefined
  framework.phase = 'connected'
  cx.send(state.allocator, ActivateFramework, { framework_id: framework.id })
  heartbeat(state, framework, cx)
}

function heartbeat(state: MasterState, framework: Framework, cx: Context): void {
  sendEvent(state, framework, { type: 'HEARTBEAT' }, cx, silenceSubject(state, framework))
  cx.after(timerOf(framework), state.options.heartbeat_interval_ms, () =>
    heartbeat(state, framework, cx),
  )
}
