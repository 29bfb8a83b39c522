/** Declared messages, the JSON mapping and the catalogue of errors. style.md §3, §5. */
import fc from 'fast-check'
import Type from 'typebox'
import { decode, encode } from '../../../protocol/codec.ts'
import {
  advice,
  type ErrorCode,
  errorReply,
  errors,
  failure,
  MesetaError,
} from '../../../protocol/errors.ts'
import { fromJson, toJson } from '../../../protocol/json.ts'
import { document, message } from '../../../protocol/message.ts'
import { Bytes, Double, mapOf, Uint32, Uint64 } from '../../../protocol/schema.ts'
import { ContainerId, TaskStatus } from '../../../protocol/v1/index.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('protocol messages')

const Register = message(
  'REGISTER',
  'For this test.',
  Type.Object({
    agent_info: Type.Object({ hostname: Type.String(), port: Type.Optional(Uint32) }),
    tags: Type.Array(Type.Object({ kind: Type.Enum(['A', 'B']) })),
    data: Type.Optional(Bytes),
    limits: Type.Optional(mapOf(Double)),
  }),
  Type.Object({ ok: Type.Boolean() }),
)
const good = { agent_info: { hostname: 'h' }, tags: [{ kind: 'A' }] }

test('a good message passes, with and without fields that nobody declared', () => {
  assert.is(Register.check(good), undefined)
  assert.is(Register.check({ ...good, new: 1, agent_info: { hostname: 'h', x: {} } }), undefined)
})

test('a refusal names the place and what must stand there', () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [{ ...good, agent_info: { hostname: 1 } }, 'REGISTER.agent_info.hostname: must be string'],
    [{ ...good, agent_info: {} }, 'REGISTER.agent_info.hostname: is missing'],
    [{ ...good, agent_info: [] }, 'REGISTER.agent_info: must be object'],
    [{ agent_info: good.agent_info }, 'REGISTER.tags: is missing'],
    [
      { ...good, tags: [{ kind: 'A' }, { kind: 'C' }] },
      'REGISTER.tags.1.kind: must be one of A, B',
    ],
    [
      { ...good, agent_info: { hostname: 'h', port: -1 } },
      'REGISTER.agent_info.port: must be >= 0',
    ],
    [
      { ...good, data: 'AA' },
      'REGISTER.data: must be bytes (binary in MessagePack, Base64 text in JSON)',
    ],
    [{ ...good, limits: { 'a/b~': 'x' } }, 'REGISTER.limits.a/b~: must be number'],
    [{ ...good, limits: { 'a\nb': 'x' } }, 'REGISTER.limits.a\nb: must be number'],
    [null, 'REGISTER: must be object'],
  ]
  for (const [value, sentence] of cases) assert.is(Register.check(value), sentence)
})

test('numbers that are not finite, not whole or not safe are refused where they may not be', () => {
  const Numbers = document('N', Type.Object({ d: Double, u: Uint64 }))
  assert.is(Numbers.check({ d: 1.5, u: Number.MAX_SAFE_INTEGER }), undefined)
  for (const d of [Number.NaN, Number.POSITIVE_INFINITY, '1', 1n]) {
    assert.match(Numbers.check({ d, u: 0 }) ?? '', /^N\.d: must be number/)
  }
  for (const u of [-1, 0.5, 2 ** 53, 1n]) assert.match(Numbers.check({ d: 0, u }) ?? '', /^N\.u: /)
})

test('a name that a stranger chose does not make the sentence long', () => {
  const sentence = Register.check({ ...good, limits: { ['x'.repeat(100_000)]: 'y' } }) ?? ''
  assert.ok(sentence.length < 400 && sentence.startsWith('REGISTER.limits.xxx'))
})

test('a document may contain itself', () => {
  const Container = document('C', ContainerId)
  const nested = (value: unknown) => ({ value: 'a', parent: { value: 'b', parent: { value } } })
  assert.is(Container.check(nested('c')), undefined)
  assert.is(Container.check(nested(1)), 'C.parent.parent.value: must be string')
  assert.equal(fromJson(ContainerId, { ...nested('c'), x: 1 }), nested('c'))
})

test('declarations are frozen and carry their parts', () => {
  assert.ok(Object.isFrozen(Register))
  assert.is(Register.name, 'REGISTER')
  assert.is(Register.doc, 'For this test.')
  assert.ok(Register.reply)
})

// --- JSON mapping (scheduler-api.md §1.1) ---

const Mapped = Type.Object({
  data: Type.Optional(Bytes),
  count: Type.Optional(Uint32),
  on: Type.Optional(Type.Boolean()),
  names: Type.Optional(Type.Array(Type.String())),
  color: Type.Optional(Type.Enum(['RED', 'BLUE'])),
  kinds: Type.Optional(Type.Array(Type.Enum(['RED', 'BLUE']))),
  inner: Type.Optional(Type.Object({ needed: Type.Enum(['RED', 'BLUE']) })),
  sizes: Type.Optional(mapOf(Uint32)),
  free: Type.Optional(Type.Object({}, { additionalProperties: true })),
})

test('what a JSON client may write is understood', () => {
  const cases: ReadonlyArray<readonly [unknown, unknown]> = [
    [{ data: 'AQID' }, { data: Uint8Array.of(1, 2, 3) }],
    [{ data: '' }, { data: new Uint8Array() }],
    [{ count: '12' }, { count: 12 }],
    [{ on: 'true' }, { on: true }],
    [{ on: 'false' }, { on: false }],
    [{ names: 'one' }, { names: ['one'] }],
    [{ count: null, names: ['a'] }, { names: ['a'] }],
    [{ color: 'GREEN' }, {}],
    [{ kinds: ['GREEN', 'RED'] }, { kinds: ['RED'] }],
    [{ sizes: { a: '1', b: 2 } }, { sizes: { a: 1, b: 2 } }],
    [{ unknown: { deep: 1 }, count: 1 }, { count: 1 }],
    [{ free: { any: [1] } }, { free: { any: [1] } }],
  ]
  for (const [written, understood] of cases) assert.equal(fromJson(Mapped, written), understood)
})

test('what cannot be understood is left for the check to name', () => {
  const check = document('M', Mapped).check
  const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
    [{ data: 'no base64!' }, /^M\.data: must be bytes/],
    [{ data: 'AQI' }, /^M\.data: must be bytes/],
    [{ count: 'twelve' }, /^M\.count: must be integer/],
    [{ count: '' }, /^M\.count: must be integer/],
    [{ on: 'yes' }, /^M\.on: must be boolean/],
    [{ inner: { needed: 'GREEN' } }, /^M\.inner\.needed: must be one of RED, BLUE/],
    [{ inner: 'text' }, /^M\.inner: must be object/],
    [{ inner: { needed: null } }, /^M\.inner\.needed: is missing/],
    [{ names: [null] }, /^M\.names\.0: must be string/],
    [{ color: 3 }, /^M\.color: must be one of/],
  ]
  for (const [written, sentence] of cases) {
    assert.match(check(fromJson(Mapped, written)) ?? 'accepted', sentence)
  }
})

test('a value that needs no change is returned itself, and the input is never changed', () => {
  const fine = { data: Uint8Array.of(1), names: ['a'], inner: { needed: 'RED' } }
  assert.is(fromJson(Mapped, fine), fine)
  const odd = { count: '1', names: ['a'], inner: { needed: 'RED', extra: 1 } }
  const before = structuredClone(odd)
  fromJson(Mapped, odd)
  assert.equal(odd, before)
})

test('a field called __proto__ does not change the prototype', () => {
  const evil = JSON.parse('{"count":"1","__proto__":{"on":true},"sizes":{"__proto__":"1","a":"1"}}')
  const clean = fromJson(Mapped, evil) as Record<string, unknown>
  assert.equal(clean, { count: 1, sizes: { a: 1 } })
  assert.is(Object.getPrototypeOf(clean), Object.prototype)
})

test('normalising never throws and is done after one pass', () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 4 }), (value) => {
      const once = fromJson(Mapped, value)
      assert.equal(fromJson(Mapped, once), once)
    }),
  )
})

test('a status goes through JSON and comes back with its bytes', () => {
  const status = {
    task_id: { value: 't' },
    state: 'TASK_RUNNING',
    uuid: Uint8Array.from({ length: 16 }, (_, index) => index * 16),
    data: Buffer.from('hello'),
  }
  const text = new TextDecoder().decode(encode(status, 'json'))
  assert.is(JSON.parse(text).uuid, 'ABAgMEBQYHCAkKCwwNDg8A==')
  const decoded = decode(encode(status, 'json'))
  assert.ok(decoded.ok)
  const back = fromJson(TaskStatus, decoded.value.value) as typeof status
  assert.equal(back, { ...status, data: new Uint8Array(status.data) })
})

test('numbers that JSON lacks are written as text', () => {
  assert.equal(toJson({ a: Number.POSITIVE_INFINITY, b: 2n ** 60n, c: [Number.NaN] }), {
    a: 'Infinity',
    b: '1152921504606846976',
    c: ['NaN'],
  })
})

// --- Errors ---

test('every error has a code, a message and advice, as sentences', () => {
  for (const [code, entry] of Object.entries(errors)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/)
    assert.match(entry.message, /[\w}.)]$/)
    assert.match(entry.advice, /\.$/)
  }
})

test('a failure tells its details in its message and keeps them as data', () => {
  const stale = failure('OFFER_STALE', { offer_id: 'O1', reason: 'it was rescinded' })
  assert.is(stale.message, 'The offer O1 is not valid (any more): it was rescinded.')
  assert.equal(errorReply(stale), {
    error: {
      code: 'OFFER_STALE',
      message: stale.message,
      details: { offer_id: 'O1', reason: 'it was rescinded' },
    },
  })
  assert.match(advice('UNSUPPORTED_CALL', { supported: ['A', 'B'] }), /A, B/)
  assert.is(advice('toString'), '')
})

test("a stranger's words do not make a message long, nor do they act as a template", () => {
  const long = failure('INVALID_MESSAGE', { problem: 'x'.repeat(10_000) })
  assert.ok(long.message.length < 600)
  assert.is(failure('INVALID_MESSAGE', { problem: '{problem} $&' }).message, '{problem} $&')
})

test('a thrown error carries code, details and cause', () => {
  const cause = new Error('disk')
  const error = new MesetaError('STORAGE_FAILED', { path: '/x', reason: 'full' }, { cause })
  assert.is(error.code satisfies ErrorCode, 'STORAGE_FAILED')
  assert.is(error.message, 'The storage at /x cannot be used: full.')
  assert.is(error.cause, cause)
  assert.equal(error.details, { path: '/x', reason: 'full' })
})

test.run()
