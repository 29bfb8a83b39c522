/** Why a framework is offered what it is offered. */
import { setAgentActive, setWhitelist, useShare } from '../../../actors/allocator/agents.ts'
import { explain } from '../../../actors/allocator/explain.ts'
import {
  addFramework,
  deactivateFramework,
  suppressOffers,
} from '../../../actors/allocator/frameworks.ts'
import { random } from '../../../actors/allocator/policies.ts'
import { EXPLANATIONS_MAX, type Explanation } from '../../../protocol/allocator.ts'
import { type Books, books, documents } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator explanations')

interface Question {
  readonly agent_id?: string
  readonly offset?: number
  readonly awaited?: { agents: number; untilMs: number }
}

function ask(b: Books, framework_id: string, { awaited, offset = 0, ...question }: Question = {}) {
  const state = { cluster: b.cluster, awaited }
  return explain(state, { framework_id, offset, ...question }, b.nowMs)
}

function why(b: Books, framework: string, question: Question = {}): readonly Explanation[] {
  const answer = ask(b, framework, question)
  if (!answer.ok) throw new Error(answer.error.message)
  return answer.value.explanations
}

/** The reason for the one agent and role that there is. */
function reason(b: Books, framework: string, question: Question = {}): string {
  const [only, ...more] = why(b, framework, question)
  assert.equal(more, [])
  return `${only?.reason}: ${only?.message}`
}

test('what it was given, what it uses, and what others use', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:64')
  assert.match(reason(b, 'f'), 'OFFERABLE')
  const [share] = b.run()
  b.run()
  assert.is(reason(b, 'f'), 'HELD: it has been given cpus:2; mem:64 of it')
  useShare(b.cluster, share!)
  assert.is(reason(b, 'f'), 'HELD: it has cpus:2; mem:64 of it, and nothing else is free')
  b.framework('g')
  assert.is(reason(b, 'g'), 'NOTHING_FREE: all of it is used by others')
})

test('who came first, and by what', () => {
  const b = books()
  b.framework('f1', ['r1'])
  b.framework('f2', ['r2'])
  b.agent('a1', 'cpus:3;mem:64')
  b.run()
  b.agent('a2', 'cpus:1;mem:64')
  b.run()
  assert.is(
    reason(b, 'f1', { agent_id: 'a2' }),
    "NOT_NEXT: framework f2 in role 'r2' came first by policy drf: role 'r2' has 50 % of the cluster now, role 'r1' has 75 %",
  )
  b.framework('f3', ['r2'])
  assert.is(
    reason(b, 'f3', { agent_id: 'a2' }),
    "NOT_NEXT: framework f2 in role 'r2' came first by policy drf: it has 50 % of the cluster now, this one has 0 %",
  )
})

test('roles are compared where their paths part, with their weights', () => {
  const b = books()
  b.cluster.roles.setWeight('a/c', 2)
  b.framework('above', ['a'])
  b.agent('x', 'cpus:1;mem:64')
  b.run()
  b.framework('below', ['a/c'])
  assert.is(
    reason(b, 'below'),
    "NOT_NEXT: framework above in role 'a' came first by policy drf: role 'a' has 100 % of the cluster now, role 'a/c' has 0 % at weight 2",
  )
  const lots = books({ policy: random })
  lots.framework('f')
  lots.agent('x', 'cpus:1;mem:64')
  lots.run()
  lots.framework('g')
  assert.is(reason(lots, 'g'), "NOT_NEXT: framework f in role '*' came first by lot")
})

test('what others were given counts as free, but not what they had before', () => {
  const b = books()
  const used = [{ framework_id: 'f', role: '*', agent_id: 'a', resources: documents('cpus:2') }]
  b.framework('f')
  b.agent('a', 'cpus:2.005;mem:16', { used })
  b.agent('b', 'cpus:1;mem:64')
  b.run()
  b.framework('g')
  assert.match(
    reason(b, 'g', { agent_id: 'a' }),
    'BELOW_MINIMUM: what is free (cpus:0.005; mem:16)',
  )
})

test('filters, with the time that they last', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:64')
  b.recover(b.run(), 30)
  b.nowMs = 10_000
  const [only] = why(b, 'f')
  assert.equal(only, {
    agent_id: 'a',
    role: '*',
    reason: 'REFUSED',
    message: 'it has declined cpus:2; mem:64 of it',
    seconds: 20,
  })
})

test('suppression, and frameworks that do not listen', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:64')
  suppressOffers(b.cluster, 'f', [])
  assert.is(reason(b, 'f'), "SUPPRESSED: it has suppressed offers for role '*'")
  deactivateFramework(b.cluster, 'f')
  assert.is(reason(b, 'f'), 'FRAMEWORK_INACTIVE: the framework does not listen')
})

test('agents that are not offered to anybody', () => {
  const b = books()
  b.framework('f')
  b.agent('a', 'cpus:2;mem:64')
  setWhitelist(b.cluster, ['other'])
  assert.is(reason(b, 'f'), 'NOT_WHITELISTED: the whitelist does not have a')
  setAgentActive(b.cluster, 'a', false)
  assert.match(reason(b, 'f'), 'AGENT_INACTIVE')
  const awaited = { agents: 8, untilMs: 5000 }
  assert.match(reason(b, 'f', { awaited }), 'RECOVERING: 1 agents are back')
  assert.is(why(b, 'f', { awaited })[0]?.seconds, 5)
})

test('capabilities, of agents and of what is free on them', () => {
  const b = books()
  b.framework('f', ['r/s'])
  b.agent('a', 'cpus:2;mem:64;gpus:1')
  assert.is(reason(b, 'f'), 'CAPABILITY: the agent is for frameworks with GPU_RESOURCES')
  b.agent('a', 'cpus:2;mem:64', { capabilities: ['HIERARCHICAL_ROLE'] })
  assert.is(reason(b, 'f'), 'CAPABILITY: the agent lacks MULTI_ROLE, which the framework has')
  b.agent('a', 'cpus:2;mem:64', { capabilities: ['MULTI_ROLE'] })
  assert.match(reason(b, 'f'), 'CAPABILITY: the agent lacks HIERARCHICAL_ROLE')
  b.agent(
    'a',
    documents('cpus:2;mem:64').map((resource) => ({ ...resource, revocable: {} })),
  )
  assert.match(reason(b, 'f'), 'CAPABILITY: what is free (cpus:2; mem:64) is revocable')
})

test('constraints, reservations and minimums', () => {
  const b = books()
  const elsewhere = {
    selector: { pseudoattribute_type: 'HOSTNAME' as const },
    predicate: { text_equals: { value: 'elsewhere' } },
  }
  b.framework('picky', ['r'], {
    offer_constraints: {
      role_constraints: { r: { groups: [{ attribute_constraints: [elsewhere] }] } },
    },
  })
  b.agent('a', 'cpus:2;mem:64')
  assert.is(reason(b, 'picky'), 'CONSTRAINT: its offer constraints exclude the agent')
  b.framework('f')
  b.agent('a', 'cpus(x):2;mem(y):64')
  assert.is(reason(b, 'f'), 'RESERVED: what is free is reserved to x, y')
  b.agent('a', 'disk:2')
  assert.match(reason(b, 'f'), 'BELOW_MINIMUM: what is free (disk:2)')
})

test('limits, and what is held back for guarantees', () => {
  const b = books()
  b.framework('f', ['q'])
  b.agent('a', 'cpus:2;mem:16')
  b.quota('q', '', 'cpus:0')
  assert.is(reason(b, 'f'), "QUOTA_LIMIT: the limit of role 'q' leaves it mem:16 of what is free")
  b.quota('q')
  b.quota('g1', 'cpus:1')
  b.quota('g2', 'cpus:1')
  assert.is(reason(b, 'f'), 'HEADROOM: what is free is held back for what is guaranteed to g1, g2')
  b.framework('owed', ['g1'])
  assert.match(reason(b, 'owed'), 'OFFERABLE', 'its own guarantee')
})

test('each role of the framework by itself, and as many agents as an answer holds', () => {
  const b = books()
  b.framework('f', ['r1', 'r2'])
  for (let i = 0; i < EXPLANATIONS_MAX; i++) b.agent(`a${i}`, 'cpus:1;mem:64')
  const first = ask(b, 'f')
  assert.ok(first.ok)
  assert.is(first.value.explanations.length, EXPLANATIONS_MAX)
  assert.is(first.value.next, EXPLANATIONS_MAX / 2)
  const rest = ask(b, 'f', { offset: EXPLANATIONS_MAX / 2 })
  assert.ok(rest.ok)
  assert.is(rest.value.next, undefined)
  assert.equal(
    rest.value.explanations.slice(-2).map(({ agent_id, role }) => `${agent_id} ${role}`),
    ['a999 r1', 'a999 r2'],
  )
})

test('who is not there is said so', () => {
  const b = books()
  assert.ok(!ask(b, 'f').ok)
  addFramework(
    b.cluster,
    { framework_id: 'f', roles: [], suppressed_roles: [], capabilities: [] },
    true,
    [],
  )
  const answer = ask(b, 'f', { agent_id: 'a' })
  assert.ok(!answer.ok && answer.error.code === 'NOT_FOUND')
  b.agent('a', 'cpus:1;mem:64')
  assert.equal(why(b, 'f'), [], 'it is in no role')
})

test.run()
