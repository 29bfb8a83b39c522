/** Quotas and weights, set while the cluster runs. Spec: operator-api.md §B.1, master.md §14. */
import {
  type Document,
  launch,
  type MasterWorld,
  masterWorld,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: quotas and weights')

function amounts(values: Record<string, number>): Document {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]))
}

function setQuota(m: MasterWorld, quota_configs: Document[], force = false): Promise<Document> {
  return m.operate({ type: 'UPDATE_QUOTA', update_quota: { force, quota_configs } })
}

async function quotas(m: MasterWorld): Promise<Document> {
  const { configs } = (await m.operate({ type: 'GET_QUOTA' })).get_quota.status
  return configs.map(({ consumed: _, ...config }: Document) => config)
}

function setWeights(m: MasterWorld, weights: Record<string, number>): Promise<Document> {
  const weight_infos = Object.entries(weights).map(([role, weight]) => ({ role, weight }))
  return m.operate({ type: 'UPDATE_WEIGHTS', update_weights: { weight_infos } })
}

async function weights(m: MasterWorld): Promise<Document> {
  return (await m.operate({ type: 'GET_WEIGHTS' })).get_weights.weight_infos
}

function cpusOf({ resources }: Document): number {
  return resources.find(({ name }: { name: string }) => name === 'cpus').scalar.value
}

/** What the allocator was told in its present life, of one kind. */
function told(m: MasterWorld, type: string): Document[] {
  return m.told.filter((each) => each.type === type).map(({ body }) => body)
}

test('a quota is told to the allocator and outlives the master', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a')
  const config = { role: 'eng', guarantees: amounts({ cpus: 2 }), limits: amounts({ cpus: 3 }) }
  assert.equal(await setQuota(m, [config]), {})
  assert.equal(await quotas(m), [config])
  assert.equal(told(m, 'UPDATE_QUOTA'), [{ quota_configs: [config] }])
  await m.failOver()
  assert.equal(await quotas(m), [config])
  await agent.start()
  await agent.reregister()
  const framework = await m.framework({ role: 'eng' })
  assert.is(cpusOf(await framework.offer()), 3, 'the new allocator knows of it')
  assert.equal(await setQuota(m, [{ role: 'eng' }]), {})
  assert.equal(await quotas(m), [])
  await m.failOver()
  assert.equal(await quotas(m), [])
  await m.stop()
})

test('a limit holds for what is offered next, and withdraws what was offered before', async () => {
  const m = await masterWorld()
  await m.agent('a')
  const framework = await m.framework({ role: 'eng' })
  await framework.offer()
  assert.equal(await setQuota(m, [{ role: 'eng', limits: amounts({ cpus: 1 }) }]), {})
  await m.world.settle()
  assert.equal(framework.offers, [], 'it held four')
  assert.is(cpusOf(await framework.offer()), 1)
  await m.stop()
})

test('a guarantee withdraws offers of other roles, as many as it needs', async () => {
  const m = await masterWorld()
  await m.agent('a')
  await m.agent('b')
  const other = await m.framework({ role: 'ops' })
  await m.world.until(() => other.offers.length === 2, 5000)
  assert.equal(await setQuota(m, [{ role: 'eng', guarantees: amounts({ cpus: 2 }) }]), {})
  await m.world.settle()
  assert.is(other.offers.length, 1)
  const framework = await m.framework({ role: 'eng' })
  await framework.offer()
  await m.stop()
})

test('more than the agents have is not guaranteed, unless it is forced', async () => {
  const m = await masterWorld()
  await m.agent('a')
  assert.equal(await setQuota(m, [{ role: 'eng', guarantees: amounts({ cpus: 3 }) }]), {})
  const config = { role: 'ops', guarantees: amounts({ cpus: 2 }) }
  const { error } = await setQuota(m, [config])
  assert.is(error.code, 'NOT_AVAILABLE')
  assert.match(error.message, /5 cpus would be guaranteed in all, the agents have 4/)
  assert.is((await quotas(m)).length, 1)
  assert.equal(await setQuota(m, [config], true), {})
  assert.is((await quotas(m)).length, 2)
  await m.stop()
})

test('a limit below what runs is refused, unless it is forced; tasks run on', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a')
  const framework = await m.framework({ role: 'eng/web' })
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer, offer.resources))])
  await agent.update(framework, 't1', 'TASK_RUNNING')
  const config = { role: 'eng', limits: amounts({ cpus: 1 }) }
  const { error } = await setQuota(m, [config])
  assert.is(error.code, 'NOT_AVAILABLE')
  assert.match(error.message, /eng has 4 cpus already, more than 1/)
  assert.equal(await setQuota(m, [config], true), {})
  await m.world.advance(5000)
  assert.equal(framework.fates, ['TASK_RUNNING'])
  await m.stop()
})

test('of several configurations all are taken or none, and a fault is told by its place', async () => {
  const m = await masterWorld()
  await m.agent('a')
  const good = { role: 'ok', limits: amounts({ cpus: 1 }) }
  const faults: Array<[Document[], RegExp]> = [
    [[], /quota_configs: must name a role/],
    [[good, { role: 'eng/web' }], /\[1\].role: only roles without/],
    [[good, { role: '' }], /\[1\].role/],
    [[good, good], /\[1\].role: ok stands twice/],
    [[good, { role: 'a', limits: amounts({ cpus: -1 }) }], /\[1\].limits.cpus: must be 0 or/],
    [[good, { role: 'a', guarantees: amounts({ mem: 1e15 }) }], /\[1\].guarantees.mem: must be/],
    [
      [good, { role: 'a', guarantees: amounts({ cpus: 2 }), limits: amounts({ cpus: 1 }) }],
      /\[1\].guarantees.cpus: must not be above the limit/,
    ],
  ]
  for (const [configs, pattern] of faults) {
    const { error } = await setQuota(m, configs, true)
    assert.is(error?.code, 'INVALID_MESSAGE', String(pattern))
    assert.match(error.message, pattern)
  }
  assert.equal(await quotas(m), [])
  await m.stop()
})

test('weights are told to the allocator, withdraw offers and outlive the master', async () => {
  const m = await masterWorld({ weights: ['eng=2'] })
  await m.agent('a')
  const framework = await m.framework({ role: 'eng' })
  await framework.offer()
  assert.equal(await weights(m), [{ role: 'eng', weight: 2 }])
  assert.equal(await setWeights(m, { ops: 4 }), {})
  await m.world.settle()
  assert.is(framework.offers.length, 1, 'nobody is in that role')
  assert.equal(await setWeights(m, { eng: 3 }), {})
  await m.world.settle()
  assert.equal(framework.offers, [])
  assert.equal(told(m, 'UPDATE_WEIGHTS').at(-1), { weights: { eng: 3 } })
  const now = [
    { role: 'eng', weight: 3 },
    { role: 'ops', weight: 4 },
  ]
  assert.equal(await weights(m), now)
  await m.failOver()
  assert.equal(await weights(m), now, 'not those of the option')
  await m.stop()
})

test('weights that cannot be are refused by their place', async () => {
  const m = await masterWorld()
  for (const [given, pattern] of [
    [{}, /weight_infos: must name a role/],
    [{ ok: 1, eng: 0 }, /\[1\].weight: must be above 0/],
    [{ ok: 1, '/eng': 1 }, /\[1\].role/],
  ] as const) {
    const { error } = await setWeights(m, given as unknown as Record<string, number>)
    assert.is(error?.code, 'INVALID_MESSAGE')
    assert.match(error.message, pattern)
  }
  assert.equal(await weights(m), [])
  await m.stop()
})

test.run()
