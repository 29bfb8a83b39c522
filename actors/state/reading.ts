/** Values: from memory, or read again from where they stand in the log. */
import { type Failure, failure } from '../../protocol/errors.ts'
import { Read } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { failureOf } from './opening.ts'
import { applySplice, decodeRecord } from './records.ts'
import type { StateActor } from './state.ts'

const READ_TIMEOUT_MS = 10_000

export interface Reader {
  readonly done: (value: Uint8Array) => void
  readonly fail: (error: Failure) => void
}

/** Reads the value that stands at these positions: a snapshot, and differences to it. */
export function readValue(
  state: StateActor,
  name: string,
  positions: readonly number[],
  cx: Context,
  { done, fail }: Reader,
): void {
  const known = state.values.get(name)
  if (known !== undefined) {
    done(known)
    return
  }
  const next = (at: number, value: Uint8Array): void => {
    const position = positions[at]
    if (position === undefined) {
      done(value)
      return
    }
    const range = { from: position, to: position }
    cx.ask(state.replica, Read, range, { timeoutMs: READ_TIMEOUT_MS }, (outcome) => {
      if (!outcome.ok) {
        fail(failureOf(outcome.error))
        return
      }
      const after = fold(value, outcome.value.entries[0]?.data)
      if (after !== undefined) next(at + 1, after)
      else {
        const reason = `the value of ${name} does not stand there`
        fail(failure('LOG_POSITION', { log: state.replica, position, reason }))
      }
    })
  }
  next(0, new Uint8Array(0))
}

function fold(value: Uint8Array, data: Uint8Array | undefined): Uint8Array | undefined {
  const decoded = data === undefined ? undefined : decodeRecord(data)
  if (decoded?.ok !== true) return undefined
  const { record } = decoded.value
  if (record.type === 'SNAPSHOT') return record.value
  return record.type === 'DIFF' ? applySplice(value, record.splice) : undefined
}
