import { natsTransport } from '../../src/transport/nats.ts'
import { type NatsServer, startNatsServer } from '../../src/transport/nats-server.ts'
import { transportContract } from '../support/contracts/transport.ts'
import { suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('NATS transport')
let server: NatsServer
test.before(async () => {
  server = await startNatsServer({ maxPayload: 65_536 })
})
test.after(() => server.stop())

transportContract(test, () => ({
  connect: (name) =>
    natsTransport({ servers: [server.url], reconnectWaitMs: 20 }).connect({ name }),
  until: async (condition, what) => {
    await until(condition, { what, intervalMs: 2 })
  },
  takeAway: () => server.kill(),
  bringBack: async () => {
    server = await startNatsServer({ port: server.port, maxPayload: 65_536 })
  },
}))
test.run()
