/** Bytes that are kept for long. */
import { Slab } from '../../../actors/master/slab.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('master: slab')
const filled = (length: number, value: number) => new Uint8Array(length).fill(value)

test('what is kept is what was given, whatever becomes of that', () => {
  const slab = new Slab()
  const given = Array.from({ length: 500 }, (_, i) => filled(1 + (i % 300), i % 251))
  const kept = given.map((bytes) => slab.keep(bytes))
  for (const bytes of given) bytes.fill(255)
  kept.forEach((bytes, i) => {
    assert.equal(bytes, filled(1 + (i % 300), i % 251))
  })
})

test('small ones share a buffer, and no buffer is larger than what one survivor may keep', () => {
  const slab = new Slab()
  const kept = Array.from({ length: 1000 }, () => slab.keep(filled(100, 1)))
  const buffers = new Set(kept.map(({ buffer }) => buffer))
  assert.ok(buffers.size < 10)
  for (const { byteLength } of buffers) assert.ok(byteLength <= 16 * 1024)
})

test('a large one has a buffer of its own size', () => {
  const kept = new Slab().keep(filled(100_000, 7))
  assert.is(kept.buffer.byteLength, 100_000)
  assert.equal(kept, filled(100_000, 7))
})

test.run()
