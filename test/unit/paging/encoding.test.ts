import fc from 'fast-check'
import { decode, encode, type Format } from '../../../protocol/codec.ts'
import { EncodedList, encodePiece, encodeSpliced, sizeOf } from '../../../src/paging/encoding.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('encoding of lists')

const name = fc.stringMatching(/^[a-z"é]{1,6}$/)
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(name, tie('value')),
  ),
})).value
const answer = fc.dictionary(name, value)

/** The same with its lists encoded. */
function spliced(whole: unknown, format: Format): unknown {
  if (Array.isArray(whole)) return new EncodedList(whole.map((item) => encodePiece(item, format)))
  if (typeof whole !== 'object' || whole === null || ArrayBuffer.isView(whole)) return whole
  return Object.fromEntries(
    Object.entries(whole).map(([key, each]) => [key, spliced(each, format)]),
  )
}

test('what is made of pieces says the same as what is encoded at once', () => {
  for (const format of ['json', 'msgpack'] as const) {
    fc.assert(
      fc.property(answer, (whole) => {
        const plain = JSON.parse(JSON.stringify(whole, (_, each) => each ?? null))
        const said = decode(encode(plain, format))
        assert.equal(decode(encodeSpliced(spliced(plain, format) as object, format)), said)
        assert.equal(decode(encodeSpliced(whole, format)), decode(encode(whole, format)))
      }),
    )
  }
})

test('the size of a piece is that on the wire', () => {
  fc.assert(
    fc.property(answer, (whole) => {
      for (const format of ['json', 'msgpack'] as const) {
        assert.is(sizeOf(encodePiece(whole, format)), encode(whole, format).length)
      }
    }),
  )
})

test.run()
