/** Who holds what, in whatever order it is told. Spec: allocator.md §2, §9, §10; names of §14. */
import fc from 'fast-check'
import {
  recoverShare,
  removeAgent,
  setAgentActive,
  updateAgent,
} from '../../../actors/allocator/agents.ts'
import {
  addFramework,
  removeFramework,
  updateFramework,
} from '../../../actors/allocator/frameworks.ts'
import { availableOf } from '../../../actors/allocator/ledger.ts'
import type { Share } from '../../../protocol/allocator.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { contains, equals, resources, subtract, sum } from '../../../src/resources/index.ts'
import { books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator bookkeeping')

const framework = (id: string, roles = ['*']) => ({
  framework_id: id,
  roles,
  suppressed_roles: [],
  capabilities: ['MULTI_ROLE' as const],
})

const share = (framework_id: string, agent_id: string, text: string, role = '*'): Share => ({
  framework_id,
  role,
  agent_id,
  resources: documents(text),
})

test('what is used counts once, whether framework or agent is told of first', () => {
  const used = [share('f', 'a', 'cpus:1;mem:256')]
  const agentFirst = books()
  agentFirst.agent('a', 'cpus:4;mem:1024', { used })
  addFramework(agentFirst.cluster, framework('f'), true, used)
  const frameworkFirst = books()
  addFramework(frameworkFirst.cluster, framework('f'), true, used)
  frameworkFirst.agent('a', 'cpus:4;mem:1024', { used })
  for (const b of [agentFirst, frameworkFirst]) {
    assert.is(b.share('*', 'f'), 0.25)
    assert.equal(told(b.run()), ['f a cpus:3 mem:768'])
    assert.is(b.share('*', 'f'), 1)
  }
})

test('what an unknown framework uses is not offered, and counts for it once it is known', () => {
  const b = books()
  b.agent('a', 'cpus:4;mem:1024', { used: [share('late', 'a', 'cpus:2;mem:256')] })
  b.framework('f')
  assert.equal(told(b.run()), ['f a cpus:2 mem:768'])
  b.framework('late')
  assert.is(b.share('*', 'late'), 0.5)
})

test('an unknown framework is forgotten with the last agent that spoke of it', () => {
  const b = books()
  b.agent('a', 'cpus:4;mem:1024', { used: [share('late', 'a', 'cpus:2;mem:256')] })
  removeAgent(b.cluster, 'a')
  assert.is(b.cluster.frameworks.size, 0)
})

test('what is given back is offered again; what was reserved goes to its role only', () => {
  const b = books()
  b.framework('f1', ['r1'])
  b.agent('a', 'cpus(r1):1;cpus:2;mem:512')
  const first = b.run()
  assert.is(first.length, 1)
  b.framework('f2', ['r2'])
  b.recover(first, 30)
  assert.equal(told(b.run()), ['f2 a cpus:2 mem:512'])
  b.recover(first)
  b.nowMs = 31_000
  assert.equal(told(b.run()), ['f1 a cpus:1'])
})

test('allocated reservations raise the share of their role', () => {
  const b = books()
  b.framework('f1', ['r1'])
  b.framework('f2', ['r2'])
  b.agent('a1', 'cpus(r1):2;mem(r1):1024')
  assert.equal(told(b.run()), ['f1 a1 cpus:2 mem:1024'])
  b.agent('a2', 'cpus:1;mem:512')
  assert.equal(told(b.run()), ['f2 a2 cpus:1 mem:512'])
  b.agent('a3', 'cpus:1;mem:512')
  assert.equal(told(b.run()), ['f2 a3 cpus:1 mem:512'])
})

test('a role below another may use what is reserved to that one, not the other way round', () => {
  const b = books()
  b.framework('child', ['eng/dev'])
  b.agent('a', 'cpus(eng):1;mem(eng):64')
  b.agent('b', 'cpus(eng/dev/x):1;mem(eng/dev/x):64')
  b.agent('c', 'cpus(eng2):1;mem(eng2):64')
  assert.equal(told(b.run()), ['child a cpus:1 mem:64'])
})

test('an agent with more in use than it has offers only what is really free', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:4;mem:1024')
  const [held] = b.run()
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:2;mem:2048'), attributes: [] })
  assert.equal(told(b.run()), ['f a mem:1024'])
  b.recover([{ ...held!, resources: documents('cpus:1') }])
  assert.equal(told(b.run()), [], 'still 3 of 2 in use')
  b.recover([{ ...held!, resources: documents('cpus:2') }])
  assert.equal(told(b.run()), ['f a cpus:1'])
})

test('an agent that was emptied and then shrunk does not come back as it was', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:4;mem:1024')
  const held = b.run()
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:2;mem:512'), attributes: [] })
  b.recover(held)
  assert.equal(told(b.run()), ['f a cpus:2 mem:512'])
})

test('an agent whose over-use ends does not offer more than it has', () => {
  const b = books()
  b.framework('big')
  b.agent('a', 'cpus:2;mem:1024', { used: [share('big', 'a', 'cpus:3')] })
  b.framework('f')
  assert.equal(told(b.run()), ['f a mem:1024'])
  b.recover([share('big', 'a', 'cpus:3')])
  const [freed] = b.run()
  assert.equal(
    told([freed!]).map((line) => line.slice(-6)),
    ['cpus:2'],
  )
})

test('a grown agent offers what is new, and counts in shares with what is used of it', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:1;mem:64')
  b.run()
  assert.is(b.share('*', 'f'), 1)
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:2;mem:128'), attributes: [] })
  assert.is(b.share('*', 'f'), 0.5)
  assert.equal(told(b.run()), ['f a cpus:1 mem:64'])
})

test('an update that changes nothing says so', () => {
  const b = books()
  b.agent('a', 'cpus:1;mem:64')
  const same = { agent_id: 'a', total: documents('mem:64;cpus:1'), attributes: [] }
  assert.is(updateAgent(b.cluster, same), undefined)
  assert.is(updateAgent(b.cluster, { ...same, agent_id: 'unknown' }), undefined)
})

test('what was on a removed agent is nobodys any more, and giving it back later is harmless', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:1;mem:64')
  b.agent('b', 'cpus:1;mem:64')
  const shares = b.run()
  assert.is(b.share('*', 'f'), 1)
  b.removeAgent('a')
  assert.is(b.share('*', 'f'), 1)
  b.recover(shares, 30)
  assert.is(b.share('*', 'f'), 0)
  assert.is(b.cluster.agents.size, 1)
})

test('an inactive agent is not offered and still counts', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:1;mem:64')
  b.agent('b', 'cpus:1;mem:64')
  setAgentActive(b.cluster, 'a', false)
  assert.equal(told(b.run()), ['f b cpus:1 mem:64'])
  assert.is(b.share('*', 'f'), 0.5)
  setAgentActive(b.cluster, 'a', true)
  assert.is(b.run().length, 1)
})

// NonScalarReservationTrackingMESOS_9555
test('reserved ports of several agents come and go with them', () => {
  const b = books()
  b.quota('r', 'cpus:1')
  b.framework('f', ['r'])
  for (const id of ['a', 'b']) b.agent(id, 'cpus:1;mem:64;ports(r):[1-4]')
  assert.is(b.run().length, 2)
  b.removeAgent('a')
  b.agent('c', 'cpus:1;mem:64;ports(r):[5-9]')
  assert.equal(b.run()[0]?.resources, documents('cpus:1;mem:64;ports(r):[5-9]'))
})

test('a role that was left keeps what it holds, gets no more, and is gone when that is given back', () => {
  const b = books()
  b.framework('f', ['r1'])
  b.agent('a', 'cpus:1;mem:64')
  const held = b.run()
  updateFramework(b.cluster, framework('f', ['r2']))
  assert.is(b.share('r1'), 1)
  b.agent('b', 'cpus:1;mem:64')
  assert.equal(
    b.run().map(({ role }) => role),
    ['r2'],
  )
  b.recover(held)
  assert.is(b.cluster.roles.find('r1'), undefined)
})

test('a whole agent is offered with the very documents that it came with, frozen', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:1;mem:64')
  const [first] = b.run()
  b.recover([first!])
  const [second] = b.run()
  assert.is(first?.resources, second?.resources)
  assert.ok(Object.isFrozen(first?.resources) && Object.isFrozen(first?.resources[0]?.scalar))
})

test('a shared volume is offered while it is used, and counts once for whoever uses it', () => {
  const volume: Resource = {
    name: 'disk',
    type: 'SCALAR',
    scalar: { value: 100 },
    reservations: [{ type: 'DYNAMIC', role: 'r', principal: 'p' }],
    disk: {
      persistence: { id: 'v', principal: 'p' },
      volume: { mode: 'RW', container_path: 'data' },
    },
    shared: {},
  }
  const b = books({ minAllocatableResources: '' })
  b.framework('plain', ['r'])
  b.agent('a', [...documents('cpus:1;mem:64'), volume])
  const capabilities = ['MULTI_ROLE' as const, 'SHARED_RESOURCES' as const]
  assert.equal(told(b.run()), ['plain a cpus:1 mem:64'])
  b.framework('sharing', ['r'], { capabilities })
  assert.equal(told(b.run()), ['sharing a disk:100'])
  assert.equal(told(b.run()), ['sharing a disk:100'], 'a second copy')
  assert.is(b.share('r', 'sharing'), 1)
  b.recover([{ ...share('sharing', 'a', ''), role: 'r', resources: [volume] }])
  assert.is(b.share('r', 'sharing'), 1, 'one copy is left')
  b.recover([{ ...share('sharing', 'a', ''), role: 'r', resources: [volume] }])
  assert.is(b.share('r', 'sharing'), 0)
})

test('nothing is ever held twice, and what is free and held is all that there is', () => {
  const step = fc.oneof(
    fc.constant({ act: 'run' as const }),
    fc.record({
      act: fc.constantFrom('decline', 'use part', 'finish'),
      pick: fc.nat(20),
      refuse: fc.constantFrom(undefined, 1, 100),
    }),
    fc.record({
      act: fc.constantFrom('add framework', 'remove framework', 'replace agent'),
      pick: fc.nat(3),
    }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const b = books()
      const texts = ['cpus:4;mem:1024;ports:[1-10]', 'cpus:2;cpus(r1):2;mem:512', 'cpus:1;mem:32']
      for (const [i, text] of texts.entries()) b.agent(`a${i}`, text)
      let offered: Share[] = []
      for (const one of steps) {
        b.nowMs += 700
        if (one.act === 'run') offered.push(...b.run())
        else if (one.act === 'add framework') b.framework(`f${one.pick}`, [`r${one.pick % 2}`])
        else if (one.act === 'remove framework') {
          removeFramework(b.cluster, `f${one.pick}`)
          offered = offered.filter(({ framework_id }) => framework_id !== `f${one.pick}`)
        } else if (one.act === 'replace agent') {
          const id = `a${one.pick % 3}`
          b.agent(id, texts[one.pick % 3]!)
          offered = offered.filter(({ agent_id }) => agent_id !== id)
        } else if ('refuse' in one && offered.length > 0) {
          const [back] = offered.splice(one.pick % offered.length, 1)
          if (one.act === 'use part') {
            const part = subtract(resources(back!.resources), resources(documents('cpus:0.5')))
            recoverShare(b.cluster, { ...back!, resources: [...part] }, one.refuse, b.nowMs)
          } else b.recover([back!], one.refuse)
        }
        for (const agent of b.cluster.agents.values()) {
          const held = sum(agent.holdings.map(({ bundle }) => bundle.resources))
          const free = availableOf(b.cluster, agent).resources
          assert.ok(contains(agent.total.resources, held))
          assert.ok(equals(subtract(agent.total.resources, held), free))
        }
      }
    }),
  )
})

test.run()
