/** What holds across the routes of a broker cluster, on three real servers. */
import type { Connection, ConnectionStatus } from '../../src/runtime/ports.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { type NatsCluster, startNatsCluster } from '../../src/transport/nats-cluster.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('NATS cluster')
let cluster: NatsCluster
const open: Connection[] = []
let tests = 0
/** A subject of the running test alone. */
let subject = ''

test.before(async () => {
  cluster = await startNatsCluster({ count: 3 })
})
test.after(() => cluster.stop())
test.before.each(() => {
  subject = `t${tests++}`
})
test.after.each(async () => {
  for (const connection of open.splice(0)) await connection.close()
})

/** A client of one server; it goes on at the others when that is lost. */
async function clientOf(index: number): Promise<Connection> {
  const servers = [cluster.urls[index]!]
  const connection = await natsTransport({ servers, reconnectWaitMs: 20 }).connect({ name: 'test' })
  open.push(connection)
  return connection
}

/** One client of each server. */
const clients = () => Promise.all([0, 1, 2].map(clientOf))

/** Asks until somebody answers: other servers learn of a subscription a moment later. */
async function awaitInterest(from: Connection, to: string): Promise<void> {
  await until(async () => (await ask(from, to)) === 'answered', { what: `interest in ${to}` })
}

let inboxes = 0
const silenceMs = 1000

/**
 * Sends an empty request; how it ends. While an interest ends, a request may be on its way to a server where
 * there is none any more: then nothing is heard of it.
 */
function ask(from: Connection, to: string): Promise<'answered' | 'nobody' | 'silence'> {
  const inbox = `_INBOX.${subject}.${inboxes++}`
  return new Promise((resolve) => {
    const end = (how: 'answered' | 'nobody' | 'silence') => {
      clearTimeout(timer)
      subscription.close()
      resolve(how)
    }
    const timer = setTimeout(() => end('silence'), silenceMs)
    const subscription = from.subscribe(inbox, ({ noResponders }) =>
      end(noResponders ? 'nobody' : 'answered'),
    )
    from.publish(to, new Uint8Array(), inbox)
  })
}

/** Collects the numbers that arrive, and answers requests. */
function collect(connection: Connection, from: string, queue?: string): number[] {
  const numbers: number[] = []
  connection.subscribe(
    from,
    ({ data, reply }) => {
      if (reply !== undefined) connection.publish(reply, new Uint8Array([1]))
      else numbers.push(Buffer.from(data).readUInt32BE())
    },
    queue,
  )
  return numbers
}

function publish(connection: Connection, to: string, first: number, count: number): void {
  for (let n = first; n < first + count; n++) {
    const data = Buffer.alloc(4)
    data.writeUInt32BE(n)
    connection.publish(to, data)
  }
}

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i)

test('subscribers at every server get all of a publisher, in order and once', async () => {
  const [a, b, c] = (await clients()) as [Connection, Connection, Connection]
  const found = [a, b, c].map((connection, index) => {
    collect(connection, `${subject}.ready${index}`)
    return collect(connection, subject)
  })
  for (const index of [0, 1, 2]) await awaitInterest(a, `${subject}.ready${index}`)
  publish(a, subject, 0, 5000)
  await until(() => found.every((numbers) => numbers.length >= 5000), { what: 'all messages' })
  for (const numbers of found) assert.equal(numbers, range(0, 5000))
})

test('a queue group over several servers gets each message once', async () => {
  const [a, b, c] = (await clients()) as [Connection, Connection, Connection]
  const found = [b, c].map((connection) => collect(connection, subject, 'group'))
  await awaitInterest(a, subject)
  publish(a, subject, 0, 1000)
  const all = () => found.flat()
  await until(() => all().length >= 1000, { what: 'all messages' })
  assert.equal(
    all().sort((x, y) => x - y),
    range(0, 1000),
  )
})

test('a request that nobody at any server would hear is answered by the broker at once', async () => {
  const [a, b] = (await clients()) as [Connection, Connection]
  const unheard = async () => (await ask(a, subject)) === 'nobody'
  await until(unheard, { what: 'word that nobody listens' })
  const subscription = b.subscribe(subject, ({ reply }) => b.publish(reply!, new Uint8Array([1])))
  await awaitInterest(a, subject)
  subscription.close()
  await until(unheard, { what: 'the end of interest' })
})

test('a client whose server dies goes on at another, and its subscriptions hold', async () => {
  const [a, b] = (await clients()) as [Connection, Connection]
  const statuses: ConnectionStatus[] = []
  b.onStatus((status) => statuses.push(status))
  const found = collect(b, subject)
  await awaitInterest(a, subject)
  await cluster.servers[1]!.kill()
  await until(() => statuses.at(-1)?.type === 'reconnected', { what: 'b to be back' })
  assert.equal(
    statuses.map(({ type }) => type),
    ['disconnected', 'reconnected'],
  )
  await awaitInterest(a, subject)
  publish(a, subject, 0, 100)
  await until(() => found.length >= 100, { what: 'messages after the loss' })
  assert.equal(found, range(0, 100))

  await cluster.restart(1)
  const again = await clientOf(1)
  const here = collect(again, subject)
  collect(again, `${subject}.again`)
  await awaitInterest(a, `${subject}.again`)
  publish(a, subject, 100, 10)
  await until(() => here.length >= 10, { what: 'messages by way of the server that is back' })
  assert.equal(here, range(100, 10))
})

test('a client that was given one address learns the others', async () => {
  const connection = await clientOf(0)
  const statuses: ConnectionStatus[] = []
  connection.onStatus((status) => statuses.push(status))
  for (const index of [0, 1]) await cluster.servers[index]!.kill()
  await until(() => statuses.at(-1)?.type === 'reconnected', { what: 'the third server' })
  await connection.flush()
  for (const index of [0, 1]) await cluster.restart(index)
})

test.run()
