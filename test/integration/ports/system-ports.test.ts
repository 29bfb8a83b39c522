import { systemPorts } from '../../../src/runtime/ports/index.ts'
import { memoryLog } from '../../../src/runtime/ports/memory-log.ts'
import type { Transport } from '../../../src/runtime/ports.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('system ports')

const transport: Transport = { connect: () => Promise.reject(new Error('no network here')) }

test('the facts of this machine are plausible and stay the same', async () => {
  const { host } = systemPorts({ transport })
  assert.ok(host.hostname.length > 0)
  assert.ok(host.cpus() >= 1)
  assert.ok(host.memory() > 2 ** 26)
  assert.match(await host.bootId(), /^[0-9a-f-]{36}$/)
  assert.is(await host.bootId(), await host.bootId())
  assert.type(host.env().PATH, 'string')
})

test('a log of the caller is used as it is', () => {
  const log = memoryLog()
  const ports = systemPorts({ transport, log })
  ports.log.write('info', 'hello')
  assert.is(log.lines.length, 1)
  assert.is(ports.transport, transport)
})

test.run()
