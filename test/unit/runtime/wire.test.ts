import fc from 'fast-check'
import { Assemblies } from '../../../src/runtime/assemblies.ts'
import { exactPid, pid } from '../../../src/runtime/pid.ts'
import {
  decodeFrame,
  EnvelopeReader,
  encodeEnvelope,
  encodeFrame,
  encodePieces,
  type Header,
  KIND_ENVELOPES,
  KIND_PIECE,
  readPiece,
} from '../../../src/runtime/wire.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('wire')
const header: Header = {
  node: 'a',
  incarnation: 'i1',
  toIncarnation: 'i2',
  stream: 0,
  sequence: 1,
  seen: 0,
  kind: KIND_ENVELOPES,
}
const readEnvelope = (value: unknown, from: Header) => new EnvelopeReader(from).read(value)
const sender = exactPid('x', 'a', 'i1', 3)

test('a frame arrives as it was sent', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 5 }), (bodies) => {
      // The decoder renames such a field, which is as good as a refusal.
      fc.pre(!JSON.stringify(bodies).includes('__proto__'))
      const to = exactPid('y', 'b', 'i2', 4)
      const bytes = bodies.map((body) => encodeEnvelope('M', sender, to, 7, { body }, 'i2'))
      const frame = decodeFrame(encodeFrame(header, bytes))
      assert.equal(frame.header, header)
      const read = frame.values.map((value) => readEnvelope(value, frame.header))
      const expected = bodies.map((body) => ({
        type: 'M',
        from: sender,
        toIncarnation: 'i2',
        toSerial: 4,
        ask: 7,
        body: JSON.parse(JSON.stringify({ body })),
      }))
      assert.equal(JSON.parse(JSON.stringify(read)), expected)
    }),
  )
})

test('an exact receiver keeps its incarnation, whichever the sender takes for the present one', () => {
  for (const known of ['', 'other', 'i9']) {
    const bytes = encodeEnvelope('M', sender, exactPid('y', 'b', 'i9', 4), 0, {}, known)
    const one = { ...header, toIncarnation: known }
    const { values } = decodeFrame(encodeFrame(one, [bytes]))
    const { toIncarnation, toSerial } = readEnvelope(values[0], one)
    assert.equal({ toIncarnation, toSerial }, { toIncarnation: 'i9', toSerial: 4 })
  }
  const byName = encodeEnvelope('M', sender, pid('y', 'b'), 0, {}, 'i2')
  const { values } = decodeFrame(encodeFrame(header, [byName]))
  assert.is(readEnvelope(values[0], header).toSerial, 0)
})

test('arbitrary bytes are refused with an error, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.throws(() => decodeFrame(bytes))
    }),
    { numRuns: 500 },
  )
})

test('a frame that was changed anywhere is refused', () => {
  const bytes = encodeFrame(header, [
    encodeEnvelope('M', sender, pid('y', 'b'), 1, { list: [1, 'two', { three: 3 }] }, ''),
  ])
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (index, value) => {
      fc.pre(bytes[index] !== value)
      const changed = new Uint8Array(bytes)
      changed[index] = value
      assert.throws(
        () => decodeFrame(changed),
        (error: Error) => !(error instanceof RangeError),
      )
    }),
    { numRuns: 2000 },
  )
})

test('names that would not make a pid are refused', () => {
  const envelope = (id: unknown, serial: unknown) => ['M', id, serial, 0, 0, {}]
  for (const id of ['', 'a b', 'a@b', 'a.b', 7, null])
    assert.throws(() => readEnvelope(envelope(id, 1), header), /malformed/)
  for (const serial of [-1, 1.5, 'x', 2 ** 60])
    assert.throws(() => readEnvelope(envelope('a', serial), header), /malformed/)
  for (const node of ['', 'a.b', 'a*'])
    assert.throws(() => decodeFrame(encodeFrame({ ...header, node }, [])), /malformed header/)
})

test('a frame in pieces is put together again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000 }), (size) => {
      const assemblies = new Assemblies()
      const body = { data: new Uint8Array(size).fill(7) }
      const envelope = encodeEnvelope('M', sender, pid('y', 'b'), 0, body, '')
      const pieces = encodePieces(() => ({ ...header, kind: KIND_PIECE }), [envelope], 4096)
      let whole: unknown[] | undefined
      for (const piece of pieces) {
        assert.ok(piece.length <= 4096)
        assert.is(whole, undefined)
        const { values } = decodeFrame(piece)
        whole = assemblies.add('a', readPiece(values[0]))
      }
      assert.equal(readEnvelope(whole?.[0], header).body, body)
      assert.is(assemblies.bytes, 0)
    }),
  )
})

test('the rest of a frame whose beginning was lost is ignored, and unfinished frames are bounded', () => {
  const assemblies = new Assemblies()
  const piece = (count: number, index: number, size: number) => ({
    count,
    index,
    bytes: new Uint8Array(size),
  })
  assert.is(assemblies.add('a', piece(3, 1, 10)), undefined)
  assemblies.add('a', piece(3, 0, 10))
  assert.throws(() => assemblies.add('a', piece(3, 2, 10)), /out of order/)
  assert.is(assemblies.bytes, 0)
  const huge = 33 * 1024 * 1024
  assemblies.add('a', piece(3, 0, huge))
  assert.throws(() => assemblies.add('a', piece(3, 1, huge)), /too large/)
  assert.is(assemblies.bytes, 0)
})

test.run()
