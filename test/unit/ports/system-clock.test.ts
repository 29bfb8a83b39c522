/** The monotonic time of a machine that is suspended, or whose wall clock is set. */
import { suspendAware, systemClock } from '../../../src/runtime/ports/system-clock.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('ports: system clock')

/** A machine whose three clocks are moved by hand. */
function machine() {
  const time = { awake: 1_000, boot: 501_000, wall: 1_795_000_000_000 }
  const pass = (ms: number) => {
    time.awake += ms
    time.boot += ms
    time.wall += ms
  }
  const suspend = (ms: number) => {
    time.boot += ms
    time.wall += ms
  }
  const monotonic = suspendAware({
    awake: () => time.awake,
    sinceBoot: () => time.boot,
    wall: () => time.wall,
  })
  return { time, pass, suspend, monotonic }
}

test('the time of a suspension counts', () => {
  const { pass, suspend, monotonic } = machine()
  const start = monotonic()
  pass(500)
  suspend(60_000)
  assert.is(monotonic() - start, 60_500)
  pass(500)
  suspend(30_000)
  assert.is(monotonic() - start, 91_000)
})

test('a wall clock that is set does not move it', () => {
  const { time, pass, monotonic } = machine()
  const start = monotonic()
  for (const jump of [3_600_000, -7_200_000]) {
    time.wall += jump
    pass(100)
    monotonic()
  }
  assert.is(monotonic() - start, 200)
})

test('it never goes back', () => {
  const { time, suspend, monotonic } = machine()
  suspend(10_000)
  const late = monotonic()
  time.wall -= 20_000
  assert.ok(monotonic() >= late)
})

test('on this machine it moves on with the time', async () => {
  const start = systemClock.monotonic()
  await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 5))
  const passed = systemClock.monotonic() - start
  assert.ok(passed >= 5 && passed < 60_000, `${passed} ms`)
})

test.run()
