/** Patterns of untrusted authors: JavaScript's own answers, in bounded time. */
import fc from 'fast-check'
import { compilePattern } from '../../../src/regex/pattern.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('pattern')

function match(source: string, text: string): boolean {
  const pattern = compilePattern(source)
  if (!pattern.ok) throw new Error(pattern.error)
  return pattern.value(text)
}

test('the whole text must match', () => {
  assert.ok(match('r[0-9]', 'r1'))
  assert.not(match('r[0-9]', 'r12'))
  assert.not(match('r[0-9]', 'xr1'))
  assert.ok(match('', ''))
  assert.ok(match('^a|b$', 'b'))
  assert.not(match('a^b', 'ab'))
})

test('patterns that would keep a backtracking matcher for ever end at once', () => {
  const text = `${'a'.repeat(5000)}!`
  for (const source of ['(a+)+', '(a|a)*', '(a*)*b', '(.*)*x', '(a?){0,40}b', '(a|aa)+$']) {
    assert.not(match(source, text))
  }
  assert.ok(match('(a*)*(a+)+!', text))
  assert.ok(match('(((((){1000}){1000}){1000}){1000}){1000}', ''))
})

test('what is no pattern, or not supported, is refused with its place', () => {
  for (const [source, what] of [
    ['(a', "'(' without ')'"],
    ['a)', "')' without '('"],
    ['*a', 'nothing to repeat'],
    ['a**', 'repetition of a repetition'],
    ['[a', 'unexpected end'],
    ['[z-a]', 'ends before it begins'],
    ['a\\', 'unexpected end'],
    ['(?=a)', 'no plain group'],
    ['(a)\\1', 'not supported'],
    ['\\pL', 'not supported'],
    ['a{3,2}', 'repetition that is not'],
    ['(a{1000}){1000}', 'more than 500 steps'],
    ['a'.repeat(501), '500 characters'],
  ] as const) {
    const pattern = compilePattern(source)
    assert.not(pattern.ok, source)
    if (!pattern.ok) assert.match(pattern.error, what)
  }
})

test('the answers are those of JavaScript', () => {
  const char = fc.constantFrom('a', 'b', '1', '-', ' ', '_', 'é', '\n', '😀')
  const leaf = fc.constantFrom(
    ...['a', 'b', '1', '-', 'é', '😀', '.', '\\d', '\\W', '\\s', '\\.', '[ab]', '[^a1]', '[a-c1]'],
    ...['[\\d-]', '[^\\s]', '[\\D]', '^', '$'],
  )
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => a + b),
      fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(?:${a}|${b})`),
      fc
        .tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}', '*?', '+?'))
        .map(([a, times]) => `(${a})${times}`),
    ),
  }))
  const text = fc.array(char, { maxLength: 8 }).map((chars) => chars.join(''))
  fc.assert(
    fc.property(tree, text, (source, input) => {
      // JavaScript's \s and . differ in exotic line ends, which are not among the characters here.
      const expected = new RegExp(`^(?:${source})$`, 'u').test(input)
      assert.is(match(source, input), expected)
    }),
    { numRuns: 2000 },
  )
})

test.run()
