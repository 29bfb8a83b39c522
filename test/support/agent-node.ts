/** An agent in a process of its own, for tests that kill it. Arguments: broker's URL, node, options (JSON). */
import Value from 'typebox/value'
import agent from '../../actors/agent/index.ts'
import { startNode } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'

const [url = '', name = '', json = '{}'] = process.argv.slice(2)
const ports = systemPorts({
  transport: natsTransport({ servers: [url] }),
  log: { level: process.env.LOG === undefined ? 'fatal' : 'debug' },
})
const given = { ...JSON.parse(json), nats_url: url }
const options = Value.Default(agent.options, given) as Parameters<typeof agent.children>[0]
const context = { ports, cluster: 'meseta', node: name }
try {
  const children = await agent.children(options, context)
  const node = await startNode({ name, ports, children, onFailure: () => process.exit(1) })
  process.once('SIGTERM', () => node.stop().then(() => process.exit(0)))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}
