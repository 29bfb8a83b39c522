/** Frameworks as a master sees them. Spec: master.md §8, scheduler-api.md §2, §8. */
import { ShutdownFramework } from '../../protocol/agent.ts'
import { encode } from '../../protocol/codec.ts'
import { launch, type MasterWorld, masterWorld, task } from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: frameworks')

async function states(m: MasterWorld): Promise<string[]> {
  const { get_frameworks } = await m.operate({ type: 'GET_FRAMEWORKS' })
  return get_frameworks.frameworks.map(
    ({ connected, active }: { connected: boolean; active: boolean }) =>
      `${connected ? 'connected' : 'disconnected'} ${active ? 'active' : 'inactive'}`,
  )
}

for (const format of ['msgpack', 'json'] as const) {
  test(`a new framework learns its id and subjects, and hears SUBSCRIBED first (${format})`, async () => {
    const m = await masterWorld()
    const framework = await m.framework({}, { format })
    const { answer, id } = framework
    assert.is(answer.call_subject, `meseta.framework.${id}.call`)
    assert.is(answer.event_subject, `meseta.framework.${id}.event`)
    assert.equal(answer.subscribed.framework_id, { value: id })
    assert.is(answer.epoch, 1)
    const types = framework.events.map(({ type }) => type)
    assert.equal(types.slice(0, 2), ['SUBSCRIBED', 'HEARTBEAT'])
    await m.stop()
  })
}

test('no offer is made before the framework listens', async () => {
  const m = await masterWorld()
  await m.agent('a1')
  const framework = await m.framework({}, { deaf: true })
  await m.world.advance(5000)
  assert.equal((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers, [])
  framework.events = []
  framework.connection.subscribe(`meseta.framework.${framework.id}.event`, () => undefined)
  await m.world.advance(3000)
  assert.is((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers.length, 1)
  await m.stop()
})

test('a framework that never listens is disconnected after one interval of heartbeats', async () => {
  const m = await masterWorld()
  await m.framework({}, { deaf: true })
  assert.equal(await states(m), ['connected inactive'])
  await m.world.advance(16_000)
  assert.equal(await states(m), ['disconnected inactive'])
  await m.stop()
})

test('heartbeats come every interval, and find out that nobody listens any more', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  await m.world.advance(45_500)
  assert.is(framework.of('HEARTBEAT').length, 4)
  await framework.leave()
  assert.equal(await states(m), ['connected active'])
  await m.world.advance(18_000)
  assert.equal(await states(m), ['disconnected inactive'])
  await m.stop()
})

test('offers find out too that nobody listens, and are void at once', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  await framework.leave()
  await m.agent('a1')
  await m.world.advance(1500)
  assert.equal(await states(m), ['connected inactive'])
  assert.equal((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers, [])
  await m.world.advance(3000)
  assert.equal(await states(m), ['disconnected inactive'])
  await m.stop()
})

test('a framework that is deaf for a moment only, as after a restart of the broker, keeps its place', async () => {
  const m = await masterWorld()
  const framework = await m.framework({ failover_timeout: 0 })
  await framework.stopListening()
  await m.agent('a1')
  await m.world.advance(1500)
  assert.equal(await states(m), ['connected inactive'])
  framework.listen(framework.id)
  await m.world.advance(2500)
  assert.equal(await states(m), ['connected active'])
  assert.is((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers.length, 1)
  await m.stop()
})

test('a framework is removed when its failover time-out ends, and its id refused afterwards', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework({ failover_timeout: 30 })
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer))])
  await framework.leave()
  await m.world.advance(16_000)
  assert.equal(await states(m), ['disconnected inactive'])
  await m.world.advance(30_000)
  assert.equal(await states(m), [])
  assert.is(agent.got(ShutdownFramework).length, 1)
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.is(get_tasks.completed_tasks[0].state, 'TASK_KILLED')
  const again = await m.framework({ id: { value: framework.id } })
  assert.is(again.answer.error.code, 'FRAMEWORK_REMOVED')
  assert.is(again.answer.error.message, 'Framework has been removed')
  await m.stop()
})

test('without a failover time-out a framework ends with its connection', async () => {
  const m = await masterWorld()
  const framework = await m.framework({ failover_timeout: 0 })
  await framework.leave()
  await m.world.advance(18_000)
  assert.equal(await states(m), [])
  await m.stop()
})

test('a framework that is back in time keeps its tasks', async () => {
  const m = await masterWorld()
  await m.agent('a1')
  const framework = await m.framework({ failover_timeout: 20 })
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer))])
  await framework.leave()
  await m.world.advance(16_000)
  const second = await m.framework({ id: { value: framework.id } })
  await m.world.advance(40_000)
  assert.equal(await states(m), ['connected active'])
  await second.call('RECONCILE', { reconcile: {} })
  assert.equal(second.fates, ['TASK_STAGING/REASON_RECONCILIATION'])
  await m.stop()
})

test('a second instance takes over: the first is told under its stream, its offers are void in silence', async () => {
  const m = await masterWorld()
  await m.agent('a1')
  const first = await m.framework()
  const offer = await first.offer()
  const second = await m.framework({ id: { value: first.id } })
  assert.equal(
    first.of('ERROR').map(({ error }) => error.message),
    ['Framework failed over'],
  )
  assert.equal(second.of('ERROR'), [])
  assert.equal(first.of('RESCIND'), [])
  const stale = await second.accept(offer)
  assert.is(stale.error.code, 'OFFER_STALE')
  const late = await first.call('REVIVE', { stream_id: first.streamId })
  assert.is(late.error.code, 'FRAMEWORK_FAILED_OVER')
  assert.equal(await second.call('REVIVE', { stream_id: second.streamId }), {})
  await m.stop()
})

test('teardown ends a framework; operators can do so too', async () => {
  const m = await masterWorld()
  const one = await m.framework()
  const two = await m.framework({ name: 'two' })
  assert.equal(await one.call('TEARDOWN'), {})
  const teardown = { framework_id: { value: two.id } }
  assert.equal(await m.operate({ type: 'TEARDOWN', teardown }), {})
  assert.equal(await states(m), [])
  const { get_frameworks } = await m.operate({ type: 'GET_FRAMEWORKS' })
  assert.is(get_frameworks.completed_frameworks.length, 2)
  const again = await m.operate({ type: 'TEARDOWN', teardown })
  assert.is(again.error.code, 'NOT_FOUND')
  await m.stop()
})

test('only so many ended frameworks are remembered', async () => {
  const m = await masterWorld({ max_completed_frameworks: 2 })
  for (const name of ['one', 'two', 'three']) {
    await (await m.framework({ name })).call('TEARDOWN')
  }
  const { get_frameworks } = await m.operate({ type: 'GET_FRAMEWORKS' })
  assert.is(get_frameworks.completed_frameworks.length, 2)
  await m.stop()
})

test('suppressed roles get no offers until they are revived', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  await framework.call('SUPPRESS')
  await m.agent('a1')
  await m.world.advance(3000)
  assert.equal(framework.offers, [])
  await framework.call('REVIVE')
  await framework.offer()
  await m.stop()
})

test('an updated framework gets offers of its new roles, and loses those of removed ones', async () => {
  const m = await masterWorld()
  await m.agent('a1')
  const capabilities = [{ type: 'MULTI_ROLE' as const }]
  const framework = await m.framework({ roles: ['web'], capabilities })
  const offer = await framework.offer()
  assert.is(offer.allocation_info.role, 'web')
  const framework_info = { ...framework.info, roles: ['batch'] }
  assert.equal(
    await framework.call('UPDATE_FRAMEWORK', { update_framework: { framework_info } }),
    {},
  )
  assert.is(framework.of('RESCIND').length, 1)
  const next = await framework.offer()
  assert.is(next.resources[0].allocation_info.role, 'batch')
  await m.stop()
})

test('what must not change is refused, and changes nothing', async () => {
  const m = await masterWorld()
  const framework = await m.framework({ principal: 'me' })
  for (const change of [{ user: 'root' }, { checkpoint: true }, { principal: 'you' }]) {
    const framework_info = { ...framework.info, ...change }
    const answer = await framework.call('UPDATE_FRAMEWORK', {
      update_framework: { framework_info },
    })
    assert.is(answer.error.code, 'INVALID_FRAMEWORK')
  }
  const { get_frameworks } = await m.operate({ type: 'GET_FRAMEWORKS' })
  assert.is(get_frameworks.frameworks[0].framework_info.user, 'nobody')
  await m.stop()
})

test('calls of strangers and nonsense are answered with what is wrong', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  const codeOf = async (id: string, call: object) => (await framework.raw(id, call)).error.code
  const stranger = { value: 'stranger' }
  assert.is(
    await codeOf('stranger', { type: 'TEARDOWN', framework_id: stranger }),
    'UNKNOWN_FRAMEWORK',
  )
  assert.is(await codeOf('stranger', { type: 'TEARDOWN' }), 'INVALID_MESSAGE')
  assert.is(
    await codeOf('other', { type: 'TEARDOWN', framework_id: { value: framework.id } }),
    'INVALID_MESSAGE',
  )
  assert.is(await codeOf(framework.id, { type: 'CONQUER' }), 'INVALID_MESSAGE')
  const bytes = await m.request(`meseta.framework.${framework.id}.call`, Uint8Array.of(0xc1))
  assert.is(bytes.error.code, 'INVALID_MESSAGE')
  const json = await m.request('meseta.master.call', encode({ type: 'GET_STATES' }, 'json'))
  assert.is(json.error.code, 'INVALID_MESSAGE')
  assert.equal(await states(m), ['connected active'])
  await m.stop()
})

test('after a failover a framework must subscribe again, and may under its id', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  await m.failOver()
  const refused = await framework.call('REVIVE')
  assert.is(refused.error.code, 'UNKNOWN_FRAMEWORK')
  const answer = await framework.subscribe()
  assert.equal([answer.epoch, answer.framework_id.value], [2, framework.id])
  await m.stop()
})

test('one framework that floods the master delays no other', async () => {
  const m = await masterWorld({ max_queued_calls_per_framework: 200 })
  const flood = await m.framework()
  const other = await m.framework({ name: 'other' })
  const call = { type: 'REVIVE', framework_id: { value: flood.id } }
  let refused = 0
  flood.connection.subscribe('flood', () => refused++)
  for (let i = 0; i < 2000; i++) {
    flood.connection.publish(`meseta.framework.${flood.id}.call`, encode(call), 'flood')
  }
  assert.equal(await other.call('REVIVE'), {})
  await m.world.settle()
  assert.is(refused, 2000)
  const { get_metrics } = await m.operate({ type: 'GET_METRICS' })
  const revived = get_metrics.metrics.find(
    ({ name }: { name: string }) => name === 'master/calls/revive',
  )
  assert.ok(revived.value < 2001, 'what did not fit was refused')
  await m.stop()
})

test.run()
