import { Meter } from '../../../src/runtime/meter.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('meter')

test('it tells messages a second and the busy share of the last seconds', () => {
  const meter = new Meter(0)
  for (let ms = 10; ms <= 20_000; ms += 10) meter.add(ms, 5, 2)
  const { rate, busy } = meter.read(20_000)
  assert.ok(Math.abs(rate - 500) < 5, `${rate}`)
  assert.ok(Math.abs(busy - 0.2) < 0.01, `${busy}`)
})

test('what is long past is forgotten', () => {
  const meter = new Meter(0)
  meter.add(10, 1000, 10)
  assert.equal(meter.read(60_000), { rate: 0, busy: 0 })
})

test.run()
