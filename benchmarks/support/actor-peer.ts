/**
 * The other process of `benchmarks/actors.ts`: a node called `peer` with a source and a sink, and beside
 * it a bare client that answers requests. Argument: the broker's URL.
 */
import { connect } from 'nats'
import { startNode } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { sink, source } from './actor-load.ts'

const [url = ''] = process.argv.slice(2)
// Gone with its parent, however that ends.
process.on('disconnect', () => process.exit())
const nats = await connect({ servers: url, noAsyncTraces: true })
nats.subscribe('raw.echo', { callback: (_error, message) => void message.respond(message.data) })
await nats.flush()
const transport = natsTransport({ servers: [url] })
const ports = systemPorts({ transport, log: { level: 'error' } })
await startNode({ name: 'peer', ports, children: [source(), sink({ items: 0 })] })
process.send?.('ready')
