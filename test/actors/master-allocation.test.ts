/** What an operator's settings of a master do to offers. Spec: allocator.md §11. */
import { masterWorld } from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: allocation')

test('only agents on hosts in the file are offered, as soon as they stand in it', async () => {
  const m = await masterWorld({ whitelist: '/hosts' })
  const framework = await m.framework()
  await m.agent('a')
  await m.agent('b')
  await m.world.advance(10_000)
  assert.equal(framework.offers, [], 'there is no such file')
  const { disk } = m.world.ports('m')
  await m.world.run(disk.writeFile('/hosts', new TextEncoder().encode('\n a \nc\n')))
  await m.world.advance(6000)
  assert.equal(
    framework.offers.map(({ hostname }) => hostname),
    ['a'],
  )
  await m.world.run(disk.unlink('/hosts'))
  await m.world.advance(10_000)
  await m.agent('c')
  assert.equal(framework.offers.map(({ hostname }) => hostname).sort(), ['a', 'c'])
  await m.stop()
})

test('the fault domain of the master is told to frameworks, and keeps other regions from them', async () => {
  const m = await masterWorld({ fault_domain: 'eu/a' })
  const near = await m.framework()
  const far = await m.framework({ capabilities: [{ type: 'REGION_AWARE' }] })
  const domain = (region: string, zone: string) => ({
    fault_domain: { region: { name: region }, zone: { name: zone } },
  })
  assert.equal(near.of('SUBSCRIBED')[0]?.subscribed.master_info.domain, domain('eu', 'a'))
  const overseas = await m.agent('overseas', undefined, { domain: domain('us', 'a') })
  assert.is((await far.offer()).agent_id.value, overseas.id)
  const next = await m.agent('next', undefined, { domain: domain('eu', 'b') })
  assert.is((await near.offer()).agent_id.value, next.id)
  await m.stop()
})

test('metrics of allocation stand with those of the master', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  await m.agent('a')
  await framework.offer()
  const { get_metrics } = await m.operate({ type: 'GET_METRICS' })
  const names: string[] = get_metrics.metrics.map(({ name }: { name: string }) => name)
  assert.equal(names, [...names].sort())
  const value = (name: string) =>
    get_metrics.metrics.find((each: { name: string }) => each.name === name)?.value
  assert.is(value('allocator/mesos/resources/cpus/offered_or_allocated'), 4)
  assert.ok(value('allocator/mesos/allocation_run_ms/count') >= 1)
  assert.is(value('master/outstanding_offers'), 1)
  await m.stop()
})

test('settings that cannot be read are refused by name', async () => {
  const refusal = await masterWorld({ fault_domain: 'eu' }).catch((error: Error) => error.message)
  assert.match(String(refusal), "fault_domain: 'eu' must be REGION/ZONE")
})

test.run()
