/**
 * Learns ranges of a log for one replica, its parent, and ends. What another replica has learned is final
 * and is fetched in bulk; what nobody has learned is filled, a Paxos round for each position (fill.ts),
 * several at a time. When it is lost its parent starts anew with it.
 */
import {
  CaughtUp,
  type Entry,
  Fetch,
  Learn,
  Learned,
  PromiseRequest,
  WriteRequest,
} from '../../protocol/log.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Outcome,
  type Pid,
  table,
} from '../../src/runtime/index.ts'
import { type FillStep, newFill, onPromise, onWrite } from './fill.ts'
import { Intervals, type Range } from './intervals.ts'
import { drawn, type LogArgs, replicaOf, timing } from './state.ts'

/** Positions that are filled at the same time. */
const FILLS_MAX = 16
const FETCH_PAUSE_MS = 200
/** Fetched parts that the disk may have to write still: one is written while the next one is fetched. */
const PARTS_MAX = 2

export interface CatchUpArgs {
  readonly log: LogArgs
  readonly serial: number
  /** The replica that learns. */
  readonly replica: Pid
  readonly ranges: readonly Range[]
  /** Where to begin with proposals. */
  readonly proposal: number
  /** How often all others are asked for learned positions before any is filled. */
  readonly fetchRounds: number
}

interface State {
  readonly args: CatchUpArgs
  /** What has been sent to the replica. */
  readonly done: Intervals
  readonly filling: Set<number>
  /** Highest that was needed, where the next fill begins. */
  proposal: number
  /** Parts that the replica has not made durable. */
  unwritten: number
  /** Go on fetching when it has; one for each other that is being asked. */
  onWritten: Array<() => void>
}

export function catchUp(args: CatchUpArgs): ChildSpec {
  return child({ id: `${args.log.id}-catch-up-${args.serial}`, behaviour, args })
}

const behaviour = table<State, readonly [], CatchUpArgs>({
  label: 'log catch-up',
  messages: [],
  init(args, cx) {
    const { proposal } = args
    const state: State = {
      args,
      done: new Intervals(),
      filling: new Set(),
      proposal,
      unwritten: 0,
      onWritten: [],
    }
    fetchRound(state, cx, args.fetchRounds)
    return state
  },
  handlers: {},
})

function remaining({ args, done }: State): Range[] {
  return args.ranges.flatMap(([from, to]) => done.gaps(from, to))
}

/** Gives the replica what it is to learn; `then` is called as soon as it may be given more. */
function deliver(
  state: State,
  cx: Context,
  entries: readonly Entry[],
  begin?: number,
  then?: () => void,
): void {
  for (const { position } of entries) state.done.add(position)
  if (begin !== undefined && begin > 0) state.done.add(0, begin - 1)
  const body = { entries: [...entries], ...(begin === undefined ? {} : { begin }) }
  state.unwritten++
  cx.ask(state.args.replica, Learn, body, { timeoutMs: timing.writeMs }, () => {
    state.unwritten--
    state.onWritten.shift()?.()
  })
  if (then === undefined) return
  if (state.unwritten < PARTS_MAX) then()
  else state.onWritten.push(then)
}

function finish(state: State, cx: Context): void {
  cx.send(state.args.replica, CaughtUp, {})
  cx.stop()
}

/**
 * Asks one other after the other, then fills, or waits for what a live writer is about to make known. One
 * that says nothing for a moment is not waited for: it may be gone, and whoever is being elected has no more
 * time than its lease.
 */
function fetchRound(state: State, cx: Context, rounds: number): void {
  const { node, ensemble } = state.args.log
  const others = ensemble.replicas.filter((other) => other !== node)
  const start = cx.random.int(Math.max(1, others.length))
  const next = (i: number) => {
    if (remaining(state).length === 0) finish(state, cx)
    else if (i < others.length) {
      let isNext = false
      const goOn = () => {
        if (isNext) return
        isNext = true
        next(i + 1)
      }
      fetchFrom(state, cx, others[(start + i) % others.length] as string, 0, goOn)
    } else if (rounds > 1) {
      cx.after('fetch', FETCH_PAUSE_MS, () => fetchRound(state, cx, rounds - 1))
    } else fillMore(state, cx)
  }
  next(0)
}

/**
 * Takes from one other whatever it has of the gaps from `cursor` on. Calls `then` at the end, and whenever
 * an answer takes long.
 */
function fetchFrom(
  state: State,
  cx: Context,
  other: string,
  cursor: number,
  then: () => void,
): void {
  const gap = remaining(state).find(([, to]) => to >= cursor)
  if (gap === undefined) {
    then()
    return
  }
  const [from, to] = [Math.max(gap[0], cursor), gap[1]]
  const { log } = state.args
  const options = { timeoutMs: timing.requestMs }
  const patience = `patience ${other}`
  cx.after(patience, timing.fetchPatienceMs, then)
  cx.ask(replicaOf(log, other), Fetch, { from, to }, options, (outcome) => {
    cx.cancel(patience)
    if (!outcome.ok) {
      then()
      return
    }
    const { entries, begin } = outcome.value
    const last = entries.at(-1)
    const next = last === undefined ? to + 1 : last.position + 1
    const goOn = () => fetchFrom(state, cx, other, next, then)
    if (last !== undefined || begin > from) deliver(state, cx, entries, begin, goOn)
    else goOn()
  })
}

function fillMore(state: State, cx: Context): void {
  for (const [from, to] of remaining(state)) {
    for (let position = from; position <= to; position++) {
      if (state.filling.size >= FILLS_MAX) return
      if (!state.filling.has(position)) fill(state, cx, position)
    }
  }
  if (state.filling.size === 0) finish(state, cx)
}

function fill(state: State, cx: Context, position: number): void {
  const { log, replica } = state.args
  const { ensemble } = log
  const own = newFill(ensemble, position, state.proposal)
  state.filling.add(position)
  const options = { timeoutMs: timing.requestMs }

  const ended = (learned: () => void) => {
    state.filling.delete(position)
    state.proposal = Math.max(state.proposal, own.proposal)
    learned()
    fillMore(state, cx)
  }
  /** Answers count only for the proposal that they were asked for, and until the fill has ended. */
  const hear = (proposal: number, step: () => FillStep) => {
    if (state.filling.has(position) && own.proposal === proposal) act(step())
  }
  const act = (step: FillStep) => {
    switch (step.type) {
      case 'WAIT':
        return
      case 'WRITE':
        return write()
      case 'RETRY':
        cx.after(`fill ${position}`, drawn(timing.fillRetryMs, cx.random), promise)
        return
      case 'TRUNCATED':
        return ended(() => deliver(state, cx, [], step.begin))
      case 'CHOSEN':
        return ended(() => {
          const entry = { position, body: step.body }
          deliver(state, cx, [entry])
          for (const node of ensemble.replicas) {
            const to = replicaOf(log, node)
            if (!replica.startsWith(`${to}~`)) cx.send(to, Learned, { entries: [entry] })
          }
        })
    }
  }
  const promise = () => {
    const { proposal } = own
    for (const node of ensemble.replicas) {
      const body = { proposal, position }
      cx.ask(replicaOf(log, node), PromiseRequest, body, options, (outcome) =>
        hear(proposal, () => onPromise(own, node, voteOf(outcome))),
      )
    }
  }
  const write = () => {
    const { proposal, body } = own
    const request = { proposal, entries: [{ position, body }] }
    for (const node of ensemble.replicas) {
      cx.ask(replicaOf(log, node), WriteRequest, request, options, (outcome) =>
        hear(proposal, () => onWrite(own, node, voteOf(outcome))),
      )
    }
  }
  promise()
}

/** A request without an answer takes no part in its round. */
export function voteOf<Reply>(outcome: Outcome<Reply>): Reply | { readonly type: 'FAILED' } {
  return outcome.ok ? outcome.value : { type: 'FAILED' }
}
