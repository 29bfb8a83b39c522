/**
 * What every transport must do, whatever carries the bytes. Run on the in-memory network and on a real
 * broker, so that tests on the former say something about the latter (`spec/simulation.md` §16).
 */
import {
  type Connection,
  type ConnectionStatus,
  type Delivery,
  TransportError,
  type TransportErrorCode,
} from '../../../src/runtime/ports.ts'
import { subjectBytesMax } from '../../../src/transport/subject.ts'
import { assert, type Suite } from '../suite.ts'

/** A broker for one suite, made by the caller's hooks. */
export interface TransportUnderTest {
  connect(name: string): Promise<Connection>
  /** Lets time pass until the condition holds, and fails if it does not come to hold. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Takes the broker away, as a crash does. */
  takeAway(): Promise<void>
  /** Brings it back, at the same address and with no memory of its clients. */
  bringBack(): Promise<void>
}

const text = (data: Uint8Array) => Buffer.from(data).toString()
const bytes = (content: string) => new Uint8Array(Buffer.from(content))

/** Adds the contract's tests to a suite; the broker is asked for when they run. */
export function transportContract(test: Suite, underTest: () => TransportUnderTest): void {
  const open: Connection[] = []
  let prefix = 'p'
  let tests = 0

  test.before.each(() => {
    prefix = `contract.${tests++}`
  })
  test.after.each(async () => {
    for (const connection of open.splice(0)) await connection.close()
  })

  const connect = async (name = 'client') => {
    const connection = await underTest().connect(name)
    open.push(connection)
    return connection
  }
  const until = (condition: () => boolean, what: string) => underTest().until(condition, what)

  /** Subscribes and collects; the broker knows of it when this resolves. */
  const collect = async (connection: Connection, subject: string, queue?: string) => {
    const found: Delivery[] = []
    connection.subscribe(subject, (delivery) => found.push(delivery), queue)
    await connection.flush()
    return found
  }
  /**
   * Resolves when all that these connections published has been delivered: each publishes a mark,
   * which comes behind everything before it.
   */
  const drained = async (from: Connection, to: Connection) => {
    const subject = `${prefix}.mark`
    const marks = await collect(to, subject)
    from.publish(subject, bytes(''))
    await until(() => marks.length === 1, 'the mark behind the messages')
  }
  const refuses = (code: TransportErrorCode, action: () => unknown) => {
    try {
      action()
    } catch (error) {
      assert.instance(error, TransportError)
      assert.is((error as TransportError).code, code)
      return error as TransportError
    }
    return assert.unreachable(`expected ${code}`) as never
  }

  test('a message reaches every subscriber with subject, payload and reply subject', async () => {
    const [publisher, one, two] = [await connect(), await connect(), await connect()]
    const [first, second] = [await collect(one, `${prefix}.a`), await collect(two, `${prefix}.a`)]
    publisher.publish(`${prefix}.a`, bytes('hello'), `${prefix}.answers`)
    publisher.publish(`${prefix}.a`, bytes(''))
    await until(() => first.length === 2 && second.length === 2, 'both messages at both')
    for (const [message, empty] of [first, second]) {
      assert.is(message?.subject, `${prefix}.a`)
      assert.is(text(message!.data), 'hello')
      assert.is(message?.reply, `${prefix}.answers`)
      assert.is(message?.noResponders, false)
      assert.is(empty?.data.length, 0)
      assert.is(empty?.reply, undefined)
      assert.is(empty?.noResponders, false)
    }
  })

  test('a publisher hears itself', async () => {
    const connection = await connect()
    const found = await collect(connection, `${prefix}.echo`)
    connection.publish(`${prefix}.echo`, bytes('me'))
    await until(() => found.length === 1, 'its own message')
  })

  test('a handler is never called from within publish, subscribe or flush', async () => {
    const connection = await connect()
    let within = false
    let broken = false
    connection.subscribe(`${prefix}.x`, () => {
      broken ||= within
    })
    const found = await collect(connection, `${prefix}.x`)
    within = true
    connection.publish(`${prefix}.x`, bytes('1'))
    const flushed = connection.flush()
    connection.subscribe(`${prefix}.y`, () => undefined)
    within = false
    await flushed
    await until(() => found.length === 1, 'the message')
    assert.is(broken, false)
  })

  test('messages of one publisher arrive in order, across subjects', async () => {
    const [publisher, receiver] = [await connect(), await connect()]
    const found = await collect(receiver, `${prefix}.>`)
    for (let index = 0; index < 2_000; index++) {
      publisher.publish(`${prefix}.s${index % 7}`, bytes(String(index)))
    }
    await until(() => found.length === 2_000, '2000 messages')
    assert.equal(
      found.map(({ data }) => Number(text(data))),
      Array.from({ length: 2_000 }, (_, index) => index),
    )
  })

  test('wildcards match one token or the rest, and never nothing', async () => {
    const connection = await connect()
    const patterns = ['a.*', 'a.>', '*.b', 'a.*.c', '>', 'a.b']
    const collected = await Promise.all(
      patterns.map((pattern) => collect(connection, `${prefix}.${pattern}`)),
    )
    for (const subject of ['a', 'a.b', 'a.b.c', 'b.b', 'a.b.c.d']) {
      connection.publish(`${prefix}.${subject}`, bytes(''))
    }
    await drained(connection, connection)
    const names = collected.map((found) =>
      found
        .map(({ subject }) => subject.slice(prefix.length + 1))
        .filter((name) => name !== 'mark'),
    )
    assert.equal(names, [
      ['a.b'],
      ['a.b', 'a.b.c', 'a.b.c.d'],
      ['a.b', 'b.b'],
      ['a.b.c'],
      ['a', 'a.b', 'a.b.c', 'b.b', 'a.b.c.d'],
      ['a.b'],
    ])
  })

  test('one member of a queue group gets each message, and each member some', async () => {
    const publisher = await connect()
    const members = await Promise.all(
      [1, 2, 3].map(async () => collect(await connect(), `${prefix}.work`, 'workers')),
    )
    const others = await collect(await connect(), `${prefix}.work`, 'auditors')
    const watcher = await collect(await connect(), `${prefix}.*`)
    for (let index = 0; index < 300; index++) publisher.publish(`${prefix}.work`, bytes(`${index}`))
    const count = () => members.reduce((sum, found) => sum + found.length, 0)
    await until(
      () => count() >= 300 && others.length >= 300 && watcher.length >= 300,
      '300 messages for each group and the watcher',
    )
    await drained(publisher, publisher)
    assert.is(others.length, 300)
    assert.is(count(), 300)
    const seen = new Set(members.flat().map(({ data }) => text(data)))
    assert.is(seen.size, 300)
    for (const found of members) assert.ok(found.length > 0)
  })

  test('a request is answered on its reply subject', async () => {
    const [client, server] = [await connect(), await connect()]
    server.subscribe(`${prefix}.add`, ({ data, reply }) => {
      server.publish(reply!, bytes(String(Number(text(data)) + 1)))
    })
    await server.flush()
    const answers = await collect(client, `${prefix}.inbox.*`)
    client.publish(`${prefix}.add`, bytes('41'), `${prefix}.inbox.7`)
    await until(() => answers.length === 1, 'the answer')
    assert.is(text(answers[0]!.data), '42')
    assert.is(answers[0]?.subject, `${prefix}.inbox.7`)
  })

  test('a request that nobody listens to is answered with no responders', async () => {
    const [client, bystander] = [await connect(), await connect()]
    const answers = await collect(client, `${prefix}.inbox.*`)
    const overheard = await collect(bystander, `${prefix}.inbox.*`)
    client.publish(`${prefix}.nobody`, bytes('anyone?'), `${prefix}.inbox.1`)
    client.publish(`${prefix}.nobody`, bytes('no answer wanted'))
    await until(() => answers.length > 0, 'the answer of the broker')
    await drained(client, bystander)
    assert.is(answers.length, 1)
    assert.is(answers[0]?.noResponders, true)
    assert.is(answers[0]?.data.length, 0)
    assert.is(answers[0]?.subject, `${prefix}.inbox.1`)
    assert.equal(overheard, [])
  })

  test('a subscription with a reply pending is a responder, even of the requester itself', async () => {
    const client = await connect()
    const answers = await collect(client, `${prefix}.inbox`)
    const found = await collect(client, `${prefix}.self`, 'group')
    client.publish(`${prefix}.self`, bytes(''), `${prefix}.inbox`)
    await drained(client, client)
    assert.is(found.length, 1)
    assert.is(answers.length, 0)
  })

  test('an empty message is not taken for no responders', async () => {
    const client = await connect()
    const found = await collect(client, `${prefix}.empty`)
    client.publish(`${prefix}.empty`, new Uint8Array(0))
    await until(() => found.length === 1, 'the message')
    assert.is(found[0]?.noResponders, false)
  })

  test('a payload of the largest size passes, and a larger one is refused', async () => {
    const connection = await connect()
    const found = await collect(connection, `${prefix}.large`)
    const { maxPayload } = connection
    assert.ok(maxPayload >= 1024)
    connection.publish(`${prefix}.large`, new Uint8Array(maxPayload).fill(7))
    const error = refuses('PAYLOAD_TOO_LARGE', () =>
      connection.publish(`${prefix}.large`, new Uint8Array(maxPayload + 1)),
    )
    assert.match(error.message, String(maxPayload))
    await drained(connection, connection)
    assert.is(found.length, 1)
    assert.is(found[0]?.data.length, maxPayload)
    assert.is(found[0]?.data[maxPayload - 1], 7)
  })

  test('each receiver may change its copy without the others seeing it', async () => {
    const [one, two] = [await connect(), await connect()]
    const copies: string[] = []
    const spoil = ({ data }: Delivery) => {
      copies.push(text(data))
      data.fill(0)
    }
    one.subscribe(`${prefix}.shared`, spoil)
    two.subscribe(`${prefix}.shared`, spoil)
    await one.flush()
    await two.flush()
    one.publish(`${prefix}.shared`, bytes('mine'))
    await until(() => copies.length === 2, 'both copies')
    assert.equal(copies, ['mine', 'mine'])
  })

  test('bad subjects are refused by name, before anything is sent', async () => {
    const connection = await connect()
    const ignore = () => undefined
    const long = 'x'.repeat(subjectBytesMax + 1)
    for (const subject of [
      '',
      'a..b',
      '.a',
      'a.',
      'a b',
      'a\tb',
      'a\r\nPUB b 0',
      'a.*',
      '>',
      long,
    ]) {
      refuses('SUBJECT_INVALID', () => connection.publish(subject, bytes('')))
      refuses('SUBJECT_INVALID', () => connection.publish(`${prefix}.ok`, bytes(''), subject))
    }
    for (const subject of ['', 'a..b', '.a', 'a.', 'a b', 'a.>.b', 'a>', '*a', long]) {
      refuses('SUBJECT_INVALID', () => connection.subscribe(subject, ignore))
    }
    refuses('SUBJECT_INVALID', () => connection.subscribe('a', ignore, 'two words'))
    const error = refuses('SUBJECT_INVALID', () => connection.publish('no spaces', bytes('')))
    assert.match(error.message, '"no spaces"')
    await drained(connection, connection)
    assert.is(connection.connected, true)
  })

  test('the longest subjects and subjects beyond ASCII pass', async () => {
    const connection = await connect()
    const longest = `${prefix}.`.padEnd(subjectBytesMax, 'y')
    const accented = `${prefix}.é.日本`
    const found = await collect(connection, `${prefix}.>`)
    connection.publish(longest, bytes(''), longest)
    connection.publish(accented, bytes(''))
    await until(() => found.length === 2, 'both messages')
    assert.equal([found[0]?.reply, found[1]?.subject], [longest, accented])
  })

  test('nothing is delivered after a subscription is closed, and others go on', async () => {
    const [publisher, receiver] = [await connect(), await connect()]
    const kept = await collect(receiver, `${prefix}.a`)
    const found: string[] = []
    const subscription = receiver.subscribe(`${prefix}.a`, ({ data }) => {
      found.push(text(data))
      if (text(data) === '1') subscription.close()
    })
    await receiver.flush()
    for (const content of ['0', '1', '2', '3']) publisher.publish(`${prefix}.a`, bytes(content))
    await until(() => kept.length === 4, 'four messages')
    assert.equal(found, ['0', '1'])
    subscription.close()
  })

  test('a handler that throws is told as lost, and the connection goes on', async () => {
    const connection = await connect()
    const statuses: ConnectionStatus[] = []
    connection.onStatus((status) => statuses.push(status))
    connection.subscribe(`${prefix}.bad`, () => {
      throw new Error('not today')
    })
    const found = await collect(connection, `${prefix}.bad`)
    connection.publish(`${prefix}.bad`, bytes(''))
    connection.publish(`${prefix}.bad`, bytes(''))
    await until(() => found.length === 2, 'the other subscription to get both')
    const reasons = statuses.map((status) => (status.type === 'lost' ? status.reason : status.type))
    assert.is(reasons.length, 2)
    assert.match(reasons[0]!, 'not today')
  })

  test('flush resolves when the broker knows of everything before it', async () => {
    const [one, two] = [await connect(), await connect()]
    const found: Delivery[] = []
    for (let round = 0; round < 20; round++) {
      one.subscribe(`${prefix}.r${round}`, (delivery) => found.push(delivery))
      await one.flush()
      two.publish(`${prefix}.r${round}`, bytes(''))
    }
    await until(() => found.length === 20, 'a message for each subscription')
    assert.is(one.pendingBytes(), 0)
  })

  test('close sends what was published, tells it once, and then refuses everything', async () => {
    const [leaving, staying] = [await connect(), await connect()]
    const found = await collect(staying, `${prefix}.last`)
    const own = await collect(leaving, `${prefix}.last`)
    const statuses: ConnectionStatus[] = []
    leaving.onStatus((status) => statuses.push(status))
    leaving.publish(`${prefix}.last`, bytes('words'))
    const closing = [leaving.close(), leaving.close()]
    refuses('CONNECTION_CLOSED', () => leaving.publish(`${prefix}.last`, bytes('late')))
    await Promise.all(closing)
    await leaving.close()
    await until(() => found.length === 1, 'the last words')
    assert.is(leaving.connected, false)
    assert.equal(own, [])
    assert.equal(statuses, [{ type: 'closed' }])
    refuses('CONNECTION_CLOSED', () => leaving.subscribe(`${prefix}.x`, () => undefined))
    const error = await leaving.flush().then(
      () => undefined,
      (reason: TransportError) => reason.code,
    )
    assert.is(error, 'CONNECTION_CLOSED')
    await drained(staying, staying)
    assert.is(found.length, 1)
  })

  test('a broker that goes and comes back is told, and subscriptions hold again', async () => {
    const [one, two] = [await connect(), await connect()]
    const seen = new Map<Connection, string[]>()
    for (const connection of [one, two]) {
      const types: string[] = []
      seen.set(connection, types)
      connection.onStatus(({ type }) => types.push(type))
    }
    const both = (type: string) => () => [...seen.values()].every((types) => types.includes(type))
    const found = await collect(one, `${prefix}.news`)
    const ended = one.subscribe(`${prefix}.news`, () => assert.unreachable())
    ended.close()

    await underTest().takeAway()
    await until(both('disconnected'), 'both to be disconnected')
    assert.is(one.connected, false)
    const late: Delivery[] = []
    one.subscribe(`${prefix}.late`, (delivery) => late.push(delivery))
    two.publish(`${prefix}.news`, bytes('into the void'))
    const flushed = await two.flush().then(
      () => 'taken',
      () => 'lost',
    )
    assert.is(flushed, 'lost')

    await underTest().bringBack()
    await until(both('reconnected'), 'both to be back')
    assert.is(one.connected, true)
    await one.flush()
    two.publish(`${prefix}.news`, bytes('back'))
    two.publish(`${prefix}.late`, bytes('too'))
    await until(() => found.length === 1 && late.length === 1, 'messages after the return')
    assert.equal(
      found.map(({ data }) => text(data)),
      ['back'],
    )
  })

  test('a connection closed while the broker is away does not come back', async () => {
    const connection = await connect()
    await underTest().takeAway()
    await until(() => !connection.connected, 'the loss of the broker')
    await connection.close()
    await underTest().bringBack()
    const later = await connect()
    await later.flush()
    assert.is(connection.connected, false)
  })

  test('connecting to a broker that is away fails with what to do', async () => {
    await underTest().takeAway()
    const error = await underTest()
      .connect('early')
      .then(
        () => undefined,
        (reason: TransportError) => reason,
      )
    await underTest().bringBack()
    assert.instance(error, TransportError)
    assert.is(error?.code, 'CONNECT_FAILED')
  })
}
