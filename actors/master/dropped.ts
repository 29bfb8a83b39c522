/**
 * Calls for which the intake had no room, and whose senders await no answer. All are counted and logged. A
 * framework that exceeded the capacity of its rate is told with ERROR, which ends its scheduler, as in Mesos.
 * One that has merely outrun the master goes on, as it would in Mesos, where nothing bounds what waits: most
 * of what is lost are acknowledgements, for which agents ask again; launches show in reconciliation, and
 * offers whose ACCEPT may be among the lost are withdrawn.
 * Spec: scheduler-api.md §10, master.md §8.
 */
import type { Payload } from '../../protocol/message.ts'
import type { Context } from '../../src/runtime/index.ts'
import { sendEvent } from './events.ts'
import type { CallsDropped } from './internal.ts'
import { count } from './metrics.ts'
import { rescindOffers } from './offers.ts'
import type { Framework, MasterState } from './state.ts'

/** An offer from before a drop that is out for so long after it may have been answered in vain. */
const ANSWER_MS_MAX = 10_000
/** Senders that a line of the log names. */
const NAMED_MAX = 10

export function callsDropped(
  state: MasterState,
  { senders }: Payload<typeof CallsDropped>,
  cx: Context,
): void {
  for (const { subject, count: calls, capacity } of senders) {
    count(state, 'master/dropped_messages', calls)
    const framework = state.frameworks.get(state.subjects.parseFrameworkCall(subject) ?? '')
    if (framework === undefined) continue
    if (capacity === undefined) {
      withdrawLater(state, framework, cx)
      continue
    }
    const message = `${calls} call${calls === 1 ? '' : 's'} dropped: capacity(${capacity}) exceeded`
    sendEvent(state, framework, { type: 'ERROR', error: { message, code: 'RATE_LIMITED' } }, cx)
  }
  const named = senders.slice(0, NAMED_MAX).map(({ subject, count: calls }) => [subject, calls])
  cx.log('warn', 'calls were dropped', {
    senders: senders.length,
    calls: Object.fromEntries(named),
  })
}

function withdrawLater(state: MasterState, framework: Framework, cx: Context): void {
  const droppedMs = cx.monotonic()
  cx.after(`answers of ${framework.id}`, ANSWER_MS_MAX, () => {
    const former = [...framework.offers].filter(({ createdMs }) => createdMs <= droppedMs)
    rescindOffers(state, former, cx)
  })
}
