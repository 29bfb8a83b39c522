/** The codec takes whatever the network brings. design.md §4, §6. */
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import {
  callLimits,
  type Decoded,
  decode,
  decodeLimits,
  encode,
  unpack,
} from '../../../protocol/codec.ts'
import type { Result } from '../../../protocol/result.ts'
import { concat, encodeFields, field, joinFields, joinItems } from '../../../protocol/splice.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('protocol codec')

/** Plain data as messages hold it. `__proto__` is no field that any document has. */
const key = fc.string({ maxLength: 20 }).filter((name) => name !== '__proto__')
const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  // -0 becomes 0, which no document tells apart.
  fc.double({ noNaN: true }).map((number) => number + 0),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
)
const tree = (leaves: fc.Arbitrary<unknown>) =>
  fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaves,
      fc.array(tie('node'), { maxLength: 40 }),
      fc.dictionary(key, tie('node'), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).node
const record = (leaves: fc.Arbitrary<unknown>) =>
  fc.dictionary(key, tree(leaves), { maxKeys: 40, noNullPrototype: true })
const bytesLeaf = fc.oneof(leaf, fc.uint8Array({ maxLength: 300 }))

function contentOf(result: Result<Decoded>): unknown {
  if (!result.ok) throw new Error(`refused: ${result.error}`)
  return result.value.value
}

function errorOf(bytes: Uint8Array, limits = decodeLimits): string {
  const result = decode(bytes, limits)
  if (result.ok) throw new Error(`accepted: ${JSON.stringify(result.value.value)}`)
  return result.error
}

test('what was encoded in MessagePack decodes to the same value', () => {
  fc.assert(
    fc.property(record(bytesLeaf), (value) => {
      const result = decode(encode(value))
      assert.is(result.ok && result.value.format, 'msgpack')
      assert.equal(contentOf(result), value)
    }),
  )
})

test('what was encoded in JSON decodes to the same value and is known as JSON', () => {
  const finite = leaf.filter((value) => typeof value !== 'number' || Number.isFinite(value))
  fc.assert(
    fc.property(record(finite), (value) => {
      const result = decode(encode(value, 'json'))
      assert.is(result.ok && result.value.format, 'json')
      assert.equal(contentOf(result), value)
    }),
  )
})

test('random bytes are answered with a value or a sentence, never with a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const result = decode(bytes)
      if (!result.ok) assert.ok(result.error.length > 0)
    }),
    { numRuns: 5000 },
  )
})

test('bytes that begin like maps, arrays and strings of any claimed length never throw', () => {
  const heads = fc.constantFrom(0x8f, 0x9f, 0xc4, 0xc6, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf)
  fc.assert(
    fc.property(fc.array(fc.tuple(heads, fc.uint8Array({ maxLength: 9 }))), (parts) => {
      decode(concat(parts.map(([head, tail]) => Uint8Array.of(head, ...tail))))
    }),
    { numRuns: 5000 },
  )
})

test('a payload cut off anywhere is refused', () => {
  fc.assert(
    fc.property(record(bytesLeaf), fc.double({ min: 0, max: 0.9999, noNaN: true }), (value, at) => {
      const whole = encode(value)
      const error = errorOf(whole.subarray(0, Math.floor(whole.length * at)))
      assert.match(error, /cut off|empty/)
    }),
  )
})

test('bytes after the value are refused', () => {
  assert.is(errorOf(concat([encode({ a: 1 }), Uint8Array.of(1)])), '1 bytes follow the value')
})

test('nesting is taken up to the limit and refused beyond it, in both formats', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })
  for (const format of ['msgpack', 'json'] as const) {
    assert.ok(decode(encode(nested(64), format)).ok)
    assert.is(errorOf(encode(nested(65), format)), 'it is nested more than 64 deep')
  }
})

test('a million opening brackets neither overflow the stack nor get through', () => {
  const million = 1_000_000
  assert.match(errorOf(new Uint8Array(million).fill(0x91)), /nested/)
  const json = new Uint8Array(million).fill(0x5b)
  json[0] = 0x7b
  assert.match(errorOf(json), /nested/)
})

test('brackets within JSON strings do not count as nesting', () => {
  const text = { a: '[{"\\'.repeat(100) }
  assert.equal(contentOf(decode(encode(text, 'json'))), text)
})

test('a claimed length that the payload does not hold is refused before anything is allocated', () => {
  for (const head of [0xc6, 0xdb, 0xdd, 0xdf]) {
    assert.match(errorOf(Uint8Array.of(head, 0xff, 0xff, 0xff, 0xff, 0)), /cut off/)
  }
})

test('extension types are refused, also those that msgpackr knows', () => {
  const date = new Packr({ useRecords: false }).pack({ when: new Date(0) })
  assert.match(errorOf(date), /extension type at byte 8/)
  for (const head of [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
    assert.match(errorOf(Uint8Array.of(head, ...new Uint8Array(20))), /extension type at byte 0/)
  }
  assert.is(errorOf(Uint8Array.of(0xc1)), '0xc1 at byte 0 is no MessagePack')
})

test('map keys must be strings', () => {
  assert.is(errorOf(Uint8Array.of(0x82, 0xa1, 0x61, 1, 2, 3)), 'the map key at byte 4 is no string')
})

test('limits on bytes and on values are kept', () => {
  const limits = { ...decodeLimits, bytesMax: 100, valuesMax: 10 }
  assert.is(
    errorOf(new Uint8Array(101), limits),
    'the payload has 101 bytes, at most 100 are taken',
  )
  for (const format of ['msgpack', 'json'] as const) {
    const many = encode({ a: Array.from({ length: 12 }, () => 1) }, format)
    assert.is(errorOf(many, limits), 'it holds more than 10 values')
  }
})

test('a call may hold thousands of tasks but not a million empty maps', () => {
  const task = {
    name: 't',
    task_id: { value: 't' },
    agent_id: { value: 'a' },
    command: { value: 'x' },
  }
  assert.ok(decode(encode({ tasks: Array.from({ length: 5000 }, () => task) }), callLimits).ok)
  const maps = concat([Uint8Array.of(0xdd, 0, 15, 66, 64), new Uint8Array(1_000_000).fill(0x80)])
  assert.ok(decode(maps).ok)
  assert.match(errorOf(maps, callLimits), /more than 262144 values/)
})

test('text that is no JSON, or no UTF-8, is refused with a sentence', () => {
  assert.match(errorOf(Buffer.from('{"a":}')), /the payload is no valid json/)
  assert.match(errorOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), /the payload is no valid json/)
})

test('64-bit integers become numbers where a double holds them, and BigInts otherwise', () => {
  const packed = (value: bigint) => new Packr({ useRecords: false }).pack({ value })
  const read = (value: bigint) => (contentOf(decode(packed(value))) as { value: unknown }).value
  assert.is(read(1_700_000_000_000_000_000n), 1_700_000_000_000_000_000n)
  assert.is(read(9_007_199_254_740_991n), 9_007_199_254_740_991)
  assert.is(read(-5_000_000_000n), -5_000_000_000)
})

test('undefined fields are left out, in both formats', () => {
  const value = { a: undefined, b: [undefined], c: { d: undefined } }
  for (const format of ['msgpack', 'json'] as const) {
    assert.equal(contentOf(decode(encode(value, format))), { b: [null], c: {} })
  }
})

test('decoded bytes are copies of their own, as Uint8Array, also from a Buffer', () => {
  const frame = Buffer.from(encode({ data: Uint8Array.of(1, 2, 3) }))
  const { data } = contentOf(decode(frame)) as { data: Uint8Array }
  assert.is(data.constructor, Uint8Array)
  frame.fill(0)
  assert.equal([...data], [1, 2, 3])
  assert.is((unpack(Buffer.from(encode(Uint8Array.of(1)))) as object).constructor, Uint8Array)
})

test('encoded buffers are never overwritten by later ones', () => {
  const first = encode({ n: 1 })
  const copy = Uint8Array.from(first)
  for (let n = 0; n < 2000; n++) encode({ n, text: 'x'.repeat(100) })
  assert.equal(Uint8Array.from(first), copy)
})

test('a map spliced from encoded parts decodes like the whole map', () => {
  fc.assert(
    fc.property(record(bytesLeaf), record(bytesLeaf), (first, second) => {
      for (const name of Object.keys(first)) delete second[name]
      const spliced = joinFields(encodeFields(first), encodeFields(second))
      const whole = encode({ ...first, ...second })
      assert.equal(contentOf(decode(spliced)), contentOf(decode(whole)))
    }),
  )
})

test('encoded values are spliced as fields and as items of arrays of any length', () => {
  for (const length of [0, 1, 15, 16, 70_000]) {
    const items = Array.from({ length }, (_, index) => encode({ index }))
    const event = joinFields(encodeFields({ type: 'OFFERS' }), field('offers', joinItems(items)))
    const decoded = contentOf(decode(event)) as { type: string; offers: { index: number }[] }
    assert.is(decoded.offers.length, length)
    assert.is(decoded.offers.at(-1)?.index, length === 0 ? undefined : length - 1)
  }
})

test('a map of many spliced fields has the right header', () => {
  for (const count of [15, 16, 70_000]) {
    const parts = Array.from({ length: count }, (_, index) =>
      encodeFields({ [`k${index}`]: index }),
    )
    assert.is(Object.keys(contentOf(decode(joinFields(...parts))) as object).length, count)
  }
})

test('only plain objects can be pre-encoded as fields', () => {
  assert.throws(() => encodeFields([1]), /plain object/)
})

test.run()
