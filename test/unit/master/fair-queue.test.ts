import fc from 'fast-check'
import { fairQueue, push, take } from '../../../actors/master/fair-queue.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('fair queue')
const limits = { perSenderMax: 1000, sendersMax: 10, bytesMax: 1_000_000, bytesOf: () => 1 }

test('a sender with few items waits for no more than its turn', () => {
  const queue = fairQueue<string>(limits)
  for (let i = 0; i < 1000; i++) push(queue, 'flood', `f${i}`)
  push(queue, 'small', 's')
  assert.ok(take(queue, 4).includes('s'))
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
  take(queue, 9)
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
      for (let batch = take(queue, max); batch.length > 0; batch = take(queue, max)) {
        assert.ok(batch.length <= max)
        taken.push(...batch)
      }
      assert.is(queue.senders.size, 0)
      for (const sender of ['a', 'b', 'c', 'd']) {
        const of = (list: ReadonlyArray<readonly [string, number]>) =>
          list.filter(([from]) => from === sender)
        assert.equal(of(taken), of(sent))
      }
    }),
  )
})

test.run()
