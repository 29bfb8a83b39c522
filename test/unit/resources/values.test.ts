import fc from 'fast-check'
import {
  addScalars,
  coalesce,
  containsRanges,
  containsSet,
  countRanges,
  equalRanges,
  equalScalars,
  equalSets,
  formatRanges,
  formatScalar,
  fromMillis,
  isExactScalar,
  type RangeList,
  subtractRanges,
  subtractScalars,
  subtractSets,
  toMillis,
  unionRanges,
  unionSets,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { anyRanges } from './support.ts'

const scalars = suite('scalars')

scalars('three decimals count, halves are rounded away from zero', () => {
  assert.is(toMillis(1.5123), 1512)
  assert.is(toMillis(0.0005), 1)
  assert.is(toMillis(0.0004), 0)
  assert.is(toMillis(-0.0005), -1)
  assert.is(toMillis(-1.5123), -1512)
  assert.ok(Object.is(toMillis(-0.0001), 0), 'never minus zero')
  assert.is(toMillis(1.0005), 1001, 'the product is the double 1000.5')
})

scalars('sums are exact in thousandths', () => {
  assert.is(addScalars(0.1, 0.2), 0.3)
  let rest = 3
  for (let i = 0; i < 30; i++) rest = subtractScalars(rest, 0.1)
  assert.is(rest, 0)
  assert.is(addScalars(1.5123, 0), 1.512, 'arithmetic normalises')
})

scalars('values that differ below a thousandth are equal', () => {
  assert.ok(equalScalars(1.0004, 1))
  assert.not(equalScalars(1.001, 1))
})

scalars('what has no exact count of thousandths is told apart', () => {
  assert.ok(isExactScalar(2 ** 51 / 1000))
  for (const value of [2.3e12, Infinity, -Infinity, Number.NaN]) assert.not(isExactScalar(value))
})

scalars('text has no exponent and no needless zeros', () => {
  assert.is(formatScalar(0.1 + 0.2), '0.3')
  assert.is(formatScalar(4), '4')
  assert.is(formatScalar(-0.05), '-0.05')
  assert.is(formatScalar(2_251_799_813_685.24), '2251799813685.24')
})

scalars('thousandths survive the way to a double and its text and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (millis) => {
      assert.is(toMillis(fromMillis(millis)), millis)
      assert.is(toMillis(Number(formatScalar(fromMillis(millis)))), millis)
    }),
  )
})

scalars.run()

const ranges = suite('ranges')

const list = (...pairs: [number, number][]): RangeList =>
  pairs.map(([begin, end]) => ({ begin, end }))

/** The integers themselves, as the model of a list of ranges. */
const points = (of: RangeList): Set<number> => {
  const result = new Set<number>()
  for (const { begin, end } of of) for (let i = begin; i <= end; i++) result.add(i)
  return result
}

ranges('overlapping and adjacent ranges merge', () => {
  assert.equal(unionRanges(list([1, 3]), list([4, 6])), list([1, 6]))
  assert.equal(coalesce(list([5, 9], [1, 2], [2, 4], [20, 20])), list([1, 9], [20, 20]))
})

ranges('a canonical list is not copied', () => {
  const canonical = list([1, 3], [5, 6])
  assert.is(coalesce(canonical), canonical)
})

ranges('the largest bound is handled', () => {
  const top = Number.MAX_SAFE_INTEGER
  assert.equal(unionRanges(list([top - 1, top]), list([0, 0])), list([0, 0], [top - 1, top]))
  assert.equal(subtractRanges(list([0, top]), list([top, top])), list([0, top - 1]))
})

ranges('subtraction splits', () => {
  const left = subtractRanges(
    subtractRanges(list([31000, 32000]), list([31005, 31005])),
    list([31007, 31007]),
  )
  assert.is(formatRanges(left), '[31000-31004, 31006-31006, 31008-32000]')
})

ranges('a range is contained only inside one coalesced range', () => {
  assert.ok(containsRanges(list([1, 3], [4, 6]), list([2, 5])))
  assert.not(containsRanges(list([1, 3], [5, 6]), list([2, 5])))
  assert.ok(containsRanges(list([1, 3]), []))
})

ranges('operations agree with those on sets of integers', () => {
  fc.assert(
    fc.property(anyRanges, anyRanges, (a, b) => {
      const left = points(a)
      const right = points(b)
      assert.equal(points(unionRanges(a, b)), new Set([...left, ...right]))
      const rest = subtractRanges(a, b)
      assert.equal(
        [...points(rest)].sort((x, y) => x - y),
        [...left].filter((point) => !right.has(point)).sort((x, y) => x - y),
      )
      assert.is(coalesce(rest), rest, 'the result is canonical')
      assert.is(countRanges(a), left.size)
      const subset = [...right].every((point) => left.has(point))
      assert.is(containsRanges(a, b), subset)
      assert.is(equalRanges(a, b), subset && left.size === right.size)
    }),
    { numRuns: 500 },
  )
})

ranges('coalescing is idempotent and keeps the arguments as they are', () => {
  fc.assert(
    fc.property(anyRanges, (input) => {
      const before = structuredClone(input)
      const once = coalesce(input)
      assert.equal(coalesce(once), once)
      assert.equal(input, before)
    }),
  )
})

ranges.run()

const sets = suite('sets')

sets('order does not matter for equality', () => {
  assert.ok(equalSets(['a', 'b'], ['b', 'a']))
  assert.not(equalSets(['a', 'b'], ['a', 'c']))
})

sets('union keeps the order of first mention, subtraction removes', () => {
  assert.equal(unionSets(['b', 'a'], ['c', 'a']), ['b', 'a', 'c'])
  assert.equal(subtractSets(['a', 'b', 'c'], ['b', 'x']), ['a', 'c'])
  assert.ok(containsSet(['a', 'b'], ['b']))
  assert.not(containsSet(['a', 'b'], ['c']))
})

sets.run()
