import { inSlices, pid } from '../../src/runtime/index.ts'
import { Echo, worker } from '../support/actors.ts'
import { world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: slices')

/** So many steps, each of which is noted; then their number. */
function* steps(count: number, note: (step: number) => void): Generator<void, number> {
  for (let step = 0; step < count; step++) {
    note(step)
    yield
  }
  return count
}

test('work that is short is done in the turn that begins it', async () => {
  const w = world()
  const probe = await w.probe(await w.start('a'))
  const done: number[] = []
  await probe.turn((cx) => {
    inSlices(
      steps(100, () => undefined),
      cx,
      (count) => done.push(count),
    )
    assert.equal(done, [100])
  })
  await w.stop()
})

test('others have their turns during work that is long', async () => {
  const w = world()
  const node = await w.start('a', { children: [worker()] })
  const probe = await w.probe(node)
  const seen: string[] = []
  await probe.turn((cx) => {
    inSlices(
      steps(20_000, (step) => {
        if (step === 19_999) seen.push('last step')
      }),
      cx,
      () => seen.push('then'),
    )
    cx.ask(pid('worker', 'a'), Echo, { text: '' }, {}, () => seen.push('answer'))
  })
  await w.until(() => seen.length === 3)
  assert.equal(seen, ['answer', 'last step', 'then'])
  await w.stop()
})

test('works of one actor go on side by side', async () => {
  const w = world()
  const probe = await w.probe(await w.start('a'))
  const ended: string[] = []
  await probe.turn((cx) => {
    inSlices(
      steps(20_000, () => undefined),
      cx,
      () => ended.push('long'),
    )
    inSlices(
      steps(10_000, () => undefined),
      cx,
      () => ended.push('short'),
    )
  })
  await w.until(() => ended.length === 2)
  assert.equal(ended, ['short', 'long'])
  await w.stop()
})

test('work that throws is a crash of its actor, and a dead actor does no more of it', async () => {
  const w = world()
  const node = await w.start('a', { children: [worker()] })
  const probe = await w.probe(node)
  let reached = 0
  await probe.turn((cx) => {
    inSlices(
      steps(20_000, (step) => {
        reached = step
        if (step === 10_000) throw new Error('on the way')
      }),
      cx,
    )
  })
  await w.until(() => node.whereis(probe.pid.split('@')[0]!) === undefined)
  await w.advance(1000)
  assert.is(reached, 10_000)
  await w.stop()
})

test.run()
