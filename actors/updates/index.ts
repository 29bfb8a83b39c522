/**
 * The status-update manager: a durable stream of statuses a task. A status is on disk before anyone hears
 * of it; then it is forwarded, again and again with back-off, until the scheduler's acknowledgement with
 * its uuid is on disk, and only then comes the next. So a scheduler sees every status at least once, in
 * order, with repeats of the last only. Supervised by the agent, whom its crash takes down; both then
 * recover from disk. A failed write ends both, for what is on disk is unknown then. Spec: agent.md §7.
 */
import type { Payload } from '../../protocol/message.ts'
import {
  agentToUpdates,
  ForwardUpdate,
  StreamAcknowledged,
  StreamsRecovered,
  UpdateStored,
} from '../../protocol/updates.ts'
import { isTerminal } from '../../protocol/v1/status.ts'
import type { ChildSpec, Context, Pid, Store, StoreOperation } from '../../src/runtime/index.ts'
import { table } from '../../src/runtime/index.ts'
import * as streams from './streams.ts'

export interface UpdatesArgs {
  /** Hears what is stored, what to forward, and what is acknowledged. */
  readonly owner: Pid
  readonly store: Store
  /** First and longest wait before a status is sent again, ms. */
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** What else goes from the disk, in the same write, when a task's terminal status is acknowledged. */
  readonly forget: (framework: string, task: string) => readonly StoreOperation[]
}

interface State {
  readonly args: UpdatesArgs
  readonly streams: Map<string, streams.Stream>
  /** Nothing is forwarded. From the start until the owner says otherwise. */
  paused: boolean
  /** Messages that came before the disk was read. */
  waiting: Array<() => void> | undefined
}

const behaviour = table<State, typeof agentToUpdates, UpdatesArgs>({
  label: 'updates',
  messages: agentToUpdates,
  init(args, cx) {
    const state: State = { args, streams: new Map(), paused: true, waiting: [] }
    cx.job(
      () => args.store.range(streams.range.from, streams.range.to),
      (outcome) => {
        if (!outcome.ok) throw outcome.error
        recovered(state, streams.recover(outcome.value), cx)
      },
    )
    return state
  },
  handlers: {
    STORE_UPDATE(state, body, cx) {
      whenRecovered(state, () => store(state, body, cx))
    },
    ACKNOWLEDGE_STREAM(state, body, cx) {
      whenRecovered(state, () => acknowledge(state, body, cx))
    },
    PAUSE_UPDATES(state) {
      state.paused = true
    },
    RESUME_UPDATES(state, { framework_id }, cx) {
      whenRecovered(state, () => resume(state, framework_id?.value, cx))
    },
    CLEAN_UP_STREAMS(state, { framework_id }, cx) {
      whenRecovered(state, () => cleanUp(state, framework_id.value, cx))
    },
  },
})

function whenRecovered(state: State, run: () => void): void {
  if (state.waiting === undefined) run()
  else state.waiting.push(run)
}

function recovered(
  state: State,
  found: ReadonlyMap<string, streams.RecoveredStream>,
  cx: Context,
): void {
  for (const [key, { stream }] of found) state.streams.set(key, stream)
  const body = [...found.values()].map(({ stream, statuses }) => ({
    framework_id: { value: stream.framework },
    task_id: { value: stream.task },
    statuses,
    pending: stream.pending.length,
  }))
  cx.send(state.args.owner, StreamsRecovered, { streams: body })
  const waiting = state.waiting ?? []
  state.waiting = undefined
  for (const run of waiting) run()
}

function store(
  state: State,
  { framework_id, status }: Payload<(typeof agentToUpdates)[0]>,
  cx: Context,
): void {
  const key = streams.streamKey(framework_id.value, status.task_id.value)
  let stream = state.streams.get(key)
  if (stream === undefined) {
    stream = streams.newStream(framework_id.value, status.task_id.value)
    state.streams.set(key, stream)
  }
  const uuid = streams.uuidOf(status)
  const { task_id, source = 'SOURCE_AGENT' } = status
  const stored = { framework_id, task_id, uuid, source }
  if (stream.received.has(streams.hex(uuid))) {
    // Perhaps its write is still under way: an empty commit resolves behind it.
    commit(state, [], () => cx.send(state.args.owner, UpdateStored, stored), cx)
    return
  }
  const { entry, operation } = streams.append(stream, status)
  commit(
    state,
    [operation],
    () => {
      stream.pending.push(entry)
      cx.send(state.args.owner, UpdateStored, stored)
      if (stream.pending.length === 1) forwardFirst(state, stream, cx)
    },
    cx,
  )
}

function acknowledge(
  state: State,
  { framework_id, task_id, uuid }: Payload<(typeof agentToUpdates)[1]>,
  cx: Context,
): void {
  const key = streams.streamKey(framework_id.value, task_id.value)
  const stream = state.streams.get(key)
  const judgement = streams.judge(stream, uuid)
  const entry = stream?.pending[0]
  if (judgement !== 'ACKNOWLEDGE' || stream === undefined || entry === undefined) {
    cx.log('debug', 'an acknowledgement changes nothing', { key, judgement })
    return
  }
  stream.acknowledging = true
  const { state: taskState } = entry.status
  const closed = isTerminal(taskState)
  const { framework, task } = stream
  const operations = streams.acknowledgement(stream, entry)
  if (closed) operations.push(...state.args.forget(framework, task))
  const done = () => {
    stream.acknowledging = false
    stream.pending.shift()
    if (closed) {
      cx.cancel(timerId(stream))
      state.streams.delete(key)
    } else forwardFirst(state, stream, cx)
    cx.send(state.args.owner, StreamAcknowledged, {
      framework_id,
      task_id,
      state: taskState,
      closed,
    })
  }
  commit(state, operations, done, cx)
}

function resume(state: State, framework: string | undefined, cx: Context): void {
  if (framework === undefined) state.paused = false
  for (const stream of state.streams.values()) {
    if (framework === undefined || stream.framework === framework) forwardFirst(state, stream, cx)
  }
}

function cleanUp(state: State, framework: string, cx: Context): void {
  const gone = [...state.streams].filter(([, stream]) => stream.framework === framework)
  for (const [key, stream] of gone) {
    cx.cancel(timerId(stream))
    state.streams.delete(key)
  }
  const operations = gone.flatMap(([, stream]) => streams.removal(stream))
  if (operations.length > 0) commit(state, operations, () => undefined, cx)
}

/** Sends the first status of a stream and starts its back-off anew. */
function forwardFirst(state: State, stream: streams.Stream, cx: Context): void {
  stream.intervalMs = state.args.retryMinMs
  forward(state, stream, cx)
}

function forward(state: State, stream: streams.Stream, cx: Context): void {
  const first = stream.pending[0]
  // A stream may have been cleaned up while one of its writes was under way.
  if (first === undefined || state.streams.get(timerId(stream)) !== stream) {
    cx.cancel(timerId(stream))
    return
  }
  if (state.paused) return
  const framework_id = { value: stream.framework }
  cx.send(state.args.owner, ForwardUpdate, { framework_id, status: first.status })
  cx.after(timerId(stream), stream.intervalMs, () => {
    stream.intervalMs = Math.min(2 * stream.intervalMs, state.args.retryMaxMs)
    forward(state, stream, cx)
  })
}

function timerId(stream: streams.Stream): string {
  return streams.streamKey(stream.framework, stream.task)
}

/** Commits take effect in the order issued, and so do their `done`s. */
function commit(
  state: State,
  operations: readonly StoreOperation[],
  done: () => void,
  cx: Context,
): void {
  cx.job(
    () => state.args.store.commit(operations),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      done()
    },
  )
}

/** The status-update manager of `args.owner`, its parent. */
export function updates(args: UpdatesArgs): ChildSpec<UpdatesArgs> {
  return { id: 'updates', behaviour, args }
}
