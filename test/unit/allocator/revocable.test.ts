/** Oversubscribed resources, and volumes that several tasks share. Spec: allocator.md §10; names of §14. */
import { updateAgent } from '../../../actors/allocator/agents.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator revocable and shared')

const revocable = (text: string): Resource[] =>
  documents(text).map((resource) => ({ ...resource, revocable: {} }))

const REVOCABLE = { capabilities: ['MULTI_ROLE' as const, 'REVOCABLE_RESOURCES' as const] }
const SHARED = { capabilities: ['MULTI_ROLE' as const, 'SHARED_RESOURCES' as const] }

const volume: Resource = {
  ...documents('disk:100')[0]!,
  reservations: [{ type: 'DYNAMIC', role: 'r', principal: 'p' }],
  disk: {
    persistence: { id: 'v', principal: 'p' },
    volume: { mode: 'RW', container_path: 'data' },
  },
  shared: {},
}

// UpdateSlaveOversubscribedResources
test('a new estimate replaces the last one', () => {
  const b = books()
  b.framework('f', ['*'], REVOCABLE)
  const total = (cpus: number) => [...documents('mem:64'), ...revocable(`cpus:${cpus}`)]
  b.agent('a', total(5))
  const first = b.run()
  assert.equal(told(first), ['f a mem:64 cpus:5'])
  updateAgent(b.cluster, { agent_id: 'a', total: total(7), attributes: [] })
  assert.equal(told(b.run()), ['f a cpus:2'])
  updateAgent(b.cluster, { agent_id: 'a', total: total(4), attributes: [] })
  b.recover(first)
  assert.equal(told(b.run()), ['f a mem:64 cpus:2'], '2 of 4 are held')
})

// OversubscribedNotAllocated, RecoverOversubscribedResources
test('what was lent comes back in parts, and to those only who ask for such', () => {
  const b = books()
  b.framework('plain')
  b.framework('borrower', ['r'], REVOCABLE)
  b.agent('a', [...documents('cpus:1;mem:64'), ...revocable('cpus:6')])
  const shares = b.run()
  const lent = shares.filter(({ resources }) => resources.some((each) => each.revocable))
  assert.equal(
    lent.map(({ framework_id }) => framework_id),
    ['borrower'],
  )
  b.recover([{ ...lent[0]!, resources: revocable('cpus:2') }])
  assert.equal(told(b.run()), ['borrower a cpus:2'])
})

test('what is lent counts in shares like anything else', () => {
  const b = books()
  b.framework('borrower', ['r'], REVOCABLE)
  b.agent('a', [...documents('cpus:2;mem:64'), ...revocable('cpus:2')])
  b.run()
  assert.is(b.share('r'), 1)
})

// SharedResourcesCapability, AllocateSharedResources
test('a shared volume is offered to one framework at a time, in use or not', () => {
  const b = books({ minAllocatableResources: '' })
  b.framework('f1', ['r'], SHARED)
  b.framework('f2', ['r'], SHARED)
  b.agent('a', [volume])
  assert.is(b.run().length, 1)
  assert.is(b.run().length, 1, 'a further copy')
})

test('a run that meets guarantees first offers a shared volume once all the same', () => {
  const b = books({ minAllocatableResources: '' })
  b.quota('r', 'cpus:1;disk:200')
  b.framework('f1', ['r'], SHARED)
  b.framework('f2', ['r'], SHARED)
  b.agent('a', [...documents('cpus:1;mem:64'), volume])
  const copies = b.run().flatMap(({ resources }) => resources.filter(({ shared }) => shared))
  assert.is(copies.length, 1)
})

test.run()
