import fc from 'fast-check'
import { createActor, createMachine } from 'xstate'
import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import { clockContract } from '../../support/contracts/clock.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('virtual clock')

clockContract(test, () => {
  const clock = virtualClock()
  return { clock, pass: (ms) => clock.advance(ms) }
})

test('a chain of timers fires at each due time within one advance', async () => {
  const clock = virtualClock()
  const fired: number[] = []
  const tick = (): void => {
    fired.push(clock.monotonic())
    clock.setTimeout(tick, 5)
  }
  clock.setTimeout(tick, 5)
  await clock.advance(21)
  assert.equal(fired, [5, 10, 15, 20])
  assert.is(clock.monotonic(), 21)
})

test('promises and deferred turns of one timer end before the next timer fires', async () => {
  const clock = virtualClock()
  const seen: string[] = []
  clock.setTimeout(async () => {
    for (let i = 0; i < 20; i += 1) await null
    clock.defer(() => seen.push(`settled at ${clock.monotonic()}`))
  }, 1)
  clock.setTimeout(() => seen.push(`next at ${clock.monotonic()}`), 1)
  await clock.advance(1)
  assert.equal(seen, ['settled at 1', 'next at 1'])
})

test('settling runs deferred turns and moves no time', async () => {
  const clock = virtualClock()
  let turns = 0
  const again = (): void => {
    turns += 1
    if (turns < 5) clock.defer(again)
  }
  clock.defer(again)
  clock.setTimeout(() => assert.unreachable('no time passes'), 0)
  await clock.settle()
  assert.is(turns, 5)
  assert.is(clock.monotonic(), 0)
  assert.equal(clock.pending(), { timers: 1, deferred: 0 })
})

test('a rejection that nobody catches is known before the next turn', async () => {
  const clock = virtualClock()
  const seen: string[] = []
  // The suite listens too, and would fail the test.
  const others = process.rawListeners('unhandledRejection') as NodeJS.UnhandledRejectionListener[]
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', () => seen.push('unhandled'))
  clock.setTimeout(() => void Promise.reject(new Error('of nobody')), 1)
  clock.setTimeout(() => seen.push('the next turn'), 1)
  await clock.advance(1)
  process.removeAllListeners('unhandledRejection')
  for (const other of others) process.on('unhandledRejection', other)
  assert.equal(seen, ['unhandled', 'the next turn'])
  assert.is(clock.turns, 2)
})

test('turns deferred without end are refused', async () => {
  const clock = virtualClock()
  const again = (): void => clock.defer(again)
  clock.defer(again)
  await clock.settle().then(
    () => assert.unreachable('it never settles'),
    (error: Error) => assert.match(error.message, 'does not settle'),
  )
})

test('advancing until a condition holds stops at the event that made it hold', async () => {
  const clock = virtualClock()
  let ready = false
  clock.setTimeout(() => {
    ready = true
  }, 70)
  clock.setTimeout(() => assert.unreachable('later than needed'), 71)
  await clock.advanceUntil(() => ready, 1000)
  assert.is(clock.monotonic(), 70)
})

test('advancing until a condition holds fails at its limit', async () => {
  const clock = virtualClock()
  clock.setTimeout(() => undefined, 500)
  const error = await clock.advanceUntil(() => false, 100).catch((reason: Error) => reason)
  assert.instance(error, Error)
  assert.match((error as Error).message, 'next timer in 400 ms')
  assert.is(clock.monotonic(), 100)
})

test('what a timer throws reaches the caller, and the clock goes on', async () => {
  const clock = virtualClock()
  let fired = false
  clock.setTimeout(() => {
    throw new Error('broken timer')
  }, 10)
  clock.setTimeout(() => {
    fired = true
  }, 10)
  const error = await clock.advance(20).catch((reason: Error) => reason)
  assert.match(String(error), 'broken timer')
  await clock.advance(10)
  assert.ok(fired)
})

test('two callers that advance at once each move the time', async () => {
  const clock = virtualClock()
  await Promise.all([clock.advance(10), clock.advance(10)])
  assert.is(clock.monotonic(), 20)
})

test('a jump moves the wall clock and no timer', async () => {
  const clock = virtualClock({ startMs: 1000 })
  clock.setTimeout(() => assert.unreachable('monotonic time stands still'), 10)
  clock.jump(3_600_000)
  await clock.settle()
  assert.is(clock.now(), 3_601_000)
  assert.is(clock.monotonic(), 0)
})

test('cancelled timers are not kept', async () => {
  const clock = virtualClock()
  for (let i = 0; i < 10_000; i += 1) clock.clearTimeout(clock.setTimeout(() => undefined, 1e6))
  assert.equal(clock.pending(), { timers: 0, deferred: 0 })
})

test('timers fire as a sorted list of them would, whatever is cancelled', async () => {
  // Enough cancellations for the heap to be rebuilt on the way.
  const mostly = fc.nat({ max: 9 }).map((drawn) => drawn < 8)
  const timer = fc.record({ delay: fc.nat({ max: 40 }), cancelled: mostly })
  const property = fc.asyncProperty(
    fc.array(timer, { maxLength: 300, size: 'max' }),
    async (timers) => {
      const clock = virtualClock()
      const fired: number[] = []
      const handles = timers.map(({ delay }, index) =>
        clock.setTimeout(() => fired.push(index), delay),
      )
      for (const [index, { cancelled }] of timers.entries())
        if (cancelled) clock.clearTimeout(handles[index])
      await clock.advance(40)
      const expected = timers
        .map((each, index) => ({ ...each, index }))
        .filter(({ cancelled }) => !cancelled)
        .sort((a, b) => a.delay - b.delay || a.index - b.index)
      assert.equal(
        fired,
        expected.map(({ index }) => index),
      )
      assert.is(clock.pending().timers, 0)
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

test('a statechart given the clock takes its delayed transitions when they are due', async () => {
  const clock = virtualClock()
  const machine = createMachine({
    initial: 'waiting',
    states: {
      waiting: { after: { 100: 'late' }, on: { CANCEL: 'cancelled' } },
      late: { after: { 50: 'done' } },
      cancelled: {},
      done: { type: 'final' },
    },
  })
  const [actor, cancelled] = [createActor(machine, { clock }), createActor(machine, { clock })]
  const entered: string[] = []
  actor.subscribe(({ value }) => entered.push(`${value} at ${clock.monotonic()}`))
  actor.start()
  cancelled.start()
  cancelled.send({ type: 'CANCEL' })
  await clock.advance(1000)
  assert.equal(entered, ['waiting at 0', 'late at 100', 'done at 150'])
  assert.is(cancelled.getSnapshot().value, 'cancelled')
  assert.is(clock.pending().timers, 0)
})

test.run()
