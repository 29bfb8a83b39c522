/** The allocator as an actor: which messages call for a run, and when. Spec: allocator.md §3. */
import { type AllocatorOptions, allocator } from '../../actors/allocator/index.ts'
import {
  ActivateFramework,
  AddAgents,
  AddFramework,
  type Allocation,
  DeactivateFramework,
  type InverseAllocation,
  Recover,
  RecoverResources,
  ReviveOffers,
  type Share,
  SuppressOffers,
  UpdateAgent,
  UpdateInverseOffer,
  UpdateQuota,
  UpdateUnavailability,
  UpdateWeights,
  UpdateWhitelist,
  UseResources,
} from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import { child, type Ports, pid } from '../../src/runtime/index.ts'
import { documents, quotaConfig } from '../support/allocation.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('allocator actor')
const INTERVAL_MS = 1000
const to = pid('allocator', 'n')

interface Scene {
  readonly w: World
  readonly master: Probe
  /** Allocations since the last call, one list for each message. */
  told(): Share[][]
  /** Inverse offers since the last call, as `framework agent`. */
  asked(): string[]
}

async function scene(options: AllocatorOptions = {}, ports?: Ports): Promise<Scene> {
  const w = world()
  const children = [child(allocator({ allocationIntervalMs: INTERVAL_MS, ...options }))]
  const node = await w.start('n', ports === undefined ? { children } : { children, ports })
  const master = await w.probe(node, 'master')
  master.answers.set('ALLOCATION', {})
  return {
    w,
    master,
    told: () =>
      master.take('ALLOCATION').map(({ body }) => (body as Payload<typeof Allocation>).shares),
    asked: () =>
      master
        .take('INVERSE_ALLOCATION')
        .flatMap(({ body }) => (body as Payload<typeof InverseAllocation>).inverse_offers)
        .map(({ framework_id, agent_id }) => `${framework_id} ${agent_id}`),
  }
}

const frameworkOf = (framework_id: string): Payload<typeof AddFramework> => ({
  framework: { framework_id, roles: ['*'], suppressed_roles: [], capabilities: ['MULTI_ROLE'] },
  active: true,
  used: [],
})

const agentsOf = (...ids: string[]): Payload<typeof AddAgents> => ({
  agents: ids.map((agent_id) => ({
    agent_id,
    hostname: agent_id,
    attributes: [],
    total: documents('cpus:2;mem:1024'),
    active: true,
    used: [],
  })),
})

const placed = (shares: readonly Share[]) =>
  shares.map(({ framework_id, agent_id }) => `${framework_id} ${agent_id}`).sort()

test('a new framework gets what there is, and a new agent goes out at once', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddAgents, agentsOf('a'))
  assert.equal(told(), [])
  await master.send(to, AddFramework, frameworkOf('f'))
  assert.equal(told().map(placed), [['f a']])
  await master.send(to, AddAgents, agentsOf('b'))
  assert.equal(told().map(placed), [['f b']])
  await w.stop()
})

test('triggers that come together share one run', async () => {
  const { w, master, told } = await scene()
  await master.turn((cx) => {
    cx.send(to, AddFramework, frameworkOf('f'))
    cx.send(to, AddFramework, frameworkOf('g'))
    cx.send(to, AddAgents, agentsOf('a', 'b'))
    cx.send(to, AddAgents, agentsOf('c', 'd'))
    cx.send(to, ReviveOffers, { framework_id: 'f', roles: [] })
  })
  const [shares, ...more] = told()
  assert.is(shares?.length, 4)
  assert.equal(more, [])
  await w.stop()
})

test('what is given back waits for the interval, even if nobody has refused it', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a'))
  const [shares] = told()
  await master.send(to, RecoverResources, { shares: shares!, used: false })
  await w.advance(INTERVAL_MS - 1)
  assert.equal(told(), [])
  await w.advance(1)
  assert.equal(told().map(placed), [['f a']])
  await w.stop()
})

test('a declined agent is hidden for the time asked for, and then offered again', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a'))
  const [shares] = told()
  await master.send(to, RecoverResources, { shares: shares!, refuse_seconds: 5, used: false })
  await w.advance(5000)
  assert.equal(told(), [])
  await w.advance(INTERVAL_MS)
  assert.equal(told().map(placed), [['f a']])
  await w.stop()
})

test('reviving brings a declined agent back at once', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a'))
  const [shares] = told()
  await master.send(to, RecoverResources, { shares: shares!, refuse_seconds: 3600, used: false })
  await master.send(to, SuppressOffers, { framework_id: 'f', roles: [] })
  await w.advance(2 * INTERVAL_MS)
  assert.equal(told(), [])
  await master.send(to, ReviveOffers, { framework_id: 'f', roles: [] })
  assert.equal(told().map(placed), [['f a']])
  await w.stop()
})

test('a framework that does not listen gets nothing until it listens again', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, { ...frameworkOf('f'), active: false })
  await master.send(to, AddAgents, agentsOf('a'))
  await w.advance(INTERVAL_MS)
  assert.equal(told(), [])
  await master.send(to, ActivateFramework, { framework_id: 'f' })
  const [shares] = told()
  assert.equal(placed(shares!), ['f a'])
  await master.send(to, UseResources, { shares: shares! })
  await master.send(to, DeactivateFramework, { framework_id: 'f' })
  await master.send(to, RecoverResources, { shares: shares!, used: true })
  await w.advance(INTERVAL_MS)
  assert.equal(told(), [])
  await w.stop()
})

test('an agent that has grown is offered at once, one that is the same is not looked at', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a', 'b'))
  const [shares] = told()
  await master.send(to, RecoverResources, { shares: shares!, used: false })
  const update = { agent_id: 'a', total: documents('cpus:2;mem:1024'), attributes: [] }
  await master.send(to, UpdateAgent, update)
  assert.equal(told(), [])
  await master.send(to, UpdateAgent, { ...update, total: documents('cpus:4;mem:1024') })
  assert.equal(told().map(placed), [['f a']], 'of b, which is free too, nothing has changed')
  await w.stop()
})

test('weights decide from the next run on', async () => {
  const { w, master, told } = await scene()
  const inRole = (id: string) => {
    const { framework, ...rest } = frameworkOf(id)
    return { ...rest, framework: { ...framework, roles: [`role-${id}`] } }
  }
  await master.send(to, AddFramework, inRole('f'))
  await master.send(to, AddFramework, inRole('g'))
  await master.send(to, UpdateWeights, { weights: { 'role-f': 3 } })
  await master.send(to, AddAgents, agentsOf('a', 'b', 'c', 'd'))
  const [shares] = told()
  assert.is(shares?.filter(({ framework_id }) => framework_id === 'f').length, 3)
  await w.stop()
})

test('a long run goes in slices: others have their turn between, and changes count at once', async () => {
  const base = world()
  const ports = base.ports('n')
  // Each look at the clock takes two milliseconds, so that a slice is a few looks long.
  let spentMs = 0
  const monotonic = () => {
    spentMs += 2
    return ports.clock.monotonic() + spentMs
  }
  const slow = { ...ports, clock: { ...ports.clock, monotonic } }
  const children = [child(allocator({ allocationIntervalMs: INTERVAL_MS }))]
  const node = await base.start('n', { children, ports: slow })
  const master = await base.probe(node, 'master')
  const ids = Array.from({ length: 100 }, (_, i) => `a${i}`)
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf(...ids))
  const first = master.take('ALLOCATION')
  assert.is(first.length, 1)
  const firstShares = (first[0]!.body as Payload<typeof Allocation>).shares
  assert.ok(firstShares.length < ids.length, `${firstShares.length} in the first slice`)
  await base.advance(10)
  assert.equal(master.take('ALLOCATION'), [], 'the master has not taken the first slice yet')
  await master.send(to, DeactivateFramework, { framework_id: 'f' })
  master.answers.set('ALLOCATION', {})
  await base.advance(6000)
  assert.equal(master.take('ALLOCATION'), [], 'the rest of the run knows that nobody listens')
  await master.send(to, ActivateFramework, { framework_id: 'f' })
  await base.advance(100)
  const rest = master
    .take('ALLOCATION')
    .map(({ body }) => (body as Payload<typeof Allocation>).shares)
  assert.ok(rest.length > 1)
  const seen = [firstShares, ...rest].flat().map(({ agent_id }) => agent_id)
  assert.equal([...seen].sort(), [...ids].sort(), 'each agent once')
  await base.stop()
})

test('a run makes no more than some 400 offers before others have their turn', async () => {
  const { w, master, told } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  const ids = Array.from({ length: 1200 }, (_, i) => `a${i}`)
  await master.send(to, AddAgents, agentsOf(...ids))
  await w.advance(10)
  assert.equal(
    told().map(({ length }) => length),
    [400, 400, 400],
  )
  await w.stop()
})

test('after a failover with quotas nothing is offered before most agents are back', async () => {
  const { w, master, told } = await scene()
  const quota_configs = [quotaConfig('q', 'cpus:1')]
  await master.send(to, Recover, { agents: 5, quota_configs })
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a', 'b', 'c'))
  await w.advance(10 * INTERVAL_MS)
  assert.equal(told(), [], '3 of 5 are back')
  await master.send(to, AddAgents, agentsOf('d'))
  const shares = told().flat()
  assert.is(shares.length, 4, 'the headroom for q is taken from one of them')
  await w.stop()
})

test('agents that never come back are waited for ten minutes, and not at all without quotas', async () => {
  for (const [quota_configs, waits] of [
    [[quotaConfig('q', 'cpus:1')], true],
    [[], false],
  ] as const) {
    const { w, master, told } = await scene()
    await master.send(to, Recover, { agents: 5, quota_configs: [...quota_configs] })
    await master.send(to, AddFramework, frameworkOf('f'))
    await master.send(to, AddAgents, agentsOf('a', 'b'))
    assert.is(told().length, waits ? 0 : 1)
    await w.advance(600_000 - 1)
    assert.equal(told(), [])
    await w.advance(1)
    assert.is(told().length, waits ? 1 : 0)
    await w.stop()
  }
})

test('a quota counts from the next run on', async () => {
  const { w, master, told } = await scene()
  await master.send(to, UpdateQuota, { quota_configs: [quotaConfig('*', '', 'cpus:3')] })
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a', 'b'))
  const cpus = (shares: readonly Share[]) =>
    shares.flatMap(({ resources }) => resources.find(({ name }) => name === 'cpus')?.scalar ?? [])
  assert.equal(told().map(cpus), [[{ value: 2 }, { value: 1 }]])
  await master.send(to, UpdateQuota, { quota_configs: [quotaConfig('*')] })
  assert.equal(told(), [])
  await w.advance(INTERVAL_MS)
  assert.equal(told().map(cpus), [[{ value: 1 }]])
  await w.stop()
})

test('only agents on hosts of the whitelist are offered', async () => {
  const { w, master, told } = await scene()
  await master.send(to, UpdateWhitelist, { hostnames: ['a'] })
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddAgents, agentsOf('a', 'b'))
  assert.equal(told().map(placed), [['f a']])
  await w.advance(INTERVAL_MS)
  assert.equal(told(), [])
  await master.send(to, UpdateWhitelist, {})
  await w.advance(INTERVAL_MS)
  assert.equal(told().map(placed), [['f b']])
  await w.stop()
})

const unavailability = { start: { nanoseconds: 1 } }

test('frameworks on an agent are asked once to give it back before its maintenance', async () => {
  const { w, master, asked } = await scene()
  await master.send(to, AddFramework, frameworkOf('f'))
  await master.send(to, AddFramework, { ...frameworkOf('silent'), active: false })
  const [a, b] = agentsOf('a', 'b').agents
  const used = [
    { framework_id: 'silent', role: '*', agent_id: 'b', resources: documents('cpus:1') },
  ]
  await master.send(to, AddAgents, { agents: [a!, { ...b!, used, unavailability }] })
  assert.equal(asked(), ['f b'], 'it was offered b')
  await master.send(to, UpdateUnavailability, { agents: [{ agent_id: 'a', unavailability }] })
  assert.equal(asked(), ['f a'])
  await w.advance(5 * INTERVAL_MS)
  assert.equal(asked(), [])
  await w.stop()
})

// AddAgentWithUnknownFrameworkAndMaintenance (MESOS-10109)
test('frameworks that are not known yet are asked when they are', async () => {
  const { w, master, asked } = await scene()
  const [agent] = agentsOf('a').agents
  const used = [{ framework_id: 'f', role: '*', agent_id: 'a', resources: documents('cpus:1') }]
  await master.send(to, AddAgents, { agents: [{ ...agent!, used, unavailability }] })
  assert.equal(asked(), [])
  await master.send(to, AddFramework, frameworkOf('f'))
  assert.equal(asked(), ['f a'])
  await w.stop()
})

test('who has answered is asked again after the time of its filter, or when offers are revived', async () => {
  const { w, master, asked } = await scene()
  const inverse_offers = [{ framework_id: 'f', agent_id: 'a' }]
  await master.send(to, AddFramework, frameworkOf('f'))
  const [agent] = agentsOf('a').agents
  await master.send(to, AddAgents, { agents: [{ ...agent!, unavailability }] })
  assert.equal(asked(), ['f a'])
  await master.send(to, UpdateInverseOffer, { inverse_offers, refuse_seconds: 5 })
  await w.advance(4999)
  assert.equal(asked(), [])
  await w.advance(2 * INTERVAL_MS)
  assert.equal(asked(), ['f a'])
  await master.send(to, UpdateInverseOffer, { inverse_offers, refuse_seconds: 3600 })
  await master.send(to, ReviveOffers, { framework_id: 'f', roles: [] })
  assert.equal(asked(), ['f a'])
  await master.send(to, UpdateUnavailability, { agents: [{ agent_id: 'a' }] })
  await master.send(to, UpdateInverseOffer, { inverse_offers })
  await w.advance(2 * INTERVAL_MS)
  assert.equal(asked(), [], 'there is no maintenance any more')
  await w.stop()
})

test('a wrong option is refused with its name', () => {
  assert.throws(() => allocator({ allocationIntervalMs: 0 }), /allocationIntervalMs/)
})

test.run()
