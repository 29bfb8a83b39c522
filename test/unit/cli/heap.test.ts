/** How far the heap of a node may grow. */
import { growthPercent } from '../../../src/cli/heap.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('heap')

test('a small heap is left to V8', () => {
  for (const aliveMiB of [5, 20, 48]) assert.is(growthPercent(aliveMiB), 0)
})

test('beyond that it grows to 192 MiB if twice as much is alive by then', () => {
  assert.is(growthPercent(50), 92)
  assert.is(growthPercent(64), 50)
})

test('a large heap grows by 40 % at a time, so that there are not too many collections', () => {
  for (const aliveMiB of [74, 100, 500, 4000]) assert.is(growthPercent(aliveMiB), 40)
})

test.run()
