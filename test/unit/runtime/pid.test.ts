import fc from 'fast-check'
import { exactPid, isPid, isToken, nameOf, parsePid, pid } from '../../../src/runtime/pid.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('pid')
const token = fc.stringMatching(/^[A-Za-z0-9_:,()+=-]{1,40}$/)

test('an address by name and an exact one are parsed into what they were made of', () => {
  fc.assert(
    fc.property(token, token, token, fc.integer({ min: 1, max: 2 ** 50 }), (id, node, inc, n) => {
      assert.equal(parsePid(pid(id, node)), { id, node, incarnation: '', serial: 0 })
      const exact = exactPid(id, node, inc, n)
      assert.equal(parsePid(exact), { id, node, incarnation: inc, serial: n })
      assert.is(nameOf(exact), pid(id, node))
    }),
  )
})

test('what is no pid is refused with its text, and never taken for one', () => {
  for (const text of [
    '',
    'a',
    '@b',
    'a@',
    'a@b~',
    'a@b~i',
    'a@b~i.0',
    'a@b~.1',
    'a.b@c',
    'a@b c',
  ]) {
    assert.not(isPid(text), text)
    assert.throws(() => parsePid(text), new RegExp(`'${text.replaceAll('.', '\\.')}'`))
  }
  assert.not(isPid(7))
})

test('any text is either refused or made of tokens', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (!isPid(text)) return
      const { id, node } = parsePid(text)
      assert.ok(isToken(id) && isToken(node))
    }),
  )
})

test.run()
