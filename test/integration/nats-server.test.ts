import { existsSync } from 'node:fs'
import { natsTransport } from '../../src/transport/nats.ts'
import {
  findNatsServer,
  NatsServerError,
  startNatsServer,
} from '../../src/transport/nats-server.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('nats-server')

async function failure(attempt: Promise<unknown>): Promise<Error> {
  try {
    await attempt
  } catch (error) {
    return error as Error
  }
  throw new Error('did not fail')
}

test('the program is found', () => {
  assert.ok(existsSync(findNatsServer() ?? ''))
})

test('a server is ready when it is returned, and gone when it has stopped', async () => {
  const server = await startNatsServer({ maxPayload: 4096 })
  const connection = await natsTransport({ servers: [server.url] }).connect({ name: 'test' })
  assert.is(connection.maxPayload, 4096)
  await connection.close()
  process.kill(server.pid, 0)
  await server.stop()
  assert.throws(() => process.kill(server.pid, 0), /ESRCH/)
  await server.stop()
})

test('a killed server can be started again on its port', async () => {
  const first = await startNatsServer()
  await first.kill()
  const second = await startNatsServer({ port: first.port })
  assert.is(second.url, first.url)
  await second.stop()
})

test('a port in use is told with the words of the server', async () => {
  const first = await startNatsServer()
  const error = await failure(startNatsServer({ port: first.port }))
  assert.instance(error, NatsServerError)
  assert.match(error.message, /address already in use/)
  await first.stop()
})

test('a missing program and a wrong one are told apart', async () => {
  const bad = await failure(startNatsServer({ binary: '/nonexistent/nats-server' }))
  assert.is((bad as NatsServerError).code, 'START_FAILED')
  const before = process.env.NATS_SERVER_BIN
  process.env.NATS_SERVER_BIN = '/nonexistent/nats-server'
  try {
    const missing = await failure(startNatsServer())
    assert.is((missing as NatsServerError).code, 'NOT_FOUND')
    assert.match(missing.message, /NATS_SERVER_BIN/)
  } finally {
    if (before === undefined) delete process.env.NATS_SERVER_BIN
    else process.env.NATS_SERVER_BIN = before
  }
})

test.run()
