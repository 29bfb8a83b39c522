/** Subjects and their tokens. design.md §4. */
import fc from 'fast-check'
import {
  clusterNameProblem,
  newFramework,
  subjects,
  token,
  untoken,
} from '../../../protocol/subjects.ts'
import { frameworkIdProblem, idProblem } from '../../../protocol/v1/ids.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('protocol subjects')
const of = subjects('meseta')
const anyText = fc.string({ unit: 'grapheme', maxLength: 40 })
const nastyText = fc.oneof(
  anyText,
  fc.string({ unit: fc.constantFrom(...'.*>% \t\n\u0000\u0085\u00a0\u2028a'), maxLength: 12 }),
)

test('a token holds nothing that NATS reserves, and its text comes back', () => {
  fc.assert(
    fc.property(nastyText, (text) => {
      const encoded = token(text)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what NATS forbids
      assert.ok(/^[^.*>\s\u0000-\u001f\u007f]+$/.test(encoded), encoded)
      assert.is(untoken(encoded), text)
    }),
    { numRuns: 1000 },
  )
})

test('different texts have different tokens', () => {
  fc.assert(
    fc.property(nastyText, nastyText, (one, other) => {
      assert.is(token(one) === token(other), one === other)
    }),
  )
})

test('a token is read in its canonical spelling only', () => {
  for (const spelling of ['%41', '%2e', '%', '%zz', '%FF', '']) {
    assert.is(untoken(spelling), spelling === '%' ? '' : undefined, spelling)
  }
})

test('ordinary ids are their own tokens', () => {
  const id = '3f2a-S0_x:1@node/äöü'
  assert.is(token(id), id)
})

test('what the builders build, the parsers read', () => {
  fc.assert(
    fc.property(nastyText, nastyText, nastyText, nastyText, (one, two, three, four) => {
      assert.equal(of.parsePid(of.pid(one, two)), { node: one, id: two })
      assert.is(of.parseFrameworkCall(of.frameworkCall(one)), one)
      const address = { agent: one, framework: two, executor: three, container: four }
      assert.equal(of.parseExecutorCall(of.executorCall(address)), address)
      assert.equal(of.parseEvent(of.event('task', one)), { kind: 'task', id: one })
      assert.is(of.parseOffers(of.offers(one)), one)
    }),
  )
})

test('each subject matches its own wildcard and no other one', () => {
  const address = { agent: 'a', framework: 'f', executor: 'e.1 *>', container: 'c' }
  const built: ReadonlyArray<readonly [string, string]> = [
    [of.pid('n', 'x.y'), of.nodeWildcard('n')],
    [of.frameworkCall('f'), of.frameworkCalls],
    [of.executorCall(address), of.executorCalls('a')],
    [of.event('agent', 'S0'), of.events('agent')],
    [of.offers('f.1 *>'), of.allOffers],
  ]
  for (const [subject] of built) {
    const matching = built.filter(([, wildcard]) => matches(wildcard, subject))
    assert.equal(matching, [built.find(([each]) => each === subject)])
  }
  assert.ok(matches(of.events(), of.event('leader', 'M')))
  assert.not.ok(matches(of.frameworkCalls, of.frameworkEvent('f')))
  assert.not.ok(matches(of.executorCalls('a'), of.executorEvent(address)))
})

test('subjects are those that the documentation promises', () => {
  assert.equal(
    [
      of.pid('n', 'i'),
      of.frameworkCall(newFramework),
      of.frameworkEvent('F'),
      of.executorCall({ agent: 'A', framework: 'F', executor: 'E', container: 'C' }),
      of.executorEvent({ agent: 'A', framework: 'F', executor: 'E', container: 'C' }),
      of.masterCall,
      of.agentCall('A'),
      of.offers('F'),
      of.event('task', 'T'),
      of.events(),
      of.leader,
    ],
    [
      'meseta.pid.n.i',
      'meseta.framework.new.call',
      'meseta.framework.F.event',
      'meseta.executor.A.F.E.C.call',
      'meseta.executor.A.F.E.C.event',
      'meseta.master.call',
      'meseta.agent.A.call',
      'meseta.offers.F',
      'meseta.events.task.T',
      'meseta.events.>',
      'meseta.leader',
    ],
  )
})

test('subjects of another cluster or shape are not parsed', () => {
  for (const subject of [
    'other.pid.n.i',
    'meseta.pid.n',
    'meseta.pid.n.i.j',
    'meseta.pid..i',
    'meseta.framework.f.event',
    'meseta.executor.a.f.e.call',
    '',
  ]) {
    assert.is(of.parsePid(subject), undefined)
    assert.is(of.parseFrameworkCall(subject), undefined)
    assert.is(of.parseExecutorCall(subject), undefined)
  }
})

test('a cluster name is one plain token', () => {
  for (const name of ['meseta', 'Prod_2', 'a-b', 'x'.repeat(64)]) {
    assert.is(clusterNameProblem(name), undefined)
  }
  for (const name of ['', 'a.b', '*', '>', 'a b', 'ü', 'x'.repeat(65), 'a\n']) {
    assert.match(clusterNameProblem(name) ?? '', /a cluster name is/)
    assert.throws(() => subjects(name), RangeError)
  }
})

test('ids that cannot name a directory are refused with the reason', () => {
  for (const id of ['', '.', '..', 'a/b', 'a\\b', 'a\nb', 'ä'.repeat(128)]) {
    assert.type(idProblem(id), 'string', id)
  }
  for (const id of ['a', '...', 'a.b c%*>', 'ä'.repeat(127)]) {
    assert.is(idProblem(id), undefined, id)
  }
})

test('a framework id stands in its subject as it is', () => {
  fc.assert(
    fc.property(nastyText, (id) => {
      if (frameworkIdProblem(id) === undefined) assert.is(token(id), id)
    }),
  )
  assert.is(frameworkIdProblem('3f2a-0001'), undefined)
  for (const id of ['a.b', 'new', '', '..', '*']) assert.type(frameworkIdProblem(id), 'string', id)
})

/** NATS' rule: `*` is one token, `>` is all that are left and at least one. */
function matches(wildcard: string, subject: string): boolean {
  const patterns = wildcard.split('.')
  const tokens = subject.split('.')
  for (const [index, pattern] of patterns.entries()) {
    if (pattern === '>') return tokens.length > index
    if (pattern !== '*' && pattern !== tokens[index]) return false
  }
  return patterns.length === tokens.length
}

test.run()
