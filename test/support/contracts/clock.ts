/** What every `Clock` promises (src/runtime/ports.ts). */
import type { Clock } from '../../../src/runtime/ports.ts'
import { assert, type Suite } from '../suite.ts'

export interface ClockSubject {
  readonly clock: Clock
  /** Lets at least `ms` pass, and then all that became due run. */
  pass(ms: number): Promise<void>
}

export function clockContract(test: Suite, make: () => ClockSubject): void {
  test('a timer fires once and not before its delay', async () => {
    const { clock, pass } = make()
    const started = clock.monotonic()
    const fired: number[] = []
    clock.setTimeout(() => fired.push(clock.monotonic() - started), 20.5)
    await pass(1)
    assert.equal(fired, [])
    await pass(60)
    assert.is(fired.length, 1)
    assert.ok(fired[0]! >= 20.5, `fired after ${fired[0]} ms`)
  })

  test('timers of different delays fire in the order of their due times', async () => {
    const { clock, pass } = make()
    const fired: string[] = []
    for (const delay of [30, 10, 20]) clock.setTimeout(() => fired.push(`${delay}`), delay)
    await pass(80)
    assert.equal(fired, ['10', '20', '30'])
  })

  test('timers of one delay fire in the order in which they were set', async () => {
    const { clock, pass } = make()
    const fired: number[] = []
    for (let i = 0; i < 50; i += 1) clock.setTimeout(() => fired.push(i), 10)
    await pass(40)
    assert.equal(
      fired,
      Array.from({ length: 50 }, (_, i) => i),
    )
  })

  test('a cleared timer does not fire, and clearing again is harmless', async () => {
    const { clock, pass } = make()
    let fired = 0
    const handle = clock.setTimeout(() => fired++, 5)
    clock.clearTimeout(handle)
    clock.clearTimeout(handle)
    clock.clearTimeout(undefined)
    const late = clock.setTimeout(() => fired++, 1)
    await pass(30)
    assert.is(fired, 1)
    clock.clearTimeout(late)
  })

  test('a negative delay counts as none', async () => {
    const { clock, pass } = make()
    let fired = false
    clock.setTimeout(() => {
      fired = true
    }, -5)
    assert.not(fired)
    await pass(20)
    assert.ok(fired)
  })

  test('a delay that is not a number is refused', () => {
    const { clock } = make()
    assert.throws(() => clock.setTimeout(() => undefined, Number.NaN), /not a number/)
  })

  test('very long and endless timers do not fire early and can be cleared', async () => {
    const { clock, pass } = make()
    let fired = 0
    const handles = [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY].map((delay) =>
      clock.setTimeout(() => fired++, delay),
    )
    await pass(20)
    assert.is(fired, 0)
    for (const handle of handles) clock.clearTimeout(handle)
  })

  test('deferred turns run in order, after the current turn and its promises', async () => {
    const { clock, pass } = make()
    const seen: string[] = []
    clock.defer(() => {
      seen.push('first')
      clock.defer(() => seen.push('deferred by first'))
      void Promise.resolve().then(() => seen.push('promise of first'))
    })
    clock.defer(() => seen.push('second'))
    seen.push('current')
    void Promise.resolve().then(() => seen.push('promise of current'))
    await pass(20)
    assert.equal(seen, [
      'current',
      'promise of current',
      'first',
      'promise of first',
      'second',
      'deferred by first',
    ])
  })

  test('monotonic time passes with the wall clock', async () => {
    const { clock, pass } = make()
    const [wall, monotonic] = [clock.now(), clock.monotonic()]
    await pass(30)
    assert.ok(clock.monotonic() - monotonic >= 30)
    assert.ok(clock.now() - wall >= 25)
  })
}
