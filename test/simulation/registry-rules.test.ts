/** Each rule of the registry lets good histories pass and names what is wrong with bad ones. */
import type { Registry, RegistryOperation } from '../../protocol/registrar.ts'
import { assert, suite } from '../support/suite.ts'
import { broken } from './broken.ts'
import { Deadlines } from './deadlines.ts'
import { Decisions } from './decisions.ts'
import { checkDecided, type Ruled } from './operator-rules.ts'
import { RegistryHistory } from './registry-rules.ts'
import { ReignHistory } from './reign-rules.ts'

const test = suite('rules of the registry')

const info = (id: string) => ({ hostname: id, id: { value: id } })
const admit = (id: string): RegistryOperation => ({ type: 'ADMIT_AGENT', agent_info: info(id) })
const registry = (epoch: number, ...admitted: string[]): Registry => ({
  epoch,
  admitted: admitted.map(info),
  unreachable: [],
  gone: [],
  weights: {},
  drains: [],
  disks: [],
  deactivated: [],
  machines: [],
  quotas: [],
})

/** A reign in which `a` was answered, and `b` was not. */
function reign(): RegistryHistory {
  const history = new RegistryHistory()
  history.recovered(registry(1))
  const write = history.asked(1, [admit('a')])
  if (write !== undefined) history.answered(1, write)
  history.asked(1, [admit('b')])
  return history
}

test('what was answered is in the next registry, what was not may be', () => {
  assert.is(
    broken(() => reign().recovered(registry(2, 'a'))),
    undefined,
  )
  assert.is(
    broken(() => reign().recovered(registry(2, 'a', 'b'))),
    undefined,
  )
  assert.is(
    broken(() => reign().recovered(registry(2, 'b'))),
    'R2',
  )
  assert.is(
    broken(() => reign().recovered(registry(2, 'a', 'c'))),
    'R2',
  )
})

test('a removal that was answered is not undone', () => {
  const history = new RegistryHistory()
  history.recovered(registry(1, 'a'))
  const write = history.asked(1, [{ type: 'REMOVE_AGENT', agent_id: { value: 'a' } }])
  if (write !== undefined) history.answered(1, write)
  assert.is(
    broken(() => history.recovered(registry(2, 'a'))),
    'R2',
  )
})

test('an answer under a former epoch is an answer all the same', () => {
  const history = new RegistryHistory()
  history.recovered(registry(1))
  const early = history.asked(1, [admit('a')])
  const late = history.asked(1, [admit('b')])
  history.recovered(registry(2, 'a'))
  if (early !== undefined) history.answered(1, early)
  assert.is(
    broken(() => late !== undefined && history.answered(1, late)),
    'R2',
  )
})

test('no epoch recovers the registry twice', () => {
  const history = reign()
  assert.is(
    broken(() => history.recovered(registry(1, 'a'))),
    'E2',
  )
})

test('who was gone is not admitted, unless the registry forgets', () => {
  const reigns = new ReignHistory()
  reigns.admits({ admitted: ['a'], gone: ['b'] }, false)
  assert.is(
    broken(() => reigns.admits({ admitted: ['b'], gone: [] }, false)),
    'M1',
  )
  reigns.admits({ admitted: ['b'], gone: [] }, true)
})

test('what an operator was answered holds, until the registry leaves the agent out', () => {
  const decisions = new Decisions()
  const decided = (value: string) => decisions.end(decisions.begin('agent a', value), 'promised')
  const rules = (more: object): Ruled => ({
    agents: new Map(),
    unreachable: new Map(),
    recovered: new Map(),
    gone: new Map(),
    quotas: new Map(),
    weights: new Map(),
    deactivated: new Map(),
    options: { registry_max_agent_age_ms: 1000 },
    ...more,
  })
  const isBroken = (more: object) => broken(() => checkDecided(decisions, rules(more), 'm'))
  const only = new Map([['a', {}]])
  decided('out')
  assert.is(isBroken({ agents: only, deactivated: only }), undefined)
  assert.is(isBroken({ agents: only }), 'R2')
  assert.is(isBroken({ unreachable: only }), undefined, 'it may come back')
  assert.is(isBroken({ agents: only }), 'R2', 'and is out of service still')
  assert.is(isBroken({}), undefined, 'it was left out')
  assert.is(isBroken({ agents: only }), undefined, 'and comes back as a new one')
  decided('gone')
  const keeping = { options: { registry_max_agent_age_ms: 1e12 } }
  assert.is(isBroken({ gone: only }), undefined)
  assert.is(isBroken({ ...keeping }), 'R2')
  assert.is(isBroken({}), undefined, 'this registry forgets')
})

test('what has come to pass in time may be undone, and what has not is named', () => {
  let isLed = false
  const deadlines = () =>
    new Deadlines([
      { what: 'one leads', byMs: 10, holds: () => isLed },
      { what: 'all vote', byMs: 20, holds: () => false },
    ])
  const late = deadlines()
  late.look(10)
  assert.is(
    broken(() => late.look(11)),
    'L one leads',
  )
  const early = deadlines()
  isLed = true
  early.look(9)
  isLed = false
  early.look(20)
  assert.is(
    broken(() => early.look(21)),
    'L all vote',
  )
})

test.run()
