/**
 * A node in a process of its own, with one actor `worker`, for tests that kill it. Arguments: the broker's
 * URL and the node's name. Prints `ready` when it runs.
 */
import { startNode } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { worker } from './actors.ts'

const [url = '', name = ''] = process.argv.slice(2)
await startNode({
  name,
  ports: systemPorts({ transport: natsTransport({ servers: [url] }), log: { level: 'fatal' } }),
  heartbeatMs: 100,
  // Longer than a busy machine may keep a process waiting.
  silenceMs: 3000,
  children: [worker({ traps: true })],
})
process.stdout.write('ready\n')
