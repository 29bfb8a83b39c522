/** GET_ROLES and GET_QUOTA: who has how much. Spec: operator-api.md §B, §E.1. */
import {
  type Document,
  launch,
  type MasterWorld,
  masterWorld,
  scalar,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: roles')

const held = [scalar('cpus', 1), scalar('mem', 100)]

async function roles(m: MasterWorld): Promise<Document> {
  const listed = (await m.operate({ type: 'GET_ROLES' })).get_roles.roles
  return Object.fromEntries(listed.map((role: Document) => [role.name, role]))
}

function amounts(values: Record<string, number>): Document {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]))
}

function reserve(m: MasterWorld, agentId: string, role: string, cpus: number) {
  const reservations = [{ type: 'DYNAMIC' as const, role }]
  const resources = [{ ...scalar('cpus', cpus), reservations }]
  const reserve_resources = { agent_id: { value: agentId }, resources }
  return m.operate({ type: 'RESERVE_RESOURCES', reserve_resources })
}

test('a role without frameworks is there if something is set for it or reserved', async () => {
  const m = await masterWorld()
  assert.equal(await roles(m), {})
  const agent = await m.agent('a')
  const update_weights = { weight_infos: [{ role: 'far/heavy', weight: 2.5 }] }
  await m.operate({ type: 'UPDATE_WEIGHTS', update_weights })
  const quota_configs = [{ role: 'few', limits: amounts({ cpus: 1 }) }]
  await m.operate({ type: 'UPDATE_QUOTA', update_quota: { quota_configs } })
  assert.equal(await reserve(m, agent.id, 'eng/web', 1.5), {})
  const found = await roles(m)
  assert.equal(Object.keys(found), ['eng', 'eng/web', 'far', 'far/heavy', 'few'])
  assert.is(found.far.weight, 1)
  assert.equal(found['far/heavy'], {
    name: 'far/heavy',
    weight: 2.5,
    frameworks: [],
    resources: [],
    allocated: {},
    offered: {},
    reserved: {},
  })
  assert.equal(found.eng.reserved, { cpus: { value: 1.5 } })
  assert.equal(found['eng/web'].reserved, { cpus: { value: 1.5 } })
  assert.equal(found.few.quota, { ...quota_configs[0], consumed: {} })
  await m.stop()
})

test('what is used, offered and reserved counts for a role and those above it', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a', [scalar('cpus', 4), scalar('mem', 1000)])
  const web = await m.framework({ role: 'eng/web' })
  const offer = await web.offer()
  await web.accept(offer, [launch(task('t', offer, held))])
  const rest = await web.offer()
  assert.equal(rest.resources.map(({ scalar }: Document) => scalar.value).sort(), [3, 900])
  const found = await roles(m)
  for (const name of ['eng', 'eng/web']) {
    const { allocated, offered, reserved, resources } = found[name]
    assert.equal(allocated, amounts({ cpus: 1, mem: 100 }))
    assert.equal(offered, amounts({ cpus: 3, mem: 900 }))
    assert.equal(reserved, {})
    assert.equal(resources, [scalar('cpus', 4), scalar('mem', 1000)])
  }
  assert.equal(found.eng.frameworks, [])
  assert.equal(found['eng/web'].frameworks, [{ value: web.id }])
  await web.call('DECLINE', { decline: { offer_ids: [rest.id], filters: { refuse_seconds: 600 } } })
  await agent.update(web, 't', 'TASK_FINISHED')
  assert.equal((await roles(m)).eng.allocated, {}, 'an ended task holds nothing')
  await m.stop()
})

test('reservations are charged to a quota, used or not, and used ones once', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a', [scalar('cpus', 4), scalar('mem', 1000)])
  const quota_configs = [{ role: 'eng', limits: amounts({ cpus: 10 }) }]
  await m.operate({ type: 'UPDATE_QUOTA', update_quota: { quota_configs } })
  assert.equal(await reserve(m, agent.id, 'eng', 2), {})
  const consumed = async () =>
    (await m.operate({ type: 'GET_QUOTA' })).get_quota.status.configs[0].consumed
  assert.equal(await consumed(), amounts({ cpus: 2 }))
  const framework = await m.framework({
    role: 'eng',
    capabilities: [{ type: 'RESERVATION_REFINEMENT' }],
  })
  const offer = await framework.offer()
  assert.equal(await consumed(), amounts({ cpus: 2 }), 'offers are not charged')
  const reservations = [{ type: 'DYNAMIC' as const, role: 'eng' }]
  const own = [{ ...scalar('cpus', 1), reservations }, ...held]
  await framework.accept(offer, [launch(task('t', offer, own))])
  assert.equal(framework.fates, [])
  assert.equal(await consumed(), amounts({ cpus: 3, mem: 100 }))
  const { eng } = await roles(m)
  assert.equal(eng.quota.consumed, amounts({ cpus: 3, mem: 100 }))
  assert.equal(eng.allocated, amounts({ cpus: 2, mem: 100 }))
  assert.equal(eng.reserved, amounts({ cpus: 2 }))
  await m.stop()
})

test.run()
