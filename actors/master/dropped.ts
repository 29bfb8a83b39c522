/**
 * Calls for which the intake had no room. Their frameworks await no answer and must not believe that they
 * were heard: each is told with ERROR, as in Mesos, where that ends its scheduler; it may subscribe again,
 * which voids its offers. Spec: scheduler-api.md §10, master.md §8.
 */
import { failure } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Context } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import type { CallsDropped } from './internal.ts'
import { count } from './metrics.ts'
import type { MasterState } from './state.ts'

/** Senders that a line of the log names. */
const NAMED_MAX = 10

export function callsDropped(
  state: MasterState,
  { senders }: Payload<typeof CallsDropped>,
  cx: Context,
): void {
  for (const { subject, count: calls, limit } of senders) {
    count(state, 'master/dropped_messages', calls)
    const framework = state.frameworks.get(state.subjects.parseFrameworkCall(subject) ?? '')
    if (framework === undefined) continue
    const { code } = failure('RATE_LIMITED')
    const message = `${calls} call${calls === 1 ? '' : 's'} dropped: capacity(${limit}) exceeded`
    sendEvent(state, framework, { type: 'ERROR', error: { message, code } }, cx)
  }
  const named = senders.slice(0, NAMED_MAX).map(({ subject, count: calls }) => [subject, calls])
  cx.log('warn', 'calls were dropped', {
    senders: senders.length,
    calls: Object.fromEntries(named),
  })
}
