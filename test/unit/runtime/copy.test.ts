import fc from 'fast-check'
import { decode, encode } from '../../../protocol/codec.ts'
import { copy } from '../../../src/runtime/copy.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('copy')
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.option(tie('value'), { nil: undefined })),
  ),
})).value

test('a copy is what would arrive over the wire', () => {
  fc.assert(
    fc.property(plain, (value) => {
      const decoded = decode(encode({ value }))
      assert.ok(decoded.ok)
      assert.equal(copy({ value }), decoded.value.value)
    }),
  )
})

test('a copy shares nothing that can be changed', () => {
  const original = { list: [{ n: 1 }], bytes: new Uint8Array([1, 2]) }
  const copied = copy(original)
  original.list[0]!.n = 9
  original.bytes[0] = 9
  assert.equal(copied, { list: [{ n: 1 }], bytes: new Uint8Array([1, 2]) })
  const frozen = Object.freeze({ n: 1 })
  assert.is(copy({ frozen }).frozen, frozen)
})

test('what cannot travel is refused by name', () => {
  assert.throws(() => copy({ run: () => 1 }), /a function cannot be sent/)
  assert.throws(() => copy({ when: new Date(0) }), /an instance of Date cannot be sent/)
  let deep: unknown = 1
  for (let i = 0; i < 100; i++) deep = [deep]
  assert.throws(() => copy(deep), /nest/)
})

test('a field called __proto__ does not become the prototype', () => {
  const hostile = JSON.parse('{"__proto__": {"polluted": true}, "n": 1}')
  const copied = copy(hostile)
  assert.is(copied.polluted, undefined)
  assert.is(Object.getPrototypeOf(copied), Object.prototype)
})

test.run()
