/** Guarantees, limits and headroom of quotas. Spec: allocator.md §5, §13; names of §14, "Quota". */
import fc from 'fast-check'
import { setAgentActive, setWhitelist } from '../../../actors/allocator/agents.ts'
import { convertAvailable, convertHolding } from '../../../actors/allocator/conversions.ts'
import { reviveOffers } from '../../../actors/allocator/frameworks.ts'
import { drf, random } from '../../../actors/allocator/policies.ts'
import type { Conversion, Share } from '../../../protocol/allocator.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { quantitiesOf, resources } from '../../../src/resources/index.ts'
import { type Books, books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator quota')

const total = (shares: readonly Share[], framework: string, name: string) =>
  shares
    .filter(({ framework_id }) => framework_id === framework)
    .map((share) => (quantitiesOf(resources(share.resources)).get(name) ?? 0) / 1000)
    .reduce((sum, amount) => sum + amount, 0)

const whose = (shares: readonly Share[]) =>
  shares.map(({ framework_id, agent_id }) => `${framework_id} ${agent_id}`).sort()

const mount = (root: string, size: number): Resource => ({
  name: 'disk',
  type: 'SCALAR',
  scalar: { value: size },
  disk: { source: { type: 'MOUNT', mount: { root } } },
})

/** `cpus:1` as reserved to a role while the cluster runs. */
const reserved = (text: string, role: string): Resource[] =>
  documents(text).map((resource) => ({
    ...resource,
    reservations: [{ type: 'DYNAMIC', role, principal: 'p' }],
  }))

// QuotaProvidesGuarantee, and the example of §13.
test('a guarantee that its role declines is held back from the others', () => {
  const b = books()
  b.quota('q', 'cpus:2;mem:1024')
  b.framework('quota', ['q'])
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:1;mem:512')
  b.agent('a2', 'cpus:1;mem:512')
  const first = b.run()
  assert.equal(whose(first), ['quota a1', 'quota a2'])
  b.recover([first[1]!], 2)
  assert.equal(b.run(), [], 'the headroom asked for is all that is free: 1 cpu, 512 MB')
  b.agent('a3', 'cpus:1;mem:512')
  assert.equal(whose(b.run()), ['other a2', 'quota a3'], 'the guarantee is met by a3')
})

// QuotaProvidesLimit; the chopping of §13.
test('a role gets no more than its limit, of an agent as of all', () => {
  for (const role of ['q', '*']) {
    const b = books()
    b.quota(role, '', 'cpus:10')
    b.framework('f', [role])
    b.agent('a', 'cpus:15;mem:1024')
    const shares = b.run()
    assert.equal(told(shares), ['f a cpus:10 mem:1024'])
    b.agent('b', 'cpus:15;mem:16')
    assert.equal(b.run(), [])
    b.recover([{ ...shares[0]!, resources: documents('cpus:4') }])
    assert.is(total(b.run(), 'f', 'cpus'), 4)
  }
})

// RemoveQuota
test('without its quota a role is one among others again', () => {
  const b = books()
  b.quota('q', 'cpus:4')
  b.framework('quota', ['q'])
  b.framework('other', ['o'])
  for (const id of ['a1', 'a2', 'a3', 'a4']) b.agent(id, 'cpus:1;mem:64')
  const first = b.run()
  assert.is(total(first, 'quota', 'cpus'), 4)
  b.quota('q')
  b.recover(first)
  const second = b.run()
  assert.is(total(second, 'quota', 'cpus'), 2)
  assert.is(total(second, 'other', 'cpus'), 2)
})

// MultipleFrameworksInRoleWithQuota
test('frameworks of a role share its guarantee, and one has it all if the other declines', () => {
  const b = books()
  b.quota('q', 'cpus:4;mem:4096')
  b.framework('f1', ['q'])
  b.framework('f2', ['q'])
  b.agent('a1', 'cpus:1;mem:1024')
  b.agent('a2', 'cpus:1;mem:1024')
  assert.equal(
    b.run().map(({ framework_id }) => framework_id),
    ['f1', 'f2'],
  )
  b.agent('a3', 'cpus:2;mem:2048')
  const third = b.run()
  assert.equal(whose(third), ['f1 a3'])
  b.recover(third, 1000)
  assert.equal(whose(b.run()), ['f2 a3'])
})

// DRFWithQuota
test('what guarantees leave over is shared by dominant shares', () => {
  const b = books()
  b.quota('q', 'cpus:0.25;mem:128', 'cpus:0.25;mem:128')
  b.framework('quota', ['q'])
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:1;mem:512')
  assert.equal(told(b.run()), ['quota a1 cpus:0.25 mem:128', 'other a1 cpus:0.75 mem:384'])
  b.agent('a2', 'cpus:8;mem:4096')
  assert.equal(told(b.run()), ['other a2 cpus:8 mem:4096'])
})

// QuotaAllocationGranularity
test('an agent is cut to what is left of guarantee and limit', () => {
  const b = books()
  b.quota('q', 'cpus:0.5;mem:200', 'cpus:0.5;mem:200')
  b.framework('quota', ['q'])
  b.agent('a', 'cpus:1;mem:512')
  assert.equal(told(b.run()), ['quota a cpus:0.5 mem:200'])
  b.framework('other', ['o'])
  assert.equal(told(b.run()), ['other a cpus:0.5 mem:312'])
})

// QuotaAllocationGranularityUnchoppableResource
test('a mounted disk is given whole or not at all', () => {
  const b = books()
  b.quota('q', 'cpus:1;disk:200', 'cpus:1;disk:200')
  b.framework('quota', ['q'])
  b.agent('a', [...documents('cpus:1;mem:64'), mount('/big', 300), mount('/small', 150)])
  assert.equal(told(b.run()), ['quota a cpus:1 mem:64 disk:150'])
  b.framework('other', ['o'])
  b.quota('q', 'disk:350', 'disk:350')
  assert.equal(told(b.run()), [], 'what is guaranteed stays, and 300 would exceed the limit')
})

// QuotaAllocationMultipleDisk (MESOS-9692)
test('disks of several kinds meet a guarantee together', () => {
  const b = books()
  b.quota('q', 'disk:200', 'disk:200')
  b.framework('quota', ['q'])
  b.agent('a', [...documents('cpus:1;mem:64;disk:100'), mount('/disk', 100)])
  assert.is(total(b.run(), 'quota', 'disk'), 200)
})

// QuotaRoleAllocateNonQuotaResource
test('what is not guaranteed goes out together with what is, not by itself', () => {
  const b = books()
  b.quota('q', 'cpus:2')
  b.framework('quota', ['q'])
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:1;mem:512;ports:[1-5]')
  const [first] = b.run()
  assert.equal(first?.resources, documents('cpus:1;mem:512;ports:[1-5]'))
  b.agent('a2', 'mem:512;ports:[1-5]')
  assert.equal(whose(b.run()), ['other a2'], 'nothing guaranteed is there')
})

// QuotaAgainstStarvation
test('a role under its guarantee has a freed agent before one that holds more', () => {
  const b = books()
  b.framework('greedy', ['o'])
  b.agent('a1', 'cpus:1;mem:512')
  b.agent('a2', 'cpus:1;mem:512')
  const held = b.run()
  b.framework('quota', ['q'])
  b.quota('q', 'cpus:1;mem:512')
  b.recover([held[0]!])
  assert.equal(whose(b.run()), ['quota a1'])
})

// QuotaAbsentFrameworkWholeAgent, MultiQuotaAbsentFrameworks
test('guarantees of roles without frameworks are held back, and nothing else is', () => {
  const b = books()
  b.quota('absent', 'cpus:2;mem:1024')
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:2;mem:1024')
  assert.equal(b.run(), [])
  b.agent('a2', 'cpus:1;mem:512')
  assert.equal(whose(b.run(['a2'])), ['other a2'], 'the rest of the cluster is headroom enough')
  b.quota('present', 'cpus:1;mem:512')
  b.framework('quota', ['present'])
  assert.equal(told(b.run(['a1'])), ['quota a1 cpus:1 mem:512'], 'no more than its own guarantee')
})

// MultiQuotaWithFrameworks
test('a role whose guarantee is met does not stand in the way of one whose is not', () => {
  const b = books()
  b.quota('q1', 'cpus:1;mem:200')
  b.quota('q2', 'cpus:2;mem:2000')
  b.framework('f1', ['q1'])
  b.framework('f2', ['q2'])
  b.agent('a1', 'cpus:1;mem:1024', {
    used: [
      { framework_id: 'f1', role: 'q1', agent_id: 'a1', resources: documents('cpus:1;mem:1024') },
    ],
  })
  b.agent('a2', 'cpus:1;mem:1024')
  assert.equal(whose(b.run()), ['f2 a2'])
  b.agent('a3', 'cpus:2;mem:2048')
  assert.equal(whose(b.run()), ['f2 a3'])
})

// ReservationWithinQuota
test('what is reserved to a role is a part of its guarantee', () => {
  const b = books()
  b.quota('q', 'cpus:2;mem:256')
  b.framework('quota', ['q'])
  b.agent('a1', 'cpus(q):8;mem(q):256')
  b.framework('other', ['o'])
  b.agent('a2', 'cpus:4;mem:256')
  const first = b.run(['a2'])
  assert.equal(whose(first), ['other a2'], 'the reservation on a1 is enough for q')
  assert.equal(whose(b.run()), ['quota a1'])
})

// ReservationUnallocated, ReservationAllocated
test('a reservation is charged once, whether it is used or not', () => {
  const b = books()
  b.quota('q', 'cpus:2;mem:256', 'cpus:2;mem:256')
  b.framework('quota', ['q'])
  b.agent('a1', 'cpus(q):1;mem(q):128')
  b.agent('a2', 'cpus:4;mem:512')
  const shares = b.run()
  assert.equal(told(shares).sort(), ['quota a1 cpus:1 mem:128', 'quota a2 cpus:1 mem:128'])
  b.agent('a3', 'cpus:1;mem:128')
  assert.equal(b.run(), [])
  b.recover(
    shares.filter(({ agent_id }) => agent_id === 'a1'),
    1000,
  )
  assert.equal(b.run(), [], 'declining the reservation does not make room')
})

// QuotaSetAsideReservedResources
test('headroom is not made of what is reserved to others', () => {
  const b = books()
  b.quota('q', 'cpus:4;mem:512')
  b.framework('other', ['o'])
  b.agent('a1', 'cpus(o):4;mem(o):512')
  b.agent('a2', 'cpus:4;mem:512')
  assert.equal(whose(b.run()), ['other a1'])
  b.framework('quota', ['q'])
  assert.equal(whose(b.run()), ['quota a2'])
})

test('headroom is not made of agents that are not offered', () => {
  const b = books()
  b.quota('q', 'cpus:4;mem:512')
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:4;mem:512', { active: false })
  b.agent('a2', 'cpus:4;mem:512')
  b.agent('a3', 'cpus:4;mem:512', { active: false })
  assert.equal(b.run(), [], 'all that is in service is guaranteed')
  setAgentActive(b.cluster, 'a1', true)
  assert.equal(whose(b.run(['a2'])), ['other a2'], 'the same is free on a1')
  setAgentActive(b.cluster, 'a2', false)
  assert.equal(b.run(), [], 'a2 has nothing free, in service or not')
  setAgentActive(b.cluster, 'a2', true)
  setWhitelist(b.cluster, ['a2', 'a3'])
  b.removeAgent('a3')
  b.framework('quota', ['q'])
  assert.equal(b.run(), [])
  setWhitelist(b.cluster, undefined)
  assert.equal(whose(b.run()), ['quota a1'])
})

test('headroom is the same whether an agent was always in service or has come back to it', () => {
  const b = books()
  b.framework('other', ['o'])
  b.agent('a1', 'cpus:4;mem:512')
  b.agent('a2', 'cpus:3;mem:512')
  const [first] = b.run(['a1'])
  setAgentActive(b.cluster, 'a1', false)
  b.quota('q', 'cpus:4;mem:512')
  b.recover([first!])
  assert.equal(b.run(), [], 'what came back is out of service')
  setAgentActive(b.cluster, 'a1', true)
  assert.equal(told(b.run()), ['other a1 cpus:3 mem:512'])
  b.quota('q')
  assert.equal(whose(b.run()), ['other a1', 'other a2'])
})

// NonQuotaRoleReservationWithQuotaRole (MESOS-8293)
test('reserved resources go to their role although headroom is held back', () => {
  const b = books()
  b.quota('absent', 'cpus:2;mem:1024')
  b.framework('other', ['o'])
  b.agent('a', 'cpus(o):1;mem(o):32;cpus:2;mem:1024')
  assert.equal(told(b.run()), ['other a cpus:1 mem:32'])
})

// QuotaHeadroomWhenReservationsExceedQuota
test('reservations beyond a guarantee do not count for the guarantees of others', () => {
  const b = books()
  b.quota('q1', 'cpus:1;mem:64')
  b.quota('q2', 'cpus:1;mem:64')
  b.agent('a1', 'cpus(q1):4;mem(q1):256')
  b.agent('a2', 'cpus:1;mem:64')
  b.framework('other', ['o'])
  assert.equal(b.run(), [], 'q2 is still owed what a2 has')
})

// DisproportionateQuotaVsAllocation
test('only what a guarantee still asks for is given to meet it', () => {
  const b = books()
  b.quota('q', 'cpus:1;mem:2048', 'cpus:1;mem:2048')
  b.framework('quota', ['q'])
  b.agent('a1', 'cpus:1;mem:512')
  assert.equal(told(b.run()), ['quota a1 cpus:1 mem:512'])
  b.agent('a2', 'cpus:4;mem:4096')
  assert.equal(told(b.run()), ['quota a2 mem:1536'])
})

// SharedAllocatedResourceQuotaAccounting
test('copies of a shared volume are charged once', () => {
  const volume: Resource = {
    ...reserved('disk:5', 'q')[0]!,
    disk: {
      persistence: { id: 'v', principal: 'p' },
      volume: { mode: 'RW', container_path: 'data' },
    },
    shared: {},
  }
  const b = books({ minAllocatableResources: '' })
  b.quota('q', 'disk:10', 'disk:10')
  b.framework('f', ['q'], { capabilities: ['MULTI_ROLE', 'SHARED_RESOURCES'] })
  b.agent('a', [...documents('disk:95'), volume])
  const first = b.run()
  assert.is(total(first, 'f', 'disk'), 10)
  assert.is(total(b.run(), 'f', 'disk'), 5, 'the volume once more, and nothing beyond it')
})

// QuotaAccountingReserveAllocatedResources, QuotaAccountingUnreserveAllocatedResources
test('reserving or unreserving what is held leaves the charge as it is', () => {
  const b = books()
  b.quota('q', '', 'cpus:2')
  b.framework('f', ['q'])
  b.agent('a', 'cpus:2;mem:64')
  b.run()
  b.agent('spare', 'cpus:2;mem:16')
  const plain = documents('cpus:1')
  const held = reserved('cpus:1', 'q')
  const update = (conversion: Conversion) =>
    convertHolding(b.cluster, {
      framework_id: 'f',
      role: 'q',
      agent_id: 'a',
      conversions: [conversion],
      copies: [],
    })
  update({ consumed: plain, converted: held })
  assert.equal(b.run(), [])
  update({ consumed: held, converted: plain })
  assert.equal(b.run(), [])
})

test('reserving what nobody holds is charged to the role', () => {
  const b = books()
  b.quota('q', '', 'cpus:2')
  b.agent('a', 'cpus:4;mem:64')
  convertAvailable(b.cluster, 'a', [
    { consumed: documents('cpus:1'), converted: reserved('cpus:1', 'q') },
  ])
  b.framework('f', ['q'])
  assert.equal(told(b.run()), ['f a cpus:2 mem:64'], 'one reserved, one not')
})

// QuotaWithNestedRoleReservation, QuotaWithNestedRoleAllocation, QuotaHeadroomWithNestedRoleAllocation
test('roles below one are charged to its quota, and have a part in it', () => {
  const b = books()
  b.quota('q', 'cpus:2;mem:128', 'cpus:2;mem:128')
  b.framework('child', ['q/dev'])
  b.framework('other', ['o'])
  b.agent('a1', 'cpus(q/ops):1;mem(q/ops):64')
  b.agent('a2', 'cpus:2;mem:128')
  assert.equal(told(b.run(['a2'])).sort(), ['child a2 cpus:1 mem:64', 'other a2 cpus:1 mem:64'])
  b.agent('a3', 'cpus:4;mem:256')
  assert.equal(whose(b.run()), ['other a3'], 'the limit of q holds for q/dev')
})

// OfferAncestorReservationsToDescendantChild, QuotaWithAncestorReservations
test('what is reserved to a role and used below it is charged once', () => {
  const b = books()
  b.quota('q', '', 'cpus:2;mem:128')
  b.framework('child', ['q/dev'])
  b.agent('a1', 'cpus(q):1;mem(q):64')
  assert.equal(whose(b.run()), ['child a1'])
  b.agent('a2', 'cpus:4;mem:256')
  assert.equal(told(b.run()), ['child a2 cpus:1 mem:64'])
})

test('what unknown frameworks use is charged to their roles', () => {
  const b = books()
  b.quota('q', '', 'cpus:2')
  b.agent('a1', 'cpus:2;mem:64', {
    used: [
      { framework_id: 'late', role: 'q', agent_id: 'a1', resources: documents('cpus:2;mem:64') },
    ],
  })
  b.framework('f', ['q'])
  b.agent('a2', 'cpus:2;mem:16')
  assert.equal(b.run(), [])
})

test('revocable resources are neither guaranteed nor limited', () => {
  const b = books()
  b.quota('q', '', 'cpus:1')
  b.framework('f', ['q'], { capabilities: ['MULTI_ROLE', 'REVOCABLE_RESOURCES'] })
  const revocable = documents('cpus:4').map((resource) => ({ ...resource, revocable: {} }))
  b.agent('a', [...documents('cpus:2;mem:64'), ...revocable])
  assert.equal(told(b.run()), ['f a cpus:5 mem:64'])
})

test('a guarantee that cannot be met does not keep others from what is not guaranteed', () => {
  const b = books()
  b.quota('q', 'gpus:1')
  b.framework('other', ['o'])
  b.agent('a', 'cpus:2;mem:64')
  assert.equal(whose(b.run()), ['other a'])
})

// ---- properties

interface Step {
  readonly act:
    | 'run'
    | 'give back'
    | 'agent'
    | 'remove'
    | 'quota'
    | 'framework'
    | 'picky'
    | 'revive'
  readonly pick: number
  readonly refuse?: number | undefined
}

const steps = fc.array(
  fc.record({
    act: fc.constantFrom<Step['act'][]>(
      'run',
      'give back',
      'agent',
      'remove',
      'quota',
      'framework',
      'picky',
      'revive',
    ),
    pick: fc.nat(30),
    refuse: fc.constantFrom(undefined, 2, 100),
  }),
  { maxLength: 40 },
)

const totals = [
  'cpus:4;mem:1024',
  'cpus:2;mem:512;cpus(q):1',
  'cpus:1;cpus(q/a):2;mem:32',
  'cpus:3;disk:10',
]
const roles = ['q', 'q/a', 'r', '*']

function perform(b: Books, step: Step, out: Share[]): void {
  const { act, pick } = step
  if (act === 'run') out.push(...b.run())
  else if (act === 'agent' || act === 'remove') {
    const id = `a${pick % 5}`
    if (act === 'agent') b.agent(id, totals[pick % totals.length]!)
    else b.removeAgent(id)
    for (let i = out.length - 1; i >= 0; i--) if (out[i]!.agent_id === id) out.splice(i, 1)
  } else if (act === 'quota') {
    const limits = pick % 3 === 0 ? '' : `cpus:${3 + (pick % 7)}`
    b.quota(pick % 2 === 0 ? 'q' : 'r', pick % 5 === 0 ? '' : `cpus:${pick % 4}`, limits)
  } else if (act === 'picky') {
    const quantities = pick % 2 === 0 ? [] : [{ quantities: { cpus: { value: 0.5 } } }]
    const offer_filters = { q: { min_allocatable_resources: { quantities } } }
    b.framework('picky', ['q'], { offer_filters })
  } else if (act === 'revive') reviveOffers(b.cluster, `f${pick % 4}`, [])
  else if (act === 'framework') b.framework(`f${pick % 4}`, [roles[pick % roles.length]!])
  else if (out.length > 0) b.recover(out.splice(pick % out.length, 1), step.refuse)
}

test('the accounts of quotas are those of counting anew, and no run exceeds a limit', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const b = books({ minAllocatableResources: '' })
      const out: Share[] = []
      for (const step of list) {
        b.nowMs += 900
        const { quotas } = b.cluster
        const before = new Map(roles.map((role) => [role, quotas.of(role)?.consumed.slice()]))
        perform(b, step, out)
        if (step.act === 'run') {
          for (const role of roles) {
            const quota = quotas.of(role)
            for (const [i, limit] of quota?.limits.entries() ?? []) {
              const consumed = quota!.consumed[i]!
              assert.ok(consumed <= Math.max(limit, before.get(role)![i]!), `${role}: ${consumed}`)
            }
          }
        }
        const kept = roles.map((role) => quotas.of(role)?.consumed.slice())
        const surplus = [...kept.keys()].map((name) => quotas.surplus(name))
        const pending = quotas.pending
        b.quota('unused')
        assert.equal(
          roles.map((role) => quotas.of(role)?.consumed),
          kept,
        )
        assert.is(quotas.pending, pending)
        if (quotas.size > 0)
          assert.equal(
            [...kept.keys()].map((name) => quotas.surplus(name)),
            surplus,
          )
      }
    }),
  )
})

test('agents that are passed by are those that a fresh look would give to nobody', () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(drf, random), (list, policy) => {
      const b = books({ policy })
      const out: Share[] = []
      for (const step of list) {
        b.nowMs += 900
        perform(b, step, out)
        if (step.act !== 'run') continue
        out.push(...b.run())
        for (const agent of b.cluster.agents.values()) agent.passedBy = -1
        const missed = b.run()
        assert.equal(told(missed), [])
      }
    }),
  )
})

test.run()
