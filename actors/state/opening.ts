/** How a state comes to write: it is elected, and learns the variables from the log. */
import { type Failure, failure } from '../../protocol/errors.ts'
import { Elect, Positions, Read } from '../../protocol/log.ts'
import type { AskError, Context } from '../../src/runtime/index.ts'
import { applySplice, decodeRecord } from './records.ts'
import {
  close,
  enqueue,
  inTerm,
  newVariable,
  type Operation,
  type StateActor,
  type Variable,
} from './state.ts'

/** The log may have to be completed first. */
const ELECT_TIMEOUT_MS = 60_000
const READ_TIMEOUT_MS = 30_000
/** Elections before a request is refused, and the longest pause between two. */
const ELECTIONS_MAX = 10
const PAUSE_MS = 200

/** Runs the request once the state is open. */
export function whenOpen(state: StateActor, operation: Operation, cx: Context): void {
  if (state.phase === 'open') operation.run()
  else if (enqueue(state, state.queue, operation) && state.phase === 'idle') {
    state.phase = 'opening'
    state.term++
    elect(state, 1, cx)
  }
}

function elect(state: StateActor, attempt: number, cx: Context): void {
  const current = inTerm(state)
  cx.ask(state.writer, Elect, {}, { timeoutMs: ELECT_TIMEOUT_MS }, (outcome) => {
    if (!current()) return
    if (outcome.ok) {
      const { epoch, position } = outcome.value
      state.epoch = epoch
      state.chosen = position
      state.heardMs = cx.monotonic()
      load(state, cx)
    } else if (attempt < ELECTIONS_MAX) {
      const pauseMs = cx.random.next() * PAUSE_MS
      cx.after('elect', pauseMs, () => {
        if (current()) elect(state, attempt + 1, cx)
      })
    } else close(state, failureOf(outcome.error), cx)
  })
}

function load(state: StateActor, cx: Context): void {
  const current = inTerm(state)
  cx.ask(state.replica, Positions, {}, {}, (outcome) => {
    if (!current()) return
    if (!outcome.ok) return close(state, failureOf(outcome.error), cx)
    state.begin = outcome.value.begin
    state.readEpoch = 0
    readOn(state, state.begin, cx)
  })
}

function readOn(state: StateActor, from: number, cx: Context): void {
  if (from > state.chosen) {
    opened(state)
    return
  }
  const current = inTerm(state)
  const range = { from, to: state.chosen }
  cx.ask(state.replica, Read, range, { timeoutMs: READ_TIMEOUT_MS }, (outcome) => {
    if (!current()) return
    if (!outcome.ok) return close(state, failureOf(outcome.error), cx)
    const { entries, next } = outcome.value
    for (const { position, data } of entries) {
      const problem = take(state, position, data)
      if (problem === undefined) continue
      const reason = `what stands there is no change of a variable: ${problem}`
      close(state, failure('LOG_POSITION', { log: state.writer, position, reason }), cx)
      return
    }
    readOn(state, next, cx)
  })
}

function opened(state: StateActor): void {
  state.phase = 'open'
  const { queue } = state
  state.queue = []
  for (const { run } of queue) run()
}

/** Takes one entry of the log in; returns what is wrong with it. */
function take(state: StateActor, position: number, data: Uint8Array): string | undefined {
  const decoded = decodeRecord(data)
  if (!decoded.ok) return decoded.error
  const { epoch, record } = decoded.value
  if (epoch < state.readEpoch) return undefined
  state.readEpoch = epoch
  const { variables, values } = state
  const { name } = record
  switch (record.type) {
    case 'EXPUNGE':
      variables.delete(name)
      values.delete(name)
      return undefined
    case 'SNAPSHOT': {
      variables.delete(name)
      const variable: Variable = { ...newVariable(), version: record.version, waiting: [] }
      variable.positions = [position]
      variable.snapshotBytes = record.value.length
      variables.set(name, variable)
      // A copy: what was read is a view into a much larger part of the log.
      values.set(name, record.value.slice())
      return undefined
    }
    case 'DIFF': {
      const variable = variables.get(name)
      // A difference follows its snapshot, and both are truncated together.
      if (variable === undefined) return `there is nothing before the change of ${name}`
      variable.version = record.version
      variable.positions.push(position)
      variable.diffs++
      variable.diffBytes += record.splice.insert.length
      const before = values.get(name)
      const after = before === undefined ? undefined : applySplice(before, record.splice)
      if (after === undefined) values.delete(name)
      else values.set(name, after)
      return undefined
    }
  }
}

/** What the log says is said on. */
export function failureOf({ code, message, details }: AskError): Failure {
  return { code, message, details } as Failure
}
