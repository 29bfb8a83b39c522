import { CommandError, exitCodeFor } from '../../../src/cli/errors.ts'
import { type Candidate, resolveId } from '../../../src/cli/ids.ts'
import { nearest } from '../../../src/cli/nearest.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('ids')

const agents: readonly Candidate[] = [
  { id: '3fa-S0', names: ['host-a'] },
  { id: '3fb-S1', names: ['host-b'] },
  { id: '3fb-S10', names: ['host-b'] },
]

function refusal(given: string, candidates = agents): CommandError {
  try {
    resolveId('agent', given, candidates)
  } catch (error) {
    if (error instanceof CommandError) return error
    throw error
  }
  throw new Error(`${given} was resolved`)
}

test('a unique prefix is enough', () => {
  assert.is(resolveId('agent', '3fa', agents).id, '3fa-S0')
})

test('an exact id wins over those that it is a prefix of', () => {
  assert.is(resolveId('agent', '3fb-S1', agents).id, '3fb-S1')
})

test('a name in full stands for its id', () => {
  assert.is(resolveId('agent', 'host-a', agents).id, '3fa-S0')
})

test('what may be several is refused with all that it may be', () => {
  const error = refusal('3fb')
  assert.is(error.code, 'AMBIGUOUS_ID')
  assert.match(error.message, /3fb-S1, 3fb-S10/)
  assert.is(exitCodeFor(error.code), 2)
  assert.is(refusal('host-b').code, 'AMBIGUOUS_ID')
})

test('an exact id that several have is ambiguous too, under labels that tell them apart', () => {
  const twins = [
    { id: 'web', label: 'F1/web', names: ['F1/web'] },
    { id: 'web', label: 'F2/web', names: ['F2/web'] },
  ]
  assert.match(refusal('web', twins).message, /F1\/web, F2\/web/)
  assert.is(resolveId('task', 'F2/web', twins).label, 'F2/web')
})

test('a long list of candidates is cut short and says so', () => {
  const many = Array.from({ length: 25 }, (_, index) => ({ id: `task-${index}` }))
  assert.match(refusal('task', many).message, /and|15 more/)
  assert.not.match(refusal('task', many).message, /task-20/)
})

test('nothing is found by a wrong prefix or by nothing', () => {
  assert.is(refusal('9').code, 'NOT_FOUND')
  assert.is(refusal('').code, 'NOT_FOUND')
  assert.is(exitCodeFor('NOT_FOUND'), 3)
})

test('the nearest word is guessed within a third of its letters', () => {
  assert.is(nearest('agnet', ['master', 'agent']), 'agent')
  assert.is(nearest('clutser', ['cluster', 'output']), 'cluster')
  assert.is(nearest('zzz', ['agent']), undefined)
})

test.run()
