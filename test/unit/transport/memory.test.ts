import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import type { Connection, ConnectionStatus, Delivery } from '../../../src/runtime/ports.ts'
import { type MemoryBrokerOptions, memoryBroker } from '../../../src/transport/memory.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('in-memory network')
const bytes = (content: string) => new Uint8Array(Buffer.from(content))
const text = ({ data }: { data: Uint8Array }) => Buffer.from(data).toString()
const about = (subject: string) => (passing: { subject: string }) => passing.subject === subject

function network(options: Omit<MemoryBrokerOptions, 'clock'> = {}) {
  const clock = virtualClock()
  const broker = memoryBroker({ clock, ...options })
  const connect = (owner: string) => broker.transport(owner).connect({ name: owner })
  const collect = (connection: Connection, subject: string, queue?: string) => {
    const found: Delivery[] = []
    connection.subscribe(subject, (delivery) => found.push(delivery), queue)
    return found
  }
  const statuses = (connection: Connection) => {
    const seen: ConnectionStatus[] = []
    connection.onStatus((status) => seen.push(status))
    return seen
  }
  return { clock, broker, connect, collect, statuses }
}

test('nothing happens before the clock gives its turn', async () => {
  const { clock, connect, collect } = network()
  const connection = await connect('a')
  const found = collect(connection, 'x')
  connection.publish('x', bytes('1'))
  assert.is(found.length, 0)
  assert.ok(connection.pendingBytes() > 0)
  await clock.settle()
  assert.is(found.length, 1)
  assert.is(connection.pendingBytes(), 0)
  assert.equal(clock.pending(), { timers: 0, deferred: 0 })
})

test('dropped messages vanish without a word until the fault is removed', async () => {
  const { clock, broker, connect, collect, statuses } = network()
  const [a, b] = [await connect('a'), await connect('b')]
  const [found, seen] = [collect(b, 'x'), statuses(b)]
  const fault = broker.drop(about('x'))
  a.publish('x', bytes('lost'))
  await clock.settle()
  assert.equal([found.length, fault.hits, seen], [0, 1, []])
  fault.remove()
  a.publish('x', bytes('arrives'))
  await clock.settle()
  assert.equal(found.map(text), ['arrives'])
  assert.equal(broker.stats(), { published: 2, delivered: 1, dropped: 1, unanswerable: 0 })
})

test('a delayed message is overtaken by later ones', async () => {
  const { clock, broker, connect, collect } = network()
  const a = await connect('a')
  const found = collect(a, 'x')
  broker.delay((passing) => text(passing) === 'slow', 50)
  for (const content of ['first', 'slow', 'last']) a.publish('x', bytes(content))
  await clock.advance(49)
  assert.equal(found.map(text), ['first', 'last'])
  await clock.advance(1)
  assert.equal(found.map(text), ['first', 'last', 'slow'])
})

test('a duplicated message comes again, as a copy of its own', async () => {
  const { clock, broker, connect, collect } = network()
  const a = await connect('a')
  const found = collect(a, 'x')
  broker.duplicate(about('x'), 30)
  a.publish('x', bytes('twice'))
  await clock.settle()
  found[0]!.data.fill(0)
  await clock.advance(30)
  assert.equal(found.map(text), ['\0'.repeat(5), 'twice'])
})

test('latency keeps the order of a publisher though each message draws another', async () => {
  const draws = [30, 5, 0, 12]
  let turn = 0
  const { clock, connect, collect } = network({ latencyMs: () => draws[turn++ % draws.length]! })
  const a = await connect('a')
  const found = collect(a, 'x')
  for (let index = 0; index < 8; index++) a.publish('x', bytes(String(index)))
  await clock.advance(29)
  assert.is(found.length, 0)
  await clock.advance(20)
  assert.is(found.map(text).join(''), '01234567')
})

test('no second copy comes before the first, however long that is on its way', async () => {
  let latencyMs = 100
  const { clock, broker, connect, collect } = network({ latencyMs: () => latencyMs })
  const a = await connect('a')
  const found = collect(a, 'x')
  broker.duplicate(({ subject }) => subject === 'x', 1)
  a.publish('x', bytes('1'))
  await clock.settle()
  latencyMs = 1
  a.publish('x', bytes('2'))
  await clock.advance(200)
  assert.is(found.map(text).join(''), '1212')
})

test('who is at one broker does not see who is at the other while they have lost each other', async () => {
  const { clock, broker, connect, collect } = network()
  const [a, b, c] = [await connect('a'), await connect('b'), await connect('c')]
  const [atB, atC, absent] = [collect(b, 'x'), collect(c, 'x'), collect(a, 'reply')]
  await clock.settle()
  const say = async () => {
    a.publish('x', bytes('x'), 'reply')
    await clock.settle()
    return [atB.splice(0).length, atC.splice(0).length, absent.splice(0).length]
  }
  const toB = broker.sever(['a'], ['b'])
  assert.equal(await say(), [0, 1, 0])
  broker.sever(['c', 'b'], ['a'])
  assert.equal(await say(), [0, 0, 1])
  toB.remove()
  assert.equal(await say(), [0, 0, 1])
  broker.heal()
  assert.equal(await say(), [1, 1, 0])
  assert.ok(toB.hits > 0)
})

test('a partition cuts both ways, or one, and heals', async () => {
  const { clock, broker, connect, collect } = network()
  const [a, b, c] = [await connect('a'), await connect('b'), await connect('c')]
  const inboxes = [collect(a, 'x'), collect(b, 'x'), collect(c, 'x')]
  await clock.settle()
  const round = async () => {
    for (const found of inboxes) found.length = 0
    for (const [name, connection] of Object.entries({ a, b, c }))
      connection.publish('x', bytes(name))
    await clock.settle()
    return inboxes.map((found) => found.map(text).sort().join(''))
  }
  const both = broker.partition('a', ['b', 'c'])
  assert.equal(await round(), ['a', 'bc', 'bc'])
  both.remove()
  assert.equal(await round(), ['abc', 'abc', 'abc'])
  broker.partition('a', 'b', { oneWay: true })
  assert.equal(await round(), ['abc', 'bc', 'abc'])
  broker.heal()
  broker.isolate('b')
  assert.equal(await round(), ['ac', 'b', 'ac'])
  broker.heal()
  assert.equal(await round(), ['abc', 'abc', 'abc'])
})

test('a message lost to a fault is no reason for no responders', async () => {
  const { clock, broker, connect, collect } = network()
  const [a, b] = [await connect('a'), await connect('b')]
  const answers = collect(a, 'reply')
  collect(b, 'x')
  await clock.settle()
  broker.partition('a', 'b')
  a.publish('x', bytes(''), 'reply')
  await clock.settle()
  assert.equal(answers, [])
})

test('disconnecting one owner leaves the others connected', async () => {
  const { clock, broker, connect, collect, statuses } = network()
  const [a, b] = [await connect('a'), await connect('b')]
  const [found, seenByA, seenByB] = [collect(b, 'x'), statuses(a), statuses(b)]
  await clock.settle()
  a.publish('x', bytes('on its way'))
  broker.disconnect('b')
  await clock.settle()
  a.publish('x', bytes('while away'), 'nowhere')
  await clock.settle()
  broker.reconnect('b')
  await clock.settle()
  a.publish('x', bytes('after'))
  await clock.settle()
  assert.equal(found.map(text), ['after'])
  assert.equal(seenByA, [])
  assert.equal(seenByB, [{ type: 'disconnected' }, { type: 'reconnected' }])
})

test('what was on its way when a connection broke does not arrive in the next one', async () => {
  const { clock, broker, connect, collect } = network({ latencyMs: () => 10 })
  const [a, b] = [await connect('a'), await connect('b')]
  const found = collect(b, 'x')
  await clock.settle()
  a.publish('x', bytes('old'))
  await clock.settle()
  broker.disconnect('b')
  broker.reconnect('b')
  await clock.advance(20)
  assert.equal(found, [])
})

test('a subscription closed just before a cut is gone from the broker', async () => {
  const { clock, broker, connect, collect } = network()
  const [a, b] = [await connect('a'), await connect('b')]
  const answers = collect(a, 'reply')
  const subscription = b.subscribe('x', () => assert.unreachable())
  await clock.settle()
  subscription.close()
  broker.disconnect('b')
  broker.reconnect('b')
  await clock.settle()
  a.publish('x', bytes(''), 'reply')
  await clock.settle()
  assert.equal(
    answers.map(({ noResponders }) => noResponders),
    [true],
  )
})

test('a slow consumer is cut, told, and back after a while', async () => {
  const { clock, connect, collect, statuses } = network({
    pendingBytesMax: 2_000,
    latencyMs: (_, to) => (to === 'slow' ? 100 : 0),
  })
  const [a, slow] = [await connect('a'), await connect('slow')]
  const [found, seen] = [collect(slow, 'x'), statuses(slow)]
  await clock.settle()
  for (let index = 0; index < 5; index++) {
    a.publish('x', new Uint8Array(600))
    await clock.settle()
  }
  assert.is(slow.connected, false)
  await clock.advance(200)
  assert.equal(
    seen.map(({ type }) => type),
    ['lost', 'disconnected'],
  )
  assert.match(JSON.stringify(seen[0]), 'slow consumer')
  assert.equal(found, [])
  await clock.advance(50)
  assert.is(slow.connected, true)
  a.publish('x', bytes('again'))
  await clock.advance(100)
  assert.equal(found.map(text), ['again'])
})

test('what waits to be sent is bounded, and the first loss of a spell is told', async () => {
  const { clock, connect, collect, statuses } = network({ pendingBytesMax: 10_000 })
  const [a, b] = [await connect('a'), await connect('b')]
  const [found, seen] = [collect(b, 'x'), statuses(a)]
  await clock.settle()
  for (let index = 0; index < 100; index++) a.publish('x', new Uint8Array(1_000 - 64))
  assert.is(a.pendingBytes(), 10_000)
  await clock.settle()
  assert.is(found.length, 10)
  assert.equal(
    seen.map(({ type }) => type),
    ['lost'],
  )
})

test('refused operations are told and have no effect', async () => {
  const { clock, broker, connect, collect, statuses } = network()
  const [a, b] = [await connect('a'), await connect('b')]
  const [heard, seen] = [collect(b, 'secret.x'), statuses(a)]
  broker.deny({ owner: 'a', operation: 'publish', subject: 'secret.>' })
  const denial = broker.deny({ owner: 'a', operation: 'subscribe', subject: 'secret.*' })
  const overheard = collect(a, 'secret.x')
  a.publish('secret.x', bytes('from a'))
  b.publish('secret.x', bytes('from b'))
  await clock.settle()
  assert.equal(heard.map(text), ['from b'])
  assert.equal(overheard, [])
  assert.is(denial.hits, 1)
  assert.equal(seen, [
    { type: 'denied', operation: 'subscribe', subject: 'secret.x' },
    { type: 'denied', operation: 'publish', subject: 'secret.x' },
  ])
})

test('expect resolves with the next matching message, even one that is then lost', async () => {
  const { clock, broker, connect } = network()
  const a = await connect('a')
  broker.drop(() => true)
  const expected = broker.expect(about('wanted'))
  a.publish('other', bytes('1'))
  a.publish('wanted', bytes('2'), 'reply')
  a.publish('wanted', bytes('3'))
  await clock.settle()
  const passing = await expected
  assert.equal([passing.from, passing.reply, text(passing)], ['a', 'reply', '2'])
})

test('groups that share the counter still spread evenly', async () => {
  const { clock, connect, collect } = network()
  const a = await connect('a')
  const members = ['x', 'x', 'y', 'y'].map((subject) => collect(a, subject, 'group'))
  for (let index = 0; index < 200; index++) a.publish(index % 2 ? 'x' : 'y', bytes(''))
  await clock.settle()
  for (const found of members) assert.ok(Math.abs(found.length - 50) < 10, `${found.length} of 100`)
})

test('a given source of randomness decides who of a group gets a message', async () => {
  const run = async (seed: string) => {
    const { clock, connect, collect } = network({ random: stream(seed, 'broker') })
    const a = await connect('a')
    const members = [collect(a, 'x', 'group'), collect(a, 'x', 'group')]
    for (let index = 0; index < 64; index++) a.publish('x', bytes(String(index)))
    await clock.settle()
    return members.map((found) => found.map(text).join())
  }
  assert.equal(await run('one'), await run('one'))
  assert.is.not((await run('one'))[0], (await run('two'))[0])
})

test.run()
