/** The broker configuration in docs/operating.md, started as it stands there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Connection } from '../../src/runtime/ports.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { findNatsServer } from '../../src/transport/nats-server.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('operating guide')
const guide = resolve(import.meta.dirname, '..', '..', 'docs', 'operating.md')
const directory = temporaryDirectory('operating')
const passwords = { MESETA_PASSWORD: 'all', SHOP_PASSWORD: 'se:cret', WATCHER_PASSWORD: 'see' }
const servers: ChildProcess[] = []
const connections: Connection[] = []

/** A loopback address for each host of the guide, this process's alone, so that ports can stay. */
function host(n: number): string {
  const { pid } = process
  return `127.${1 + ((pid >> 14) % 255)}.${(pid >> 6) & 255}.${((pid & 63) << 2) + n}`
}
const url = (n: number, credentials: string) => `nats://${credentials}@${host(n)}:4222`

/** All of the configuration, as it is on one of the hosts. */
function configurationOf(n: number): string {
  const blocks = [...readFileSync(guide, 'utf8').matchAll(/^```nats\n(.*?)^```/gms)]
  return blocks
    .map(([, text = '']) => text)
    .join('')
    .replace('server_name: broker-1', `server_name: broker-${n}`)
    .replaceAll('0.0.0.0', host(n))
    .replaceAll(/broker-(\d):/g, (_, m) => `${host(Number(m))}:`)
}

async function connect(address: string): Promise<Connection> {
  const transport = natsTransport({ servers: [address], connectTimeoutMs: 10_000 })
  const connection = await transport.connect({ name: 'test' })
  connections.push(connection)
  return connection
}

test.before(() => {
  for (const n of [1, 2, 3]) {
    const file = join(directory, `broker-${n}.conf`)
    writeFileSync(file, configurationOf(n))
    const env = { ...process.env, ...passwords }
    servers.push(spawn(findNatsServer()!, ['-c', file], { env, stdio: 'ignore' }))
  }
  process.once('exit', () => {
    for (const server of servers) server.kill('SIGKILL')
  })
})
test.after(async () => {
  for (const connection of connections) await connection.close()
  for (const server of servers) {
    server.kill('SIGKILL')
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
  }
})

// Elsewhere loopback has one address only.
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('the servers form one cluster, and users may do what they are to', async () => {
  const component = await connect(url(1, 'meseta:all'))
  assert.is(component.maxPayload, 8 * 1024 * 1024)
  const shop = await connect(url(2, 'shop:se:cret'))
  const [calls, events]: [string[], string[]] = [[], []]
  component.subscribe('meseta.framework.shop-1.call', ({ subject }) => void calls.push(subject))
  shop.subscribe('meseta.framework.shop-1.event', ({ subject }) => void events.push(subject))
  await until(
    () => {
      shop.publish('meseta.framework.shop-1.call', new Uint8Array())
      component.publish('meseta.framework.shop-1.event', new Uint8Array())
      return calls.length > 0 && events.length > 0
    },
    { what: 'a call and an event to cross the cluster', intervalMs: 50 },
  )
})

onLinux('a framework and a dashboard cannot speak in the name of components', async () => {
  for (const credentials of ['shop:se:cret', 'watcher:see']) {
    const connection = await connect(url(3, credentials))
    const denied: string[] = []
    connection.onStatus((status) => {
      if (status.type === 'denied') denied.push(`${status.operation} ${status.subject}`)
    })
    connection.publish('meseta.pid.master-1.master', new Uint8Array())
    connection.subscribe('meseta.pid.>', () => assert.unreachable())
    await until(() => denied.length === 2, { what: 'both refusals' })
    assert.equal(denied, ['publish meseta.pid.master-1.master', 'subscribe meseta.pid.>'])
  }
})

test.run()
