/** Frameworks that call faster than they may. Spec: scheduler-api.md §10, master.md §8. */
import { encode } from '../../protocol/codec.ts'
import {
  type Document,
  type MasterWorld,
  masterWorld,
  type TestFramework,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: rate limits')

function limited(rates: object): Promise<MasterWorld> {
  return masterWorld({ rate_limits: JSON.stringify(rates) })
}

/** Calls that await no answer. */
function call({ id, connection }: TestFramework, type: string, times = 1): void {
  const data = () => encode({ type, framework_id: { value: id } })
  for (let n = 0; n < times; n++) connection.publish(`meseta.framework.${id}.call`, data())
}

const revive = (framework: TestFramework, times: number) => call(framework, 'REVIVE', times)

async function metric(m: MasterWorld, wanted: string): Promise<number> {
  const { metrics } = (await m.operate({ type: 'GET_METRICS' })).get_metrics
  return metrics.find(({ name }: Document) => name === wanted)?.value ?? 0
}

const served = (m: MasterWorld) => metric(m, 'master/calls/revive')

const errors = (framework: TestFramework): Document[] => framework.of('ERROR')

test('calls beyond the rate wait for their turns, in order', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 2, capacity: 10 }] })
  const framework = await m.framework({ principal: 'shop' })
  await m.world.advance(1000)
  revive(framework, 5)
  call(framework, 'SUPPRESS')
  const both = async () => [await served(m), await metric(m, 'master/calls/suppress')]
  await m.world.advance(100)
  assert.equal(await both(), [1, 0])
  await m.world.advance(1000)
  assert.equal(await both(), [3, 0])
  await m.world.advance(1000)
  assert.equal(await both(), [5, 0])
  await m.world.advance(1000)
  assert.equal(await both(), [5, 1])
  assert.equal(errors(framework), [])
  await m.stop()
})

test('beyond the capacity calls are dropped, and the framework is told', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 1, capacity: 2 }] })
  const framework = await m.framework({ principal: 'shop' })
  await m.world.advance(1000)
  revive(framework, 10)
  await m.world.advance(10_000)
  assert.is(await served(m), 3, 'one had its turn at once, two waited')
  assert.equal(
    errors(framework).map(({ error }) => error),
    [{ message: '7 calls dropped: capacity(2) exceeded', code: 'RATE_LIMITED' }],
  )
  assert.is(await metric(m, 'master/dropped_messages'), 7)
  await m.stop()
})

test('who awaits an answer to a call that is dropped gets one', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 0.01, capacity: 1 }] })
  const framework = await m.framework({ principal: 'shop' })
  revive(framework, 2)
  await m.world.settle()
  const { error } = await framework.call('REVIVE')
  assert.is(error.code, 'RATE_LIMITED')
  assert.match(error.message, '1 are waiting already')
  await m.stop()
})

test('frameworks of one principal share its rate; others are not held up by them', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 1 }, { principal: 'free' }] })
  const shops = [await m.framework({ principal: 'shop' }), await m.framework({ principal: 'shop' })]
  const others = [await m.framework({ principal: 'free' }), await m.framework()]
  await m.world.advance(1000)
  for (const framework of [...shops, ...others]) revive(framework, 4)
  await m.world.advance(100)
  assert.is(await served(m), 9, 'one of the shops, all of the others')
  await m.world.advance(2000)
  assert.is(await served(m), 11)
  await m.stop()
})

test('the default is shared by all whose principal is not listed', async () => {
  const rates = { limits: [{ principal: 'free' }], aggregate_default_qps: 1 }
  const m = await limited({ ...rates, aggregate_default_capacity: 3 })
  const some = [await m.framework({ principal: 'x' }), await m.framework()]
  const free = await m.framework({ principal: 'free' })
  await m.world.advance(1000)
  for (const framework of [...some, free]) revive(framework, 4)
  await m.world.advance(10_000)
  assert.is(await served(m), 8, 'four of the eight, all of the free one')
  assert.equal(
    some.map((framework) => errors(framework).length),
    [0, 1],
  )
  await m.stop()
})

test('a framework without a rate that outruns the master goes on; what was lost is counted', async () => {
  const m = await masterWorld({ max_queued_calls_per_framework: 5 })
  const framework = await m.framework()
  revive(framework, 1000)
  await m.world.advance(1000)
  const handled = await served(m)
  assert.ok(handled >= 5 && handled < 1000, `${handled}`)
  assert.is(await metric(m, 'master/dropped_messages'), 1000 - handled)
  assert.equal(errors(framework), [])
  await m.stop()
})

test('offers that it may have answered in vain are withdrawn', async () => {
  const m = await masterWorld({ max_queued_calls_per_framework: 5 })
  await m.agent('a')
  const framework = await m.framework()
  const offer = await framework.offer()
  call(framework, 'SUPPRESS', 1000)
  await m.world.advance(1000)
  call(framework, 'REVIVE')
  await m.agent('b')
  await m.world.until(() => framework.offers.length === 2, 5000)
  await m.world.advance(8000)
  assert.equal(framework.of('RESCIND'), [])
  await m.world.advance(2000)
  assert.equal(
    framework.of('RESCIND').map(({ rescind }) => rescind.offer_id),
    [offer.id],
  )
  await m.stop()
})

test('a framework that has ended has no rate any more', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 0.001, capacity: 1 }] })
  const framework = await m.framework({ principal: 'shop' })
  await framework.call('TEARDOWN')
  const answers = [await framework.call('REVIVE'), await framework.call('REVIVE')]
  assert.equal(
    answers.map(({ error }) => error.code),
    ['FRAMEWORK_REMOVED', 'FRAMEWORK_REMOVED'],
  )
  await m.stop()
})

/** Of one principal: calls received and processed; undefined if nothing is counted for it. */
async function calls(m: MasterWorld, principal: string): Promise<unknown[]> {
  const { metrics } = (await m.operate({ type: 'GET_METRICS' })).get_metrics
  return ['received', 'processed'].map((what) => {
    const wanted = `frameworks/${principal}/messages_${what}`
    return metrics.find(({ name }: Document) => name === wanted)?.value
  })
}

test('calls are counted by principal, those that wait as received', async () => {
  const m = await limited({ limits: [{ principal: 'shop', qps: 1, capacity: 2 }] })
  const shops = [await m.framework({ principal: 'shop' }), await m.framework({ principal: 'shop' })]
  const other = await m.framework({ principal: 'web' })
  await m.framework()
  await m.world.advance(5000)
  const [shop, web] = [await calls(m, 'shop'), await calls(m, 'web')]
  for (const framework of shops) revive(framework, 2)
  revive(other, 3)
  await m.world.advance(100)
  const more = (before: unknown[], now: unknown[]) =>
    now.map((n, i) => Number(n) - Number(before[i]))
  assert.equal(more(shop, await calls(m, 'shop')), [4, 1], 'two wait, one was dropped')
  assert.equal(more(web, await calls(m, 'web')), [3, 3])
  await m.world.advance(5000)
  assert.equal(more(shop, await calls(m, 'shop')), [4, 3])
  await m.stop()
})

test('a principal is counted until its last framework has ended', async () => {
  const m = await masterWorld()
  const nothing = [undefined, undefined]
  assert.equal(await calls(m, 'shop'), nothing)
  const first = await m.framework({ principal: 'shop' })
  const second = await m.framework({ principal: 'shop' })
  await first.call('TEARDOWN')
  await second.call('REVIVE')
  assert.equal(await calls(m, 'shop'), [2, 2])
  await second.call('TEARDOWN')
  assert.equal(await calls(m, 'shop'), nothing)
  await m.stop()
})

test.run()
