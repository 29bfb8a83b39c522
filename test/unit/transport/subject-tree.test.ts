import fc from 'fast-check'
import { SubjectTree, subjectMatches } from '../../../src/transport/subject-tree.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('subject tree')

function found<T>(tree: SubjectTree<T>, subject: string): T[] {
  const values: T[] = []
  tree.match(subject, (value) => values.push(value))
  return values
}

test('wildcards stand for one token, or for one and more at the end', () => {
  const cases: ReadonlyArray<readonly [string, string, boolean]> = [
    ['a.b', 'a.b', true],
    ['a.b', 'a.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a', false],
    ['a.>', 'a.b.c', true],
    ['>', 'a', true],
    ['*.*', 'a.b', true],
    ['*.b.>', 'a.b', false],
    ['a.b.c', 'a.b', false],
  ]
  for (const [pattern, subject, expected] of cases) {
    assert.is(subjectMatches(pattern, subject), expected, `${pattern} on ${subject}`)
  }
})

test('the tree finds what a comparison one by one finds, whatever came and went', () => {
  const token = fc.constantFrom('a', 'b', 'c')
  const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((all) => all.join('.'))
  const pattern = fc
    .tuple(
      fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }),
      fc.oneof(token, fc.constantFrom('*', '>')),
    )
    .map(([start, end]) => [...start, end].join('.'))
  const step = fc.oneof(
    fc.record({ type: fc.constantFrom('add', 'remove'), pattern, value: fc.nat(3) }),
    fc.record({ type: fc.constant('match'), subject }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tree = new SubjectTree<number>()
      const pairs = new Map<string, { pattern: string; value: number }>()
      for (const step of steps) {
        if ('subject' in step) {
          const expected = [...pairs.values()]
            .filter((pair) => subjectMatches(pair.pattern, step.subject))
            .map(({ value }) => value)
          assert.equal(found(tree, step.subject).sort(), expected.sort())
        } else if (step.type === 'add') {
          tree.add(step.pattern, step.value)
          pairs.set(`${step.pattern} ${step.value}`, step)
        } else {
          tree.remove(step.pattern, step.value)
          pairs.delete(`${step.pattern} ${step.value}`)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('a remembered answer is forgotten when the wildcards change', () => {
  const tree = new SubjectTree<string>()
  tree.add('a.*', 'star')
  assert.equal(found(tree, 'a.b'), ['star'])
  tree.add('a.>', 'rest')
  assert.equal(found(tree, 'a.b'), ['star', 'rest'])
  tree.remove('a.*', 'star')
  assert.equal(found(tree, 'a.b'), ['rest'])
})

test.run()
