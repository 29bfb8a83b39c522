import fc from 'fast-check'
import { Ring } from '../../../src/runtime/ring.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('ring')

test('it behaves like an array, whatever is done to it', () => {
  const operation = fc.oneof(
    fc.record({ type: fc.constant('push' as const), value: fc.integer() }),
    fc.record({ type: fc.constant('unshift' as const), value: fc.integer() }),
    fc.record({ type: fc.constant('shift' as const) }),
    fc.record({ type: fc.constant('take' as const), index: fc.nat(20) }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const ring = new Ring<number>()
      const model: number[] = []
      for (const one of operations) {
        switch (one.type) {
          case 'push':
            ring.push(one.value)
            model.push(one.value)
            break
          case 'unshift':
            ring.unshift(one.value)
            model.unshift(one.value)
            break
          case 'shift':
            assert.is(ring.shift(), model.shift())
            break
          case 'take':
            if (one.index < model.length)
              assert.is(ring.take(one.index), model.splice(one.index, 1)[0])
        }
        assert.is(ring.size, model.length)
      }
      for (const value of model) assert.is(ring.shift(), value)
    }),
  )
})

test.run()
