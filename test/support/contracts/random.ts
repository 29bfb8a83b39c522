/** What every `Random` promises (src/runtime/ports.ts). */
import type { Random } from '../../../src/runtime/ports.ts'
import { assert, type Suite } from '../suite.ts'

export function randomContract(test: Suite, make: () => Random): void {
  test('fractions lie in [0, 1) and fill it evenly', () => {
    const random = make()
    const buckets = new Array<number>(10).fill(0)
    for (let i = 0; i < 20_000; i += 1) {
      const drawn = random.next()
      assert.ok(drawn >= 0 && drawn < 1)
      buckets[Math.floor(drawn * 10)]! += 1
    }
    // 2000 expected, standard deviation 42: eight of them never happen by chance.
    for (const count of buckets) assert.ok(Math.abs(count - 2000) < 340, `${buckets}`)
  })

  test('integers lie below their bound and reach every value', () => {
    const random = make()
    const seen = new Set<number>()
    for (let i = 0; i < 1000; i += 1) seen.add(random.int(7))
    assert.equal([...seen].sort(), [0, 1, 2, 3, 4, 5, 6])
    assert.is(random.int(1), 0)
    for (let i = 0; i < 100; i += 1) assert.ok(random.int(Number.MAX_SAFE_INTEGER) >= 0)
  })

  test('a bound that is no positive integer is refused', () => {
    const random = make()
    for (const bound of [0, -1, 1.5, Number.NaN, 2 ** 60])
      assert.throws(() => random.int(bound), /positive safe integer/)
  })

  test('bytes have the length asked for and differ', () => {
    const random = make()
    for (const length of [0, 1, 7, 16, 10_000]) assert.is(random.bytes(length).length, length)
    const [a, b] = [random.bytes(16), random.bytes(16)]
    assert.not.equal(a, b)
    assert.ok(new Set(random.bytes(4000)).size > 200)
  })

  test('ids are version 4 UUIDs and never repeat', () => {
    const random = make()
    const ids = Array.from({ length: 2000 }, () => random.uuid())
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
    for (const id of ids) assert.match(id, pattern)
    assert.is(new Set(ids).size, ids.length)
  })
}
