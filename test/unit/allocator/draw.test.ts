/** Drawing lots in proportion to weights. Spec: allocator.md §4, "Random sorter". */
import fc from 'fast-check'
import { Urn } from '../../../actors/allocator/draw.ts'
import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator lots')

test('weights 1 to 5 come first in the proportions of the table', () => {
  const urn = new Urn(Float64Array.of(1, 2, 3, 4, 5))
  const random = stream(7)
  const first = [0, 0, 0, 0, 0]
  for (let i = 0; i < 10_000; i++) {
    first[urn.draw(random)]! += 1 / 10_000
    urn.refill()
  }
  for (const [i, expected] of [0.07, 0.13, 0.2, 0.27, 0.33].entries()) {
    assert.ok(Math.abs(first[i]! - expected) < 0.02, `${i}: ${first[i]}`)
  }
})

test('everybody is drawn once, and again after refilling', () => {
  const weights = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { maxLength: 40 })
  fc.assert(
    fc.property(weights, fc.integer(), (list, seed) => {
      const urn = new Urn(Float64Array.from(list))
      const random = stream(seed)
      for (let round = 0; round < 2; round++) {
        const drawn = list.map(() => urn.draw(random))
        assert.equal(
          [...drawn].sort((a, b) => a - b),
          [...list.keys()],
        )
        assert.is(urn.draw(random), -1)
        urn.refill()
      }
    }),
  )
})

test.run()
