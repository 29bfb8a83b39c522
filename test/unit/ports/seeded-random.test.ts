import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import type { Random } from '../../../src/runtime/ports.ts'
import { randomContract } from '../../support/contracts/random.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('seeded random')

randomContract(test, () => stream(20_260_101, 'contract'))

const draw = (random: Random): number[] => Array.from({ length: 20 }, () => random.int(1000))

test('a seed and names give the same draws each time', () => {
  assert.equal(draw(stream(7, 'net', 'a', 'b')), draw(stream(7, 'net', 'a', 'b')))
  assert.equal(draw(stream(7n, 'disk', 3)), draw(stream('7', 'disk', '3')))
})

test('other seeds and other names give other draws', () => {
  const streams = [stream(1, 'a'), stream(2, 'a'), stream(1, 'b'), stream(1, 'a', ''), stream(1)]
  assert.is(new Set(streams.map((each) => draw(each).join())).size, streams.length)
})

test('names cannot run into each other', () => {
  assert.not.equal(draw(stream(1, 'ab', 'c')), draw(stream(1, 'a', 'bc')))
})

test('draws of one stream leave another alone', () => {
  const expected = draw(stream(9, 'disk'))
  const [net, disk] = [stream(9, 'net'), stream(9, 'disk')]
  draw(net)
  assert.equal(draw(disk), expected)
})

test.run()
