/** Refuse filters, suppression and activity. Spec: allocator.md §6, §7; names of §14. */

import { updateAgent } from '../../../actors/allocator/agents.ts'
import { FILTERS_MAX, refusalMs } from '../../../actors/allocator/filters.ts'
import {
  activateFramework,
  addFramework,
  deactivateFramework,
  removeFramework,
  reviveOffers,
  suppressOffers,
  updateFramework,
} from '../../../actors/allocator/frameworks.ts'
import type { FrameworkOptions } from '../../../protocol/allocator.ts'
import { books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator filters')

/** One framework, one agent, everything declined at time 0. */
function declined(refuseSeconds: number | undefined, total = 'cpus:2;mem:1024') {
  const b = books()
  b.framework('f')
  b.agent('a', total)
  b.recover(b.run(), refuseSeconds)
  return b
}

const options = (id: string, more: Partial<FrameworkOptions> = {}): FrameworkOptions => ({
  framework_id: id,
  roles: ['*'],
  suppressed_roles: [],
  capabilities: ['MULTI_ROLE'],
  ...more,
})

test('a filter hides the agent until it ends', () => {
  const b = declined(30)
  for (const nowMs of [1000, 29_000, 30_000]) {
    b.nowMs = nowMs
    assert.equal(told(b.run()), [])
  }
  b.nowMs = 30_001
  assert.equal(told(b.run()), ['f a cpus:2 mem:1024'])
})

test('a filter shorter than the allocation interval still covers the next run', () => {
  const b = declined(0.001)
  b.nowMs = 1000
  assert.equal(told(b.run()), [])
  b.nowMs = 2000
  assert.equal(told(b.run()), ['f a cpus:2 mem:1024'])
})

test('no seconds mean no filter', () => {
  assert.equal(told(declined(0).run()), ['f a cpus:2 mem:1024'])
  assert.equal(told(declined(undefined).run()), ['f a cpus:2 mem:1024'])
})

test('seconds that make no sense count as five, and a year is the most', () => {
  assert.is(refusalMs(-1), 5000)
  assert.is(refusalMs(Number.NaN), 5000)
  assert.is(refusalMs(0), 0)
  assert.is(refusalMs(1e12), 365 * 24 * 3600 * 1000)
})

test('what a framework has declined goes to others', () => {
  const b = declined(30)
  b.framework('g')
  assert.equal(told(b.run()), ['g a cpus:2 mem:1024'])
})

test('a little more than what was declined is offered again, the same or less is not', () => {
  const b = declined(30)
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:1;mem:1024'), attributes: [] })
  assert.equal(told(b.run()), [])
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:2;mem:1024.001'), attributes: [] })
  assert.equal(told(b.run()), ['f a cpus:2 mem:1024.001'])
})

test('more of what is no scalar is more too', () => {
  const b = declined(30, 'cpus:2;mem:64;ports:[1-5]')
  const grown = documents('cpus:2;mem:64;ports:[1-6]')
  updateAgent(b.cluster, { agent_id: 'a', total: grown, attributes: [] })
  assert.is(b.run().length, 1)
})

test('two declined halves do not hide the whole', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:1024')
  const [share] = b.run()
  const half = { ...share!, resources: documents('cpus:1;mem:512') }
  b.recover([half], 30)
  b.recover([half], 30)
  assert.equal(told(b.run()), ['f a cpus:2 mem:1024'])
})

test('other attributes make all filters of an agent void', () => {
  const b = declined(30)
  const attributes = [{ name: 'rack', type: 'TEXT' as const, text: { value: 'r1' } }]
  updateAgent(b.cluster, { agent_id: 'a', total: documents('cpus:2;mem:1024'), attributes })
  assert.is(b.run().length, 1)
})

test('an agent that registers anew under its id begins without filters', () => {
  const b = declined(30)
  b.agent('a', 'cpus:2;mem:1024')
  assert.is(b.run().length, 1)
})

test('reviving beats a long filter', () => {
  const b = declined(3600)
  reviveOffers(b.cluster, 'f', [])
  assert.is(b.run().length, 1)
})

test('reviving one role leaves the filters of others alone', () => {
  const b = books()
  b.framework('f', ['r1', 'r2'])
  b.agent('a', 'cpus:2;mem:1024')
  b.recover(b.run(), 30)
  b.recover(b.run(), 30)
  assert.equal(told(b.run()), [])
  reviveOffers(b.cluster, 'f', ['r2'])
  assert.equal(
    b.run().map(({ role }) => role),
    ['r2'],
  )
})

test('a framework that stops listening loses its filters, not its holdings', () => {
  const b = declined(3600)
  b.agent('a2', 'cpus:1;mem:1024')
  b.run()
  deactivateFramework(b.cluster, 'f')
  assert.equal(told(b.run()), [])
  assert.ok(b.share('*', 'f') > 0)
  activateFramework(b.cluster, 'f')
  assert.equal(told(b.run()), ['f a cpus:2 mem:1024'])
})

test('leaving a role drops its filters', () => {
  const b = declined(3600)
  updateFramework(b.cluster, options('f', { roles: ['other'] }))
  updateFramework(b.cluster, options('f'))
  assert.is(b.run().length, 1)
})

test('filters of one framework and agent are limited in number', () => {
  const b = books()
  b.framework('f')
  const client = () => b.cluster.frameworks.get('f')!.clients.get('*')!
  b.agent('a', 'cpus:100;mem:10000')
  // Neither of two filters covers the other: one has more cpus, the other more memory.
  for (let i = 1; i < 40; i++) {
    const [share] = b.run()
    const part = documents(`cpus:${i};mem:${1000 - i}`)
    b.recover([{ ...share!, resources: part }], 100 + i)
    b.recover(
      [...b.cluster.agents.get('a')!.holdings].map(({ bundle }) => ({
        ...share!,
        resources: [...bundle.resources],
      })),
    )
  }
  const [filters] = [...client().filters.values()]
  assert.is(filters?.length, FILTERS_MAX)
})

test('no offers while suppressed, agents added meanwhile go elsewhere, reviving restores', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:1024')
  suppressOffers(b.cluster, 'f', [])
  assert.equal(told(b.run()), [])
  b.framework('g')
  assert.equal(told(b.run()), ['g a cpus:2 mem:1024'])
  b.agent('a2', 'cpus:1;mem:1024')
  assert.equal(told(b.run()), ['g a2 cpus:1 mem:1024'])
  b.agent('a3', 'cpus:1;mem:1024')
  reviveOffers(b.cluster, 'f', [])
  assert.equal(told(b.run()), ['f a3 cpus:1 mem:1024'])
})

test('roles are suppressed one by one', () => {
  const b = books()
  b.framework('f', ['r1', 'r2'])
  b.agent('a', 'cpus:2;mem:1024')
  suppressOffers(b.cluster, 'f', ['r1'])
  const [share] = b.run()
  assert.is(share?.role, 'r2')
  b.recover([share!])
  suppressOffers(b.cluster, 'f', ['r2'])
  assert.equal(b.run(), [])
  reviveOffers(b.cluster, 'f', ['r1'])
  assert.is(b.run()[0]?.role, 'r1')
})

test('what was suppressed stays so over a disconnection, unless registered otherwise', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:1024')
  suppressOffers(b.cluster, 'f', [])
  deactivateFramework(b.cluster, 'f')
  activateFramework(b.cluster, 'f')
  assert.equal(b.run(), [])
  addFramework(b.cluster, options('f'), true, [])
  assert.is(b.run().length, 1)
})

test('a framework that registers as suppressed gets nothing', () => {
  const b = books()
  b.framework('f', ['*'], { suppressed_roles: ['*'] })
  b.agent('a', 'cpus:2;mem:1024')
  assert.equal(b.run(), [])
  updateFramework(b.cluster, options('f'))
  assert.is(b.run().length, 1)
})

test('a framework that is over frees everything and is forgotten', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:1024')
  b.run()
  b.framework('g')
  assert.equal(b.run(), [])
  removeFramework(b.cluster, 'f')
  assert.equal(told(b.run()), ['g a cpus:2 mem:1024'])
  assert.not(b.cluster.frameworks.has('f'))
})

test.run()
