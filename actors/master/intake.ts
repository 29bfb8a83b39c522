/**
 * The intakes: the doors through which frameworks and operators come to a leading master, two children of
 * it, each with a lane of its own to the broker. What operators ask is urgent besides: it waits neither
 * behind the calls of frameworks nor behind what else the master has to do. An intake listens on its subject,
 * lets frameworks wait that call faster than their rate allows, keeps what arrives in a queue that is fair
 * among senders, and hands the master one small batch at a time; so a flood of calls fills this actor's
 * bounds and never the mailbox in which agents and allocations arrive. When one is lost the master goes with
 * it.
 *
 * Nothing is decoded here. What does not fit is refused with RATE_LIMITED where an answer is awaited; of the
 * rest the master is told. Calls are counted by principal (tally.ts).
 */
import { Measure } from '../../protocol/allocator.ts'
import { encode } from '../../protocol/codec.ts'
import { errorReply, failure } from '../../protocol/errors.ts'
import { type Subjects, subjects } from '../../protocol/subjects.ts'
import type { Metric } from '../../protocol/v1/index.ts'
import type { RateLimits } from '../../protocol/v1/rate-limits.ts'
import {
  type Context,
  type Delivery,
  nameOf,
  type Pid,
  pid,
  table,
} from '../../src/runtime/index.ts'
import { type FairQueue, fairQueue, push, take } from './fair-queue.ts'
import { Calls, CallsDropped, NoteFramework, type RawCall } from './internal.ts'
import {
  admit,
  type Limiter,
  type Limiters,
  limiterOf,
  limitersOf,
  takeTurns,
} from './rate-limits.ts'
import { join, leave, metricsOf, noTallies, type Tallies, type Tally } from './tally.ts'

/** A call, and where it is counted. */
interface Arrival {
  readonly call: RawCall
  readonly tally: Tally | undefined
}

/** The lane of operators' calls, of who asks for the leader, and of the answers to both. */
export const CONTROL = 'control'

interface IntakeArgs {
  readonly master: Pid
  /** Whose calls come in here. */
  readonly from: 'frameworks' | 'operators'
  /** Calls of one sender that may wait. */
  readonly perSenderMax: number
  readonly rates: RateLimits
}

interface State {
  readonly master: Pid
  readonly subjects: Subjects
  /** Where urgent calls come in. */
  readonly lane: string | undefined
  readonly queue: FairQueue<Arrival>
  readonly limiters: Limiters<Arrival>
  /** What limits the calls on a subject; of subscribed frameworks only. */
  readonly limited: Map<string, Limiter<Arrival>>
  readonly tallies: Tallies
  /** Drops that the master was not told of, by subject. `capacity`: of the rate, if that was exceeded. */
  readonly dropped: Map<string, { count: number; capacity: number | undefined }>
  /** A batch is with the master. */
  busy: boolean
}

const FRAMEWORKS_INTAKE = 'intake-frameworks'
const OPERATORS_INTAKE = 'intake-operators'

/** Senders (subjects) that may have calls waiting at one time. */
const SENDERS_MAX = 20_000
/** Bytes of all calls that wait. */
const BYTES_MAX = { frameworks: 224 * 1024 * 1024, operators: 32 * 1024 * 1024 }
/** Calls and bytes of one batch: the master serves them without looking up, in some milliseconds. */
const BATCH_CALLS_MAX = 32
const BATCH_BYTES_MAX = 4 * 1024
/** A batch that takes longer than this is not waited for. */
const BATCH_TIMEOUT_MS = 10_000
/** Drops are told of together, so that a flood is not followed by another one. */
const DROPPED_MS = 500

const messages = [NoteFramework, Measure] as const

const behaviour = table<State, typeof messages, IntakeArgs>({
  label: 'intake',
  messages,
  init({ master, from, perSenderMax, rates }, cx) {
    const names = subjects(cx.cluster)
    const lane = from === 'operators' ? CONTROL : undefined
    const state: State = {
      master,
      subjects: names,
      lane,
      queue: fairQueue({
        perSenderMax,
        sendersMax: SENDERS_MAX,
        bytesMax: BYTES_MAX[from],
        bytesOf: ({ call }) => call.data.length,
      }),
      limiters: limitersOf(rates, perSenderMax),
      limited: new Map(),
      tallies: noTallies(),
      dropped: new Map(),
      busy: false,
    }
    const subject = from === 'operators' ? names.masterCall : names.frameworkCalls
    const urgent = lane !== undefined
    cx.subscribe(subject, (delivery) => receive(state, delivery, cx), { lane, urgent })
    return state
  },
  handlers: {
    NOTE_FRAMEWORK(state, { framework_id, subscribed, principal }) {
      const subject = state.subjects.frameworkCall(framework_id)
      const limiter = subscribed ? limiterOf(state.limiters, principal) : undefined
      if (limiter === undefined) state.limited.delete(subject)
      else state.limited.set(subject, limiter)
      if (subscribed) join(state.tallies, subject, principal)
      else leave(state.tallies, subject)
    },
    MEASURE({ tallies }, _body, cx) {
      cx.reply({ metrics: metricsOf(tallies) })
    },
  },
})

/** Starts the intakes of a leading master. */
export function openIntakes(perSenderMax: number, rates: RateLimits, cx: Context): void {
  const args = { master: cx.self, perSenderMax, rates }
  cx.spawn({ id: FRAMEWORKS_INTAKE, behaviour, args: { ...args, from: 'frameworks' } })
  cx.spawn({ id: OPERATORS_INTAKE, behaviour, args: { ...args, from: 'operators' } })
}

/** Whether the actor is one of this node's. */
export function isIntake(actor: Pid, { node }: Context): boolean {
  return [FRAMEWORKS_INTAKE, OPERATORS_INTAKE].some((id) => nameOf(actor) === pid(id, node))
}

/** The lane by which a call came, and its answer goes. */
export function laneOf({ masterCall }: Subjects, { subject }: RawCall): string | undefined {
  return subject === masterCall ? CONTROL : undefined
}

/** Tells the frameworks' intake whose calls come from now on, or come no more, on the subject of a framework. */
export function noteFramework(
  { id, info }: { readonly id: string; readonly info: { readonly principal?: string } },
  subscribed: boolean,
  cx: Context,
): void {
  const { principal } = info
  const body = { framework_id: id, subscribed, ...(principal !== undefined && { principal }) }
  cx.send(pid(FRAMEWORKS_INTAKE, cx.node), NoteFramework, body)
}

/** The calls of frameworks by principal, if the intake answers in time. */
export function measureCalls(
  timeoutMs: number,
  cx: Context,
  then: (metrics: Metric[]) => void,
): void {
  cx.ask(pid(FRAMEWORKS_INTAKE, cx.node), Measure, {}, { timeoutMs }, (outcome) =>
    then(outcome.ok ? outcome.value.metrics : []),
  )
}

function receive(state: State, { subject, data, reply }: Delivery, cx: Context): void {
  const call: RawCall = reply === undefined ? { subject, data } : { subject, data, reply }
  const tally = state.tallies.bySubject.get(subject)
  if (tally !== undefined) tally.received++
  const arrival = { call, tally }
  const limiter = state.limited.get(subject)
  if (limiter === undefined) enqueue(state, arrival, cx)
  else throttle(state, limiter, arrival, cx)
}

function throttle(state: State, limiter: Limiter<Arrival>, arrival: Arrival, cx: Context): void {
  const verdict = admit(limiter, arrival, cx.monotonic())
  if (verdict === 'turn') enqueue(state, arrival, cx)
  else if (verdict === 'full') drop(state, arrival.call, limiter, cx)
  // The first one sets the timer for those behind it.
  else if (limiter.waiting.length === 1) awaitTurn(state, limiter, cx)
}

function awaitTurn(state: State, limiter: Limiter<Arrival>, cx: Context): void {
  cx.after(limiter.name, Math.max(0, limiter.nextMs - cx.monotonic()), () => {
    for (const arrival of takeTurns(limiter, cx.monotonic())) enqueue(state, arrival, cx)
    if (limiter.waiting.length > 0) awaitTurn(state, limiter, cx)
  })
}

function enqueue(state: State, arrival: Arrival, cx: Context): void {
  const { call } = arrival
  if (!push(state.queue, call.subject, arrival)) drop(state, call, undefined, cx)
  else if (!state.busy) serve(state, cx)
}

/** For lack of room at a limiter, or in the queue. */
function drop(
  state: State,
  { subject, reply }: RawCall,
  limiter: Limiter<Arrival> | undefined,
  cx: Context,
): void {
  if (reply === undefined) {
    noteDrop(state, subject, limiter?.capacity, cx)
    return
  }
  const limit = limiter?.capacity ?? state.queue.perSenderMax
  const refusal = failure('RATE_LIMITED', { sender: subject, limit })
  cx.publish(reply, encode(errorReply(refusal), 'json'), { lane: state.lane })
}

function noteDrop(
  { master, dropped }: State,
  subject: string,
  capacity: number | undefined,
  cx: Context,
): void {
  if (dropped.size === 0) {
    cx.after('dropped', DROPPED_MS, () => {
      const senders = [...dropped].map(([sender, drops]) => ({
        subject: sender,
        count: drops.count,
        ...(drops.capacity !== undefined && { capacity: drops.capacity }),
      }))
      dropped.clear()
      cx.send(master, CallsDropped, { senders })
    })
  }
  const known = dropped.get(subject)
  if (known === undefined && dropped.size >= SENDERS_MAX) return
  dropped.set(subject, {
    count: (known?.count ?? 0) + 1,
    capacity: known?.capacity ?? capacity,
  })
}

function serve(state: State, cx: Context): void {
  const arrivals = take(state.queue, BATCH_CALLS_MAX, BATCH_BYTES_MAX)
  state.busy = arrivals.length > 0
  if (!state.busy) return
  const calls = arrivals.map(({ call }) => call)
  const options = { timeoutMs: BATCH_TIMEOUT_MS, urgent: state.lane !== undefined }
  cx.ask(state.master, Calls, { calls }, options, (outcome) => {
    for (const { tally } of arrivals) if (outcome.ok && tally !== undefined) tally.processed++
    serve(state, cx)
  })
}
