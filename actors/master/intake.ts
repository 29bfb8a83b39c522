/**
 * The intake: the door through which frameworks and operators come to a leading master, one child of it.
 * It listens on their subjects, keeps what arrives in a queue that is fair among senders, and hands the
 * master one small batch at a time; so a flood of calls fills this actor's bounds and never the mailbox
 * in which agents and allocations arrive. When it is lost the master goes with it.
 *
 * Nothing is decoded here. What does not fit is refused with RATE_LIMITED where an answer is awaited.
 */
import { encode } from '../../protocol/codec.ts'
import { errorReply, failure } from '../../protocol/errors.ts'
import { subjects } from '../../protocol/subjects.ts'
import { type Context, type Delivery, type Pid, table } from '../../src/runtime/index.ts'
import { type FairQueue, fairQueue, push, take } from './fair-queue.ts'
import { Calls, type RawCall } from './internal.ts'

export interface IntakeArgs {
  readonly master: Pid
  /** Calls of one sender that may wait. */
  readonly perSenderMax: number
}

interface State {
  readonly master: Pid
  readonly queue: FairQueue<RawCall>
  /** A batch is with the master. */
  busy: boolean
}

/** Senders (subjects) that may have calls waiting at one time. */
const SENDERS_MAX = 20_000
/** Calls of one batch: the master serves them without looking up. */
const BATCH_CALLS_MAX = 64
/** A batch that takes longer than this is not waited for. */
const BATCH_TIMEOUT_MS = 10_000

const behaviour = table<State, [], IntakeArgs>({
  label: 'intake',
  messages: [],
  init({ master, perSenderMax }, cx) {
    const state: State = { master, queue: fairQueue(perSenderMax, SENDERS_MAX), busy: false }
    const { frameworkCalls, masterCall } = subjects(cx.cluster)
    cx.subscribe(frameworkCalls, (delivery) => receive(state, delivery, cx))
    cx.subscribe(masterCall, (delivery) => receive(state, delivery, cx))
    return state
  },
  handlers: {},
})

/** Starts the intake of a leading master. */
export function openIntake(perSenderMax: number, cx: Context): Pid {
  return cx.spawn({ id: 'intake', behaviour, args: { master: cx.self, perSenderMax } })
}

function receive(state: State, { subject, data, reply }: Delivery, cx: Context): void {
  const call: RawCall = reply === undefined ? { subject, data } : { subject, data, reply }
  if (!push(state.queue, subject, call)) {
    if (reply === undefined) return
    const details = { sender: subject, limit: state.queue.perSenderMax }
    const message = `${details.limit} calls on ${subject} are waiting already`
    cx.publish(reply, encode(errorReply({ ...failure('RATE_LIMITED', details), message }), 'json'))
    return
  }
  if (!state.busy) serve(state, cx)
}

function serve(state: State, cx: Context): void {
  const calls = take(state.queue, BATCH_CALLS_MAX)
  state.busy = calls.length > 0
  if (!state.busy) return
  const options = { timeoutMs: BATCH_TIMEOUT_MS }
  cx.ask(state.master, Calls, { calls }, options, () => serve(state, cx))
}
