/**
 * Variables in the log. A change is written as what has changed: the value as a whole (SNAPSHOT), or where
 * it differs from the one before (DIFF), so that a large value with small changes does not fill the log.
 */
import Type, { type Static } from 'typebox'
import { encode, unpack } from '../../protocol/codec.ts'
import { checker } from '../../protocol/message.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import { Bytes } from '../../protocol/schema.ts'

const size = Type.Integer({ minimum: 0 })

/** `at` bytes stay, `remove` bytes go, `insert` takes their place, the rest stays. */
const Splice = Type.Object({ at: size, remove: size, insert: Bytes })
export type Splice = Static<typeof Splice>

const Record = Type.Union([
  Type.Object({
    type: Type.Literal('SNAPSHOT'),
    name: Type.String(),
    version: Type.String(),
    value: Bytes,
  }),
  Type.Object({
    type: Type.Literal('DIFF'),
    name: Type.String(),
    version: Type.String(),
    splice: Splice,
  }),
  Type.Object({ type: Type.Literal('EXPUNGE'), name: Type.String() }),
])
export type Record = Static<typeof Record>

/**
 * What stands at a position. Who has been replaced may have begun to write behind the end that its successor
 * found; the next election may choose that after all, behind what the successor wrote. Nobody was told that
 * it was done, and what it rests on is over: an entry of a lower epoch than one before it is void.
 */
const Entry = Type.Object({ epoch: Type.Integer({ minimum: 1 }), record: Record })
export type Entry = Static<typeof Entry>

const check = checker('entry', Entry)

export function encodeRecord(epoch: number, record: Record): Uint8Array {
  return encode({ epoch, record } satisfies Entry)
}

/** An error is a sentence. */
export function decodeRecord(data: Uint8Array): Result<Entry> {
  try {
    const entry = unpack(data)
    const problem = check(entry)
    return problem === undefined ? ok(entry as Entry) : err(problem)
  } catch (error) {
    return err(`it cannot be read: ${(error as Error).message}`)
  }
}

/** The one place where two values differ, from the first differing byte to the last. */
export function difference(before: Uint8Array, after: Uint8Array): Splice {
  const shorter = Math.min(before.length, after.length)
  let at = 0
  while (at < shorter && before[at] === after[at]) at++
  let same = 0
  while (
    same < shorter - at &&
    before[before.length - 1 - same] === after[after.length - 1 - same]
  ) {
    same++
  }
  const insert = after.slice(at, after.length - same)
  return { at, remove: before.length - same - at, insert }
}

/** Undefined if the splice does not fit the value. */
export function applySplice(
  value: Uint8Array,
  { at, remove, insert }: Splice,
): Uint8Array | undefined {
  const rest = at + remove
  if (rest > value.length) return undefined
  const result = new Uint8Array(at + insert.length + value.length - rest)
  result.set(value.subarray(0, at))
  result.set(insert, at)
  result.set(value.subarray(rest), at + insert.length)
  return result
}
