/** Changes of variables: checked against the version in memory, written to the log, then told. */
import { failure } from '../../protocol/errors.ts'
import { Append } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { failureOf } from './opening.ts'
import { difference, encodeRecord, type Record } from './records.ts'
import {
  close,
  inTerm,
  newVariable,
  type Operation,
  type StateActor,
  type Variable,
} from './state.ts'

/** Longer than the writer waits for a quorum: it is the one that knows why there is none. */
export const APPEND_TIMEOUT_MS = 30_000
/** Differences to one snapshot: more make a value that is not in memory slow to read. */
const DIFFS_MAX = 32

/** Gives the variable a value; nothing of it may be under way. */
export function store(
  state: StateActor,
  name: string,
  value: Uint8Array,
  cx: Context,
  { done, fail }: { readonly done: (version: string) => void; readonly fail: Operation['fail'] },
): void {
  const variable = state.variables.get(name) ?? newVariable()
  state.variables.set(name, variable)
  const version = cx.newId()
  const record = recordOf(state, variable, name, version, value)
  const isDiff = record.type === 'DIFF'
  if (isDiff) {
    variable.diffs++
    variable.diffBytes += record.splice.insert.length
  } else {
    variable.diffs = 0
    variable.diffBytes = 0
    variable.snapshotBytes = value.length
  }
  variable.version = version
  state.values.set(name, value)
  append(state, variable, record, cx, {
    done(position) {
      if (isDiff) variable.positions.push(position)
      else stands(state, name, variable, position)
      done(version)
    },
    fail,
  })
}

/** Removes the variable; nothing of it may be under way. */
export function expunge(
  state: StateActor,
  name: string,
  variable: Variable,
  cx: Context,
  { done, fail }: { readonly done: () => void; readonly fail: Operation['fail'] },
): void {
  append(state, variable, { type: 'EXPUNGE', name }, cx, {
    done() {
      state.variables.delete(name)
      state.values.delete(name)
      // Those who wait for this variable look for it anew.
      done()
    },
    fail,
  })
}

/** A snapshot stands at this position: of all variables this one was snapshot last. */
export function stands(
  state: StateActor,
  name: string,
  variable: Variable,
  position: number,
): void {
  variable.positions = [position]
  state.variables.delete(name)
  state.variables.set(name, variable)
}

function recordOf(
  { values }: StateActor,
  variable: Variable,
  name: string,
  version: string,
  value: Uint8Array,
): Record {
  const snapshot = { type: 'SNAPSHOT', name, version, value } as const
  const before = variable.version === '' ? undefined : values.get(name)
  if (before === undefined || variable.diffs >= DIFFS_MAX) return snapshot
  const splice = difference(before, value)
  const bytes = variable.diffBytes + splice.insert.length
  return bytes > variable.snapshotBytes / 2 ? snapshot : { type: 'DIFF', name, version, splice }
}

/**
 * Appends for a variable, of which nothing may be under way; what waits for it goes on afterwards. Without
 * an answer it may or may not be in the log.
 */
export function append(
  state: StateActor,
  variable: Variable,
  record: Record,
  cx: Context,
  operation: { readonly done: (position: number) => void; readonly fail: Operation['fail'] },
): void {
  const current = inTerm(state)
  const body = { epoch: state.epoch, data: encodeRecord(state.epoch, record) }
  variable.inFlight = true
  cx.ask(state.writer, Append, body, { timeoutMs: APPEND_TIMEOUT_MS }, (outcome) => {
    if (!current() || !outcome.ok) {
      const error = outcome.ok
        ? failure('LOG_NOT_WRITER', {
            log: state.writer,
            epoch: body.epoch,
            reason: 'it was closed',
          })
        : failureOf(outcome.error)
      if (current()) close(state, error, cx)
      operation.fail(error)
      return
    }
    variable.inFlight = false
    state.heardMs = cx.monotonic()
    const { position } = outcome.value
    state.chosen = Math.max(state.chosen, position)
    operation.done(position)
    const { waiting } = variable
    variable.waiting = []
    for (const { run } of waiting) run()
  })
}
