/**
 * Keeps the log in proportion to the variables: when most of what is in it has been overwritten, the
 * variable whose snapshot is oldest is written again, one with each change, and what is before the oldest
 * of the others is truncated.
 */
import { Truncate } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { APPEND_TIMEOUT_MS, append, stands } from './changing.ts'
import { readValue } from './reading.ts'
import { inTerm, type StateActor, type Variable } from './state.ts'

/** Positions in the log below which it is left alone, and for each variable. */
const LENGTH_MIN = 1_000
const LENGTH_RATIO = 4
/** Positions that are truncated at once. */
const TRUNCATE_MIN = 256

/** Makes one step, if it is worth it and none is under way. */
export function shorten(state: StateActor, cx: Context): void {
  if (state.shortening || state.phase !== 'open') return
  const length = state.chosen - state.begin + 1
  if (length < Math.max(LENGTH_MIN, LENGTH_RATIO * state.variables.size)) return
  const oldest = oldestOf(state)
  const free = (oldest?.[1].positions[0] ?? state.chosen + 1) - state.begin
  if (free >= TRUNCATE_MIN) truncate(state, state.begin + free, cx)
  else if (oldest !== undefined && !oldest[1].inFlight) rewrite(state, ...oldest, cx)
}

/** One that is being written for the first time stands behind all others. */
function oldestOf({ variables }: StateActor): [string, Variable] | undefined {
  for (const entry of variables) if (entry[1].positions.length > 0) return entry
  return undefined
}

function truncate(state: StateActor, to: number, cx: Context): void {
  const current = inTerm(state)
  state.shortening = true
  const body = { epoch: state.epoch, to }
  cx.ask(state.writer, Truncate, body, { timeoutMs: APPEND_TIMEOUT_MS }, (outcome) => {
    if (!current()) return
    state.shortening = false
    if (outcome.ok) state.begin = to
    // Otherwise the next change is refused too, and closes the state.
  })
}

function rewrite(state: StateActor, name: string, variable: Variable, cx: Context): void {
  const current = inTerm(state)
  const { version, positions } = variable
  state.shortening = true
  const end = () => {
    if (current()) state.shortening = false
  }
  readValue(state, name, positions, cx, {
    done(value) {
      // Whoever changed it meanwhile has made another the oldest, or will.
      if (!current() || variable.inFlight || variable.version !== version) return end()
      Object.assign(variable, { diffs: 0, diffBytes: 0, snapshotBytes: value.length })
      append(state, variable, { type: 'SNAPSHOT', name, version, value }, cx, {
        done(position) {
          stands(state, name, variable, position)
          end()
        },
        fail: end,
      })
    },
    fail: end,
  })
}
