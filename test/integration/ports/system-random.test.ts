import { systemRandom } from '../../../src/runtime/ports/system-random.ts'
import { randomContract } from '../../support/contracts/random.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('system random')

randomContract(test, systemRandom)

test('bytes handed out are not touched by later draws', () => {
  const random = systemRandom()
  const bytes = random.bytes(16)
  const copy = bytes.slice()
  for (let i = 0; i < 5000; i += 1) random.next()
  assert.equal(bytes, copy)
})

test.run()
