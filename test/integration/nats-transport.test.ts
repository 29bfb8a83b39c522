import { spawn } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionStatus, type Delivery, TransportError } from '../../src/runtime/ports.ts'
import { type NatsTransportOptions, natsTransport } from '../../src/transport/nats.ts'
import { type NatsServerOptions, startNatsServer } from '../../src/transport/nats-server.ts'
import { isRunning, pause } from '../support/process.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('NATS transport, beyond the contract')
const bytes = (content: string) => new Uint8Array(Buffer.from(content))
const cleanups: Array<() => unknown> = []
test.after.each(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function startServer(options: NatsServerOptions = {}) {
  const server = await startNatsServer(options)
  cleanups.push(() => server.kill())
  return server
}

async function connect(url: string, options: Omit<NatsTransportOptions, 'servers'> = {}) {
  const connection = await natsTransport({ servers: [url], ...options }).connect({ name: 'test' })
  cleanups.push(() => connection.close())
  const statuses: ConnectionStatus[] = []
  connection.onStatus((status) => statuses.push(status))
  return { connection, statuses }
}

/** A port on loopback where nobody listens any more. */
async function closedPort(): Promise<number> {
  const server = await listen(createServer())
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

async function connectFailure(servers: string[], options = {}): Promise<TransportError> {
  const error = await natsTransport({ servers, ...options })
    .connect({ name: 'test' })
    .then(
      () => assert.unreachable(),
      (reason) => reason,
    )
  assert.instance(error, TransportError)
  assert.is(error.code, 'CONNECT_FAILED')
  return error
}

test('a broker that is not there is named, with what to do', async () => {
  const port = await closedPort()
  const error = await connectFailure([`127.0.0.1:${port}`])
  assert.match(error.message, `no NATS server answers at 127.0.0.1:${port}`)
  assert.match(error.message, 'start one')
})

test('a peer that takes the connection and says nothing is given up', async () => {
  const sockets: Socket[] = []
  const server = await listen(createServer((socket) => sockets.push(socket)))
  cleanups.push(
    () => server.close(),
    () => {
      for (const socket of sockets) socket.destroy()
    },
  )
  const { port } = server.address() as { port: number }
  const error = await connectFailure([`127.0.0.1:${port}`], { attemptTimeoutMs: 50 })
  assert.match(error.message, 'no NATS server answers')
})

test('wrong credentials are told apart from a broker that is not there, and not retried', async () => {
  const config = 'authorization { user: agent, password: right }'
  const server = await startServer({ config })
  const error = await connectFailure([server.url], {
    user: 'agent',
    pass: 'wrong',
    connectTimeoutMs: 60_000,
  })
  assert.match(error.message, 'check the credentials')
  const { connection } = await connect(server.url, { user: 'agent', pass: 'right' })
  assert.is(connection.connected, true)
})

test('credentials in an address are used, and not shown when they are refused', async () => {
  const named = await startServer({ config: 'authorization { user: agent, password: "a@b%" }' })
  const { connection } = await connect(`nats://agent:a%40b%25@127.0.0.1:${named.port}`)
  assert.is(connection.connected, true)
  const secret = await startServer({ config: 'authorization { token: sesame }' })
  assert.is((await connect(`sesame@127.0.0.1:${secret.port}`)).connection.connected, true)
  const error = await connectFailure([`nats://agent:wrong@127.0.0.1:${named.port}`])
  assert.match(error.message, `nats://127.0.0.1:${named.port}`)
  assert.not.match(error.message, 'wrong@')
})

test('connect waits for a broker that comes later, if asked to', async () => {
  const port = await closedPort()
  const connecting = connect(`127.0.0.1:${port}`, { connectTimeoutMs: 10_000, reconnectWaitMs: 10 })
  await startServer({ port })
  assert.is((await connecting).connection.connected, true)
})

test('what permissions refuse is told, and the connection stays open', async () => {
  const config = `authorization { users: [ { user: agent, password: p, permissions: {
    publish: { deny: "secret.>" }, subscribe: { deny: "secret.>" } } } ] }`
  const server = await startServer({ config })
  const { connection, statuses } = await connect(server.url, { user: 'agent', pass: 'p' })
  connection.publish('secret.plan', bytes(''))
  const subscription = connection.subscribe('secret.>', () => assert.unreachable())
  await until(() => statuses.length === 2, { what: 'both refusals' })
  assert.equal(statuses, [
    { type: 'denied', operation: 'publish', subject: 'secret.plan' },
    { type: 'denied', operation: 'subscribe', subject: 'secret.>' },
  ])
  subscription.close()
  await connection.flush()
  assert.is(connection.connected, true)
})

test('a broker that falls silent is noticed by pings, and found again', async () => {
  const server = await startServer()
  const { connection, statuses } = await connect(server.url, {
    pingIntervalMs: 50,
    pingsOutstandingMax: 1,
    attemptTimeoutMs: 200,
    reconnectWaitMs: 10,
  })
  const types = () => statuses.map(({ type }) => type)
  await pause(server.pid)
  try {
    await until(() => types().includes('disconnected'), { what: 'the silence to be noticed' })
    assert.equal(types().slice(0, 2), ['lost', 'disconnected'])
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
  await until(() => types().includes('reconnected'), { what: 'the return' })
  await connection.flush()
})

test('what waits to be sent is bounded while the broker reads nothing', async () => {
  const server = await startServer()
  const pendingBytesMax = 8 * 1_048_576
  const { connection, statuses } = await connect(server.url, { pendingBytesMax })
  await pause(server.pid)
  try {
    const payload = new Uint8Array(1_048_576)
    for (let index = 0; index < 40; index++) {
      connection.publish('bulk', payload)
      assert.ok(connection.pendingBytes() <= pendingBytesMax + 64)
    }
    assert.equal(
      statuses.map(({ type }) => type),
      ['lost'],
    )
    assert.match(JSON.stringify(statuses), 'wait to be sent')
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
  await connection.flush()
  assert.is(connection.pendingBytes(), 0)
})

test('nothing published while the broker is away arrives later', async () => {
  const server = await startServer()
  const { connection, statuses } = await connect(server.url, { reconnectWaitMs: 10 })
  const found: Delivery[] = []
  connection.subscribe('news', (delivery) => found.push(delivery))
  await connection.flush()
  await server.kill()
  await until(() => !connection.connected, { what: 'the loss of the broker' })
  for (let index = 0; index < 100; index++) connection.publish('news', bytes('old'))
  assert.is(connection.pendingBytes(), 0)
  await startServer({ port: server.port, maxPayload: 2_048 })
  await until(() => statuses.at(-1)?.type === 'reconnected', { what: 'the return' })
  connection.publish('news', bytes('new'))
  await until(() => found.length > 0, { what: 'the news' })
  assert.equal(
    found.map(({ data }) => Buffer.from(data).toString()),
    ['new'],
  )
  assert.is(connection.maxPayload, 2_048)
})

test('close does not wait for ever for a broker that is silent', async () => {
  const server = await startServer()
  const { connection } = await connect(server.url)
  await pause(server.pid)
  try {
    connection.publish('x', bytes(''))
    const flushed = connection.flush().then(
      () => 'taken',
      (error: TransportError) => error.code,
    )
    const before = performance.now()
    await connection.close()
    assert.ok(performance.now() - before < 5_000)
    assert.is(await flushed, 'CONNECTION_CLOSED')
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
})

// Elsewhere there is no way to bind a process to its parent.
const onLinux = process.platform === 'linux' ? test : test.skip
onLinux('a server does not outlive the process that started it', async () => {
  const module = join(import.meta.dirname, '../../src/transport/nats-server.ts')
  const script = `
    const { startNatsServer } = await import(${JSON.stringify(module)})
    const server = await startNatsServer()
    process.stdout.write(String(server.pid) + '\\n')`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanups.push(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  await until(() => output.includes('\n'), { what: 'the pid of the server' })
  const pid = Number(output)
  process.kill(pid, 0)
  child.kill('SIGKILL')
  await until(() => !isRunning(pid), { what: 'the end of the server' })
})

test.run()
