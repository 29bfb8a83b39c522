/** The allocator as an actor: which messages call for a run, and when. Spec: allocator.md §3. */
import { type AllocatorOptions, allocator } from '../../actors/allocator/index.ts'
import {
  ActivateFramework,
  AddAgents,
  AddFramework,
  type Allocation,
  DeactivateFramework,
  RecoverResources,
  ReviveOffers,
  type Share,
  SuppressOffers,
  UpdateAgent,
  UpdateWeights,
  UseResources,
} from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import { child, type Ports, pid } from '../../src/runtime/index.ts'
import { documents } from '../support/allocation.ts'
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
}

async function scene(options: AllocatorOptions = {}, ports?: Ports): Promise<Scene> {
  const w = world()
  const children = [child(allocator({ allocationIntervalMs: INTERVAL_MS, ...options }))]
  const node = await w.start('n', ports === undefined ? { children } : { children, ports })
  const master = await w.probe(node, 'master')
  return {
    w,
    master,
    told: () =>
      master.take('ALLOCATION').map(({ body }) => (body as Payload<typeof Allocation>).shares),
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
  await master.send(to, DeactivateFramework, { framework_id: 'f' })
  await base.advance(10)
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

test('a wrong option is refused with its name', () => {
  assert.throws(() => allocator({ allocationIntervalMs: 0 }), /allocationIntervalMs/)
})

test.run()
