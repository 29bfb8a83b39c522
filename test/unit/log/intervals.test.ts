import fc from 'fast-check'
import { Intervals } from '../../../actors/log/intervals.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('log: intervals')

type Operation =
  | { readonly type: 'add'; readonly from: number; readonly length: number }
  | { readonly type: 'cut'; readonly begin: number }

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: fc.constant('add' as const),
    from: fc.nat(60),
    length: fc.integer({ min: 0, max: 12 }),
  }),
  fc.record({ type: fc.constant('cut' as const), begin: fc.nat(60) }),
)

test('they hold what a plain set would, in ranges that neither overlap nor touch', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), fc.nat(60), (operations, probe) => {
      const intervals = new Intervals()
      const model = new Set<number>()
      for (const one of operations) {
        if (one.type === 'add') {
          intervals.add(one.from, one.from + one.length - 1)
          for (let i = 0; i < one.length; i++) model.add(one.from + i)
        } else {
          intervals.cutBefore(one.begin)
          for (const position of model) if (position < one.begin) model.delete(position)
        }
      }
      for (let position = -1; position < 80; position++) {
        assert.is(intervals.has(position), model.has(position), `has ${position}`)
      }
      let run = probe
      while (model.has(run)) run++
      assert.is(intervals.runFrom(probe), run - 1)
      const gaps = new Set<number>()
      for (const [from, to] of intervals.gaps(probe, 75)) {
        for (let position = from; position <= to; position++) gaps.add(position)
      }
      for (let position = probe; position <= 75; position++) {
        assert.is(gaps.has(position), !model.has(position), `gap ${position}`)
      }
      const { ranges } = intervals
      for (const [i, [from, to]] of ranges.entries()) {
        assert.ok(from <= to)
        const next = ranges[i + 1]
        if (next !== undefined) assert.ok(next[0] > to + 1)
      }
    }),
  )
})

test('a log that grows at its end is one range', () => {
  const intervals = new Intervals()
  for (let position = 0; position < 100_000; position++) intervals.add(position)
  assert.equal(intervals.ranges, [[0, 99_999]])
})

test.run()
