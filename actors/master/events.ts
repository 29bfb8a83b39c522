/**
 * What the master publishes: events to frameworks, and events of the cluster for anyone. Whatever a
 * master says carries its epoch (design.md §4). Own output is not validated.
 */
import { encode } from '../../protocol/codec.ts'
import type { ClusterEvent } from '../../protocol/events.ts'
import type { Event } from '../../protocol/scheduler.ts'
import type { EventKind } from '../../protocol/subjects.ts'
import type { TaskStatus } from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { count } from './metrics.ts'
import { type Framework, isActive, type MasterState } from './state.ts'

/**
 * An event to a framework's present subscription; dropped if it has none, as nothing is queued for who
 * does not listen (scheduler-api.md §2). With `reply`, the broker's word that nobody listened comes there.
 */
export function sendEvent(
  state: MasterState,
  framework: Framework,
  event: Event,
  cx: Context,
  reply?: string,
): void {
  if (framework.phase !== 'connected' && framework.phase !== 'subscribing') return
  const whole = { ...event, epoch: state.epoch, stream_id: framework.streamId }
  const data = encode(whole, framework.format)
  cx.publish(state.subjects.frameworkEvent(framework.id), data, { reply })
  count(state, `master/events_sent/${event.type.toLowerCase()}`)
}

/** A status to a connected framework; returns whether it was forwarded. */
export function sendStatus(
  state: MasterState,
  framework: Framework,
  status: TaskStatus,
  cx: Context,
): boolean {
  if (!isActive(framework)) return false
  sendEvent(state, framework, { type: 'UPDATE', update: { status } }, cx)
  return true
}

/** An agent was lost: told to every connected framework (states.md §3). */
export function sendAgentFailure(state: MasterState, agentId: string, cx: Context): void {
  const failure = { agent_id: { value: agentId } }
  for (const framework of state.frameworks.values()) {
    if (isActive(framework)) sendEvent(state, framework, { type: 'FAILURE', failure }, cx)
  }
}

/** An event of the cluster, as JSON so that any subscriber can read it. */
export function announce(
  state: MasterState,
  kind: EventKind,
  id: string,
  event: ClusterEvent,
  cx: Context,
): void {
  const whole = { ...event, epoch: state.epoch, timestamp: cx.now() / 1000 }
  cx.publish(state.subjects.event(kind, id), encode(whole, 'json'))
}
