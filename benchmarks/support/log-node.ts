/**
 * One replica's process for `benchmarks/log.ts`: a node with its part of a log. Arguments: the broker's
 * URL, the node's name, the store's directory, all replicas' nodes.
 */
import { log } from '../../actors/log/index.ts'
import { startNode } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'

const [url = '', name = '', path = '', ...replicas] = process.argv.slice(2)
// Gone with its parent, however that ends.
process.on('disconnect', () => process.exit())
const ports = systemPorts({ transport: natsTransport({ servers: [url] }), log: { level: 'warn' } })
await startNode({ name, ports, children: [log({ path, node: name, replicas })] })
process.send?.('ready')
