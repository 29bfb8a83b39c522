import { isIP } from 'node:net'
import { systemHost } from '../../../src/runtime/ports/system-host.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('system host')

test('this machine has an address', () => {
  assert.is.not(isIP(systemHost.ip()), 0)
})

test.run()
