/** Who may subscribe. Spec: scheduler-api.md §2. */
import { changeProblem, subscriptionProblem } from '../../../actors/master/framework-validation.ts'
import { parseWeights } from '../../../actors/master/leadership.ts'
import type { FrameworkInfo, OfferConstraints } from '../../../protocol/v1/index.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('subscription')
const info: FrameworkInfo = { user: 'u', name: 'n' }
const multi: FrameworkInfo = { ...info, capabilities: [{ type: 'MULTI_ROLE' }], roles: ['web'] }

const infos: ReadonlyArray<[string, FrameworkInfo, string]> = [
  ['role with MULTI_ROLE', { ...multi, role: 'web' }, 'MULTI_ROLE'],
  ['roles without MULTI_ROLE', { ...info, roles: ['web'] }, 'MULTI_ROLE'],
  ['a role twice', { ...multi, roles: ['web', 'web'] }, 'twice'],
  ['a role that is no name', { ...multi, roles: ['-x'] }, "'-x'"],
  ['a time-out beyond int64', { ...info, failover_timeout: 1e12 }, 'failover_timeout'],
  [
    'an empty minimum',
    { ...info, offer_filters: { '*': { min_allocatable_resources: { quantities: [{}] } } } },
    'quantities',
  ],
]
for (const [what, framework_info, expected] of infos) {
  test(`${what} is refused`, () => {
    assert.match(subscriptionProblem({ framework_info }) ?? '', expected)
  })
}

test('plain and multi-role frameworks may subscribe', () => {
  assert.is(subscriptionProblem({ framework_info: info }), undefined)
  assert.is(subscriptionProblem({ framework_info: { ...multi, roles: [] } }), undefined)
})

test('only own roles can be suppressed or constrained', () => {
  const suppressed = { framework_info: multi, suppressed_roles: ['batch'] }
  assert.match(subscriptionProblem(suppressed) ?? '', "'batch'")
  const exists = { selector: { attribute_name: 'rack' }, predicate: { exists: {} } }
  const constraints = (role: string, ...list: (typeof exists)[]): OfferConstraints => ({
    role_constraints: { [role]: { groups: [{ attribute_constraints: list }] } },
  })
  const check = (offer_constraints: OfferConstraints) =>
    subscriptionProblem({ framework_info: multi, offer_constraints })
  assert.is(check(constraints('web', exists)), undefined)
  assert.match(check(constraints('batch', exists)) ?? '', 'no role')
  assert.match(check(constraints('web')) ?? '', 'empty group')
  const broken = { ...exists, predicate: { text_matches: { regex: '(' } } } as never
  assert.match(check(constraints('web', broken)) ?? '', "'(': ")
})

test('a principal is for ever', () => {
  assert.is(changeProblem(info, info), undefined)
  assert.match(changeProblem(info, { ...info, principal: 'p' }) ?? '', 'principal')
})

test('weights are pairs of role and number', () => {
  assert.equal(
    [...parseWeights(['a=2', 'a/b=0.5'])],
    [
      ['a', 2],
      ['a/b', 0.5],
    ],
  )
  for (const wrong of ['a', '=1', 'a=0', 'a=x'])
    assert.throws(() => parseWeights([wrong]), 'ROLE=WEIGHT')
})

test.run()
