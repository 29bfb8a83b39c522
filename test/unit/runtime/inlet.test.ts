import { Inlet } from '../../../src/runtime/inlet.ts'
import { systemClock } from '../../../src/runtime/ports/index.ts'
import type { Delivery } from '../../../src/runtime/ports.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('inlet')

const frame = (name: string, bytes = 1): Delivery => ({
  subject: name,
  data: new Uint8Array(bytes),
  noResponders: false,
})

/** An inlet where each frame takes so many milliseconds, and what was decoded of it. */
function inletOf(frameMs: number) {
  let nowMs = 0
  const decoded: string[] = []
  const scheduled = { count: 0 }
  const inlet = new Inlet({
    clock: { ...systemClock, monotonic: () => nowMs },
    decode({ subject }) {
      nowMs += frameMs
      decoded.push(subject)
    },
    schedule() {
      scheduled.count++
    },
  })
  return { inlet, decoded, scheduled }
}

test('what is decoded quickly is decoded at once', () => {
  const { inlet, decoded, scheduled } = inletOf(0)
  for (let n = 0; n < 1000; n++) inlet.receive(frame(`f${n}`))
  assert.is(decoded.length, 1000)
  assert.is(inlet.isBehind, false)
  assert.is(scheduled.count, 0)
})

test('after some milliseconds the rest waits for the next rounds, in order', () => {
  const { inlet, decoded, scheduled } = inletOf(0.5)
  const names = Array.from({ length: 10 }, (_, n) => `f${n}`)
  for (const name of names) inlet.receive(frame(name))
  assert.equal(decoded, names.slice(0, 4))
  assert.ok(inlet.isBehind && scheduled.count > 0)
  assert.is(inlet.round(), true)
  assert.equal(decoded, names.slice(0, 8))
  // It stands behind those that wait.
  inlet.receive(frame('late'))
  assert.is(inlet.round(), false)
  assert.equal(decoded, [...names, 'late'])
  assert.is(inlet.isBehind, false)
})

test('no more waits than is allowed, and nothing after the end', () => {
  const { inlet, decoded } = inletOf(10)
  inlet.receive(frame('first'))
  for (let n = 0; n < 5; n++) inlet.receive(frame(`f${n}`, 16 * 1024 * 1024))
  assert.equal(decoded, ['first', 'f0'])
  inlet.close()
  assert.is(inlet.round(), false)
  assert.equal(decoded, ['first', 'f0'])
})

test.run()
