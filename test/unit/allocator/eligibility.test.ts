/** Who may be offered what. Spec: allocator.md §5 "Predicates"; scheduler-api.md §5; names of §14. */
import { updateAgent } from '../../../actors/allocator/agents.ts'
import { updateFramework } from '../../../actors/allocator/frameworks.ts'
import type { OfferConstraints } from '../../../protocol/v1/framework.ts'
import type { Attribute } from '../../../protocol/v1/resources.ts'
import { books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator eligibility')

const offered = (b: ReturnType<typeof books>) => b.run().map(({ agent_id }) => agent_id)

test('enough of one thing is worth an offer, too little of both is not', () => {
  const b = books()
  b.framework('f')
  b.agent('cpus only', 'cpus:0.01;mem:1')
  b.agent('mem only', 'cpus:0.001;mem:32')
  b.agent('both', 'cpus:1;mem:64')
  b.agent('neither', 'cpus:0.009;mem:31.999')
  assert.equal(offered(b), ['cpus only', 'mem only', 'both'])
})

test('a minimum of several things needs all of them', () => {
  const b = books({ minAllocatableResources: 'cpus:1;mem:100|gpus:1' })
  b.framework('f')
  b.agent('a', 'cpus:2;mem:99')
  b.agent('b', 'cpus:1;mem:100')
  assert.equal(offered(b), ['b'])
})

test('minimums that cannot be read are refused by name', () => {
  assert.throws(() => books({ minAllocatableResources: 'cpus=1' }), /min_allocatable_resources/)
})

test('a framework may ask for more or for less in a role, and change its mind', () => {
  const minimum = (...cpus: number[]) => ({
    r: {
      min_allocatable_resources: {
        quantities: cpus.map((value) => ({ quantities: { cpus: { value } } })),
      },
    },
  })
  const b = books({ minAllocatableResources: 'cpus:1' })
  const options = {
    framework_id: 'f',
    roles: ['r'],
    suppressed_roles: [],
    capabilities: ['MULTI_ROLE' as const],
  }
  b.framework('f', ['r'], { offer_filters: minimum(4) })
  b.agent('a', 'cpus:2;mem:1')
  assert.equal(b.run(), [])
  updateFramework(b.cluster, { ...options, offer_filters: minimum(4, 2) })
  b.recover(b.run())
  updateFramework(b.cluster, options)
  b.agent('small', 'cpus:0.5;mem:1')
  const [share, ...none] = b.run()
  assert.is(share?.agent_id, 'a')
  assert.equal(none, [])
  updateFramework(b.cluster, { ...options, offer_filters: minimum() })
  assert.equal(offered(b), ['small'], 'an empty list takes anything')
})

test('agents with gpus are kept for frameworks that know them', () => {
  const b = books()
  b.framework('f')
  b.agent('g', 'cpus:1;mem:64;gpus:1')
  b.agent('c', 'cpus:1;mem:64')
  assert.equal(offered(b), ['c'])
  b.framework('gpu', ['*'], { capabilities: ['MULTI_ROLE', 'GPU_RESOURCES'] })
  assert.equal(told(b.run()), ['gpu g cpus:1 mem:64 gpus:1'])
  const open = books({ filterGpuResources: false })
  open.framework('f')
  open.agent('g', 'cpus:1;mem:64;gpus:1')
  assert.equal(offered(open), ['g'])
})

test('agents of another region are kept for frameworks that know regions', () => {
  const domain = (region: string) => ({
    fault_domain: { region: { name: region }, zone: { name: 'z' } },
  })
  const b = books({ region: 'here' })
  b.framework('f')
  b.agent('far', 'cpus:1;mem:64', { domain: domain('there') })
  b.agent('near', 'cpus:1;mem:64', { domain: domain('here') })
  b.agent('somewhere', 'cpus:1;mem:64')
  assert.equal(offered(b), ['near', 'somewhere'])
  b.framework('aware', ['*'], { capabilities: ['MULTI_ROLE', 'REGION_AWARE'] })
  assert.equal(offered(b), ['far'])
})

test('an agent that does not know several roles is for frameworks that do not either', () => {
  const b = books()
  b.framework('multi')
  b.agent('old', 'cpus:1;mem:64', { capabilities: ['HIERARCHICAL_ROLE'] })
  assert.equal(offered(b), [])
  b.framework('single', ['*'], { capabilities: [] })
  assert.equal(told(b.run()), ['single old cpus:1 mem:64'])
})

// UpdateSlaveCapabilities
test('an agent that has learned to is offered from then on', () => {
  const b = books()
  b.framework('f', ['eng/dev'])
  b.agent('a', 'cpus:1;mem:64', { capabilities: ['MULTI_ROLE'] })
  assert.equal(offered(b), [])
  const update = { agent_id: 'a', total: documents('cpus:1;mem:64'), attributes: [] }
  assert.is(updateAgent(b.cluster, { ...update, capabilities: ['MULTI_ROLE'] }), undefined)
  updateAgent(b.cluster, { ...update, capabilities: ['MULTI_ROLE', 'HIERARCHICAL_ROLE'] })
  assert.equal(offered(b), ['a'])
})

test('an agent that does not know roles below others is for top-level roles', () => {
  const b = books()
  b.framework('deep', ['a/b'])
  b.agent('old', 'cpus:1;mem:64', { capabilities: ['MULTI_ROLE'] })
  assert.equal(offered(b), [])
  b.framework('flat', ['a'])
  assert.equal(told(b.run()), ['flat old cpus:1 mem:64'])
})

test('revocable resources go to frameworks that ask for them, the rest to anyone', () => {
  const b = books()
  b.framework('f')
  const revocable = documents('cpus:3').map((resource) => ({ ...resource, revocable: {} }))
  b.agent('a', [...documents('cpus:1;mem:64'), ...revocable])
  assert.equal(told(b.run()), ['f a cpus:1 mem:64'])
  b.framework('r', ['*'], { capabilities: ['MULTI_ROLE', 'REVOCABLE_RESOURCES'] })
  assert.equal(told(b.run()), ['r a cpus:3'])
})

test('refined reservations go to frameworks that can read them', () => {
  const reservations = [
    { type: 'STATIC' as const, role: 'a' },
    { type: 'DYNAMIC' as const, role: 'a/b' },
  ]
  const b = books()
  b.framework('f', ['a/b'])
  b.agent(
    'x',
    documents('cpus:1;mem:64').map((resource) => ({ ...resource, reservations })),
  )
  assert.equal(offered(b), [])
  b.framework('g', ['a/b'], { capabilities: ['MULTI_ROLE', 'RESERVATION_REFINEMENT'] })
  assert.equal(told(b.run()), ['g x cpus:1 mem:64'])
})

test('a framework that cannot use an agent does not stand in the way of others', () => {
  const b = books()
  b.framework('a', ['r1'], { capabilities: ['MULTI_ROLE'] })
  b.framework('b', ['r1'], { capabilities: ['MULTI_ROLE', 'GPU_RESOURCES'] })
  b.agent('g', 'cpus:1;mem:64;gpus:1')
  assert.equal(told(b.run()), ['b g cpus:1 mem:64 gpus:1'])
})

test('static reservations are for their role only, whatever is left', () => {
  const b = books()
  b.framework('f', ['r1'])
  b.framework('g', ['r2'])
  b.agent('a', 'cpus(r1):1;mem(r1):64;cpus(r2):2;mem(r2):128')
  assert.equal(told(b.run()).sort(), ['f a cpus:1 mem:64', 'g a cpus:2 mem:128'])
})

const text = (name: string, value: string): Attribute => ({ name, type: 'TEXT', text: { value } })

test('offer constraints: groups are alternatives, all of a group must hold', () => {
  type Predicate = NonNullable<
    NonNullable<OfferConstraints['role_constraints']>[string]['groups']
  >[number]['attribute_constraints']
  const where = (...groups: Array<NonNullable<Predicate>>): OfferConstraints => ({
    role_constraints: { '*': { groups: groups.map((all) => ({ attribute_constraints: all })) } },
  })
  const attribute = (attribute_name: string) => ({ attribute_name })
  const admitted = (constraints: OfferConstraints) => {
    const b = books()
    b.framework('f', ['*'], { offer_constraints: constraints })
    const domain = { fault_domain: { region: { name: 'eu' }, zone: { name: 'eu-1' } } }
    b.agent('a', 'cpus:1;mem:64', { attributes: [text('rack', 'r1')], domain })
    b.agent('b', 'cpus:1;mem:64', { attributes: [text('rack', 'r22'), text('disk', 'ssd')] })
    const size: Attribute = { name: 'rack', type: 'SCALAR', scalar: { value: 1 } }
    b.agent('c', 'cpus:1;mem:64', { attributes: [size] })
    b.agent('d', 'cpus:1;mem:64')
    return b
      .run()
      .map(({ agent_id }) => agent_id)
      .join('')
  }
  const rack = attribute('rack')
  assert.is(admitted(where([{ selector: rack, predicate: { exists: {} } }])), 'abc')
  assert.is(admitted(where([{ selector: rack, predicate: { not_exists: {} } }])), 'd')
  const equal = { text_equals: { value: 'r1' } }
  assert.is(admitted(where([{ selector: rack, predicate: equal }])), 'ac')
  const unequal = { text_not_equals: { value: 'r1' } }
  assert.is(admitted(where([{ selector: rack, predicate: unequal }])), 'bcd')
  const matches = { text_matches: { regex: 'r[0-9]' } }
  assert.is(admitted(where([{ selector: rack, predicate: matches }])), 'ac', 'in full')
  const differs = { text_not_matches: { regex: 'r[0-9]' } }
  assert.is(admitted(where([{ selector: rack, predicate: differs }])), 'bcd')
  const unreadable = { text_not_matches: { regex: '(?=r)' } }
  assert.is(admitted(where([{ selector: rack, predicate: unreadable }])), '')
  const host = { pseudoattribute_type: 'HOSTNAME' as const }
  assert.is(admitted(where([{ selector: host, predicate: { text_equals: { value: 'd' } } }])), 'd')
  const zone = { pseudoattribute_type: 'ZONE' as const }
  assert.is(admitted(where([{ selector: zone, predicate: { exists: {} } }])), 'a')
  const ssd = { selector: attribute('disk'), predicate: { text_equals: { value: 'ssd' } } }
  const first = { selector: rack, predicate: equal }
  assert.is(admitted(where([first, ssd])), '')
  assert.is(admitted(where([first], [ssd])), 'abc')
  assert.is(admitted({ role_constraints: { other: { groups: [] } } }), 'abcd')
})

test('an agent whose attributes change is judged anew by offer constraints', () => {
  const selector = { attribute_name: 'rack' }
  const attribute_constraints = [{ selector, predicate: { text_matches: { regex: 'r[12]' } } }]
  const b = books()
  b.framework('f', ['*'], {
    offer_constraints: { role_constraints: { '*': { groups: [{ attribute_constraints }] } } },
  })
  b.agent('a', 'cpus:1;mem:64', { attributes: [text('rack', 'r3')] })
  assert.equal(offered(b), [])
  const total = documents('cpus:1;mem:64')
  updateAgent(b.cluster, { agent_id: 'a', total, attributes: [text('rack', 'r2')] })
  assert.equal(offered(b), ['a'])
})

test.run()
