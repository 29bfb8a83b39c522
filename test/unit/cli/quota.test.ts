/** Quotas and weights as people write them. */
import { parseAmounts } from '../../../src/cli/commands/quota.ts'
import { parseWeight } from '../../../src/cli/commands/weight.ts'
import type { CommandError } from '../../../src/cli/errors.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli: quotas and weights')

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    const { code, message } = error as CommandError
    return `${code}: ${message}`
  }
  throw new Error('it was accepted')
}

test('amounts are numbers by name, 0 among them', () => {
  assert.equal(parseAmounts('cpus:1.5;mem:0', '--limit'), {
    cpus: { value: 1.5 },
    mem: { value: 0 },
  })
})

test('amounts that no quota can hold are refused by name', () => {
  const refused: Array<[string, RegExp]> = [
    ['ports:[1-2]', /^USAGE.*--limit: ports must be a number/],
    ['cpus(eng):1', /^USAGE.*--limit: cpus must not be that of a role/],
    ['cpus:1;cpus:2', /^USAGE.*--limit: cpus stands twice/],
    ['cpus', /^USAGE.*--limit/],
  ]
  for (const [text, pattern] of refused) {
    assert.match(
      refusal(() => parseAmounts(text, '--limit')),
      pattern,
    )
  }
})

test('a weight is a role and a number above 0', () => {
  assert.equal(parseWeight('eng=0.5'), { role: 'eng', weight: 0.5 })
  assert.equal(parseWeight('eng/a=2'), { role: 'eng/a', weight: 2 })
  for (const text of ['eng', 'eng=', '=2', 'eng=0', 'eng=-1', 'eng=0x2', 'eng=two']) {
    assert.match(
      refusal(() => parseWeight(text)),
      /^USAGE.*must be ROLE=WEIGHT/,
      text,
    )
  }
})

test.run()
