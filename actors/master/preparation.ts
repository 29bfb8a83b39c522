/**
 * What a master does while it may still take its time. The check of a message is compiled when it is first
 * used, that of returning agents in a quarter of a second of work: too long for a new leader, to whom all of
 * them come at once and whose lease others extend meanwhile.
 */
import { agentToMaster } from '../../protocol/agent.ts'
import type { Message } from '../../protocol/message.ts'
import { masterCalls } from '../../protocol/operator.ts'
import { schedulerCalls } from '../../protocol/scheduler.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'

/** By then one that is alone leads, and has answered whoever had waited for it. */
const AFTER_MS = 3000

/** Has all checks compiled, one a step. */
export function prepare(cx: Context): void {
  const messages: readonly Message[] = [...agentToMaster, ...schedulerCalls, ...masterCalls]
  cx.after('prepare', AFTER_MS, () => inSlices(compile(messages), cx))
}

function* compile(messages: readonly Message[]): Generator<void, void> {
  for (const { check } of messages) {
    check(undefined)
    yield
  }
}
