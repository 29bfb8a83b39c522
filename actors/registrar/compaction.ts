/**
 * Keeps the log of the registry in proportion to the registry: when most of what is in it has been
 * overwritten, all records are written again, part by part beside other changes, and everything before the
 * first part is truncated. A leader that is lost meanwhile leaves a longer log and nothing worse.
 */
import { Append, Truncate } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { countRecords, encodeEntry, keysOf } from './records.ts'
import type { Change, Kind } from './registry.ts'
import { APPEND_TIMEOUT_MS, type RegistrarState } from './state.ts'

/** Records in one entry; small enough that others need not wait long. */
const PART = 200
/** Below this number of records the log is left alone. */
const WRITTEN_MIN = 2_000
/** So many records in the log for one that counts. */
const RATIO = 3

/** Begins to shorten the log if that is worth it. */
export function shorten(state: RegistrarState, cx: Context): void {
  if (state.shortening || state.written < WRITTEN_MIN) return
  if (state.written < RATIO * countRecords(state.contents)) return
  state.shortening = true
  rewrite(state, keysOf(state.contents), 0, undefined, cx)
}

/**
 * Writes the records again from the `at`th on. Whatever is changed after the first part has been handed to
 * the writer stands behind it in the log.
 * @param first position of the first part, once it is known
 */
function rewrite(
  state: RegistrarState,
  keys: ReadonlyArray<readonly [Kind, string]>,
  at: number,
  first: number | undefined,
  cx: Context,
): void {
  const { contents, writer } = state
  const { epoch } = contents
  const options = { timeoutMs: APPEND_TIMEOUT_MS }
  const changes = keys.slice(at, at + PART).flatMap(([kind, id]): Change[] => {
    const value = contents[kind].get(id)
    return value === undefined ? [] : [{ kind, id, value }]
  })
  const body = { epoch, data: encodeEntry(epoch, changes) }
  cx.ask(writer, Append, body, options, (outcome) => {
    if (!outcome.ok) throw new Error(`the registry is not rewritten: ${outcome.error.message}`)
    const to = first ?? outcome.value.position
    if (at + PART < keys.length) {
      rewrite(state, keys, at + PART, to, cx)
      return
    }
    cx.ask(writer, Truncate, { epoch, to }, options, (truncated) => {
      if (!truncated.ok) throw new Error(`the log is not shortened: ${truncated.error.message}`)
      state.shortening = false
      // About: what others wrote meanwhile counts too.
      state.written = keys.length
      cx.log('info', 'the log of the registry is shortened', { to, records: keys.length })
    })
  })
}
