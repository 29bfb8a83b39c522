import fc from 'fast-check'
import { fairQueue, push, take } from '../../../actors/master/fair-queue.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('fair queue')
const ALL = Number.POSITIVE_INFINITY
const limits = { perSenderMax: 1000, sendersMax: 10, bytesMax: 1_000_000, bytesOf: () => 1 }

test('a sender with few items waits for no more than its turn', () => {
  const queue = fairQueue<string>({ ...limits, bytesOf: () => 100 })
  for (let i = 0; i < 1000; i++) push(queue, 'flood', `f${i}`)
  push(queue, 'small', 's')
  assert.ok(take(queue, 11, ALL).includes('s'))
})

test('who asks seldom is served before all who have more waiting than their turn holds', () => {
  const queue = fairQueue<readonly [string, number]>({ ...limits, bytesOf: ([, size]) => size })
  for (const sender of ['a', 'b', 'c']) {
    for (let i = 0; i < 20; i++) push(queue, sender, [sender, 300])
  }
  take(queue, 12, ALL)
  push(queue, 'seldom', ['seldom', 1000])
  push(queue, 'large', ['large', 5000])
  assert.equal(take(queue, 1, ALL), [['seldom', 1000]])
  // But not again and again: its next one has its turn behind theirs.
  push(queue, 'seldom', ['seldom', 100])
  const order = take(queue, 1000, ALL).map(([sender]) => sender)
  assert.ok(order.indexOf('seldom') > order.indexOf('c'), order.join())
  assert.ok(order.indexOf('large') > order.indexOf('seldom'))
  assert.is(order.length, 50)
})

test('a batch ends when it has its bytes', () => {
  const queue = fairQueue<number>({ ...limits, bytesOf: (size) => size })
  for (const size of [400, 400, 400, 5000]) push(queue, 'a', size)
  assert.equal(take(queue, 10, 700), [400, 400])
  assert.equal(take(queue, 10, 700), [400, 5000])
  assert.is(queue.size + queue.fresh.size + queue.others.size, 0)
})

test('what does not fit is refused: for one sender, and for one sender too many', () => {
  const queue = fairQueue<number>({ ...limits, perSenderMax: 2, sendersMax: 2 })
  assert.equal(
    [1, 2, 3].map((item) => push(queue, 'a', item)),
    [true, true, false],
  )
  assert.equal([push(queue, 'b', 1), push(queue, 'c', 1)], [true, false])
})

test('bytes are bounded, and one who takes them all leaves others their part', () => {
  const queue = fairQueue<number>({ ...limits, bytesMax: 100, bytesOf: (size) => size })
  assert.equal(
    [60, 30, 20].map((size) => push(queue, 'greedy', size)),
    [true, true, false],
  )
  assert.is(push(queue, 'small', 40), true)
  assert.is(push(queue, 'small', 20), false)
  assert.is(push(queue, 'greedy', 1), false)
  assert.ok(queue.bytes <= 200)
  take(queue, 9, ALL)
  assert.is(queue.bytes, 0)
  assert.is(push(queue, 'greedy', 100), true)
})

test("every item is taken once, each sender's in order", () => {
  const items = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat()))
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 9 }), (sent, max) => {
      const queue = fairQueue<readonly [string, number]>(limits)
      for (const item of sent) push(queue, item[0], item)
      const taken: Array<readonly [string, number]> = []
      for (let batch = take(queue, max, ALL); batch.length > 0; batch = take(queue, max, ALL)) {
        assert.ok(batch.length <= max)
        taken.push(...batch)
      }
      assert.is(queue.size + queue.fresh.size + queue.others.size, 0)
      for (const sender of ['a', 'b', 'c', 'd']) {
        const of = (list: ReadonlyArray<readonly [string, number]>) =>
          list.filter(([from]) => from === sender)
        assert.equal(of(taken), of(sent))
      }
    }),
  )
})

test.run()
