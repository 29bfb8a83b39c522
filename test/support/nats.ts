/** A real broker for a test file: one server of its own, on a port of its own, gone at its end. */
import {
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from '../../src/transport/nats-server.ts'
import type { Suite } from './suite.ts'

/**
 * Starts a server before the suite's tests and stops it after them. The function returned gives the
 * running server; it is an error to call it earlier than in a test or a later hook.
 *
 * @example
 * const broker = natsServerFor(test)
 * test('...', async () => { natsTransport({ servers: [broker().url] }) })
 */
export function natsServerFor(test: Suite, options: NatsServerOptions = {}): () => NatsServer {
  let server: NatsServer | undefined
  test.before(async () => {
    server = await startNatsServer(options)
  })
  test.after(() => server?.stop())
  return () => {
    if (!server) throw new Error('the broker runs only during the tests of the suite')
    return server
  }
}
