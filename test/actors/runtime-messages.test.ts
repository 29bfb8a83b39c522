import fc from 'fast-check'
import { type Context, type Pid, pid } from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import { Bytes, Crash, Echo, journal, Mute, Note, worker } from '../support/actors.ts'
import { world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: messages')
const range = (count: number) => Array.from({ length: count }, (_, index) => index)

test('messages of one pair arrive in order, on the same node and on another', async () => {
  const w = world()
  const near = journal()
  const far = journal()
  const a = await w.start('a', { children: [worker({ journal: near })] })
  await w.start('b', { children: [worker({ journal: far })] })
  const probe = await w.probe(a)
  await probe.turn((cx) => {
    for (const n of range(1000)) {
      cx.send(pid('worker', 'a'), Note, { n })
      cx.send(pid('worker', 'b'), Note, { n })
    }
  })
  assert.equal(near.notes, range(1000))
  assert.equal(far.notes, range(1000))
  await w.stop()
})

test('an ask is answered, on the same node and on another', async () => {
  const w = world()
  const a = await w.start('a', { children: [worker()] })
  const b = await w.start('b')
  for (const node of [a, b]) {
    const probe = await w.probe(node)
    const outcome = await probe.ask(pid('worker', 'a'), Echo, { text: node.name })
    assert.equal(outcome, { ok: true, value: node.name })
  }
  await w.stop()
})

test('an ask ends with TIMEOUT, NO_ACTOR, ACTOR_DIED or DISCONNECTED, whichever is the case', async () => {
  const w = world()
  const a = await w.start('a', { children: [worker({ id: 'near' })] })
  await w.start('b', { children: [worker({ id: 'far' })] })
  const probe = await w.probe(a)
  const codeOf = async (to: Pid, mid?: () => Promise<unknown>) => {
    const asked = probe.ask(to, Mute, {}, { timeoutMs: 700 })
    await mid?.()
    const outcome = await asked
    return outcome.ok ? 'OK' : outcome.error.code
  }
  for (const to of [pid('near', 'a'), pid('far', 'b')]) {
    assert.is(await codeOf(to), 'TIMEOUT')
    const crash = () => probe.send(to, Crash, { why: 'test' })
    assert.is(await codeOf(to, crash), 'ACTOR_DIED')
    assert.is(await codeOf(to), 'NO_ACTOR')
  }
  assert.is(await codeOf(pid('x', 'nowhere')), 'DISCONNECTED')
  assert.is(a.cell(probe.pid.split('@')[0] as string)?.asks.pending, 0)
  await w.stop()
})

test('an answer that comes after the time-out is dropped and counted', async () => {
  const w = world({ broker: { latencyMs: () => 300 } })
  const a = await w.start('a')
  await w.start('b', { children: [worker()] })
  const probe = await w.probe(a)
  const outcome = await probe.ask(pid('worker', 'b'), Echo, { text: 'x' }, { timeoutMs: 500 })
  assert.is(outcome.ok || outcome.error.code, 'TIMEOUT')
  await w.advance(1000)
  assert.equal(
    a.deadLetters.last.map(({ why }) => why),
    ['LATE_REPLY'],
  )
  await w.stop()
})

test('a message to an exact pid is never handed to a successor of the same id', async () => {
  const w = world()
  const log = journal()
  const children = [worker({ journal: log, restart: 'permanent' })]
  const a = await w.start('a')
  const b = await w.start('b', { children })
  const old = b.whereis('worker') as Pid
  const probe = await w.probe(a)
  await probe.send(old, Crash, { why: 'test' })
  assert.is.not(b.whereis('worker'), old)
  await probe.send(old, Note, { n: 1 })
  const outcome = await probe.ask(old, Echo, { text: 'x' })
  assert.is(outcome.ok || outcome.error.code, 'NO_ACTOR')

  const second = b.whereis('worker') as Pid
  await w.crash(b)
  await w.start('b', { children })
  const stranger = await w.probe(await w.start('c'))
  for (const one of [probe, stranger]) {
    await one.send(second, Note, { n: 2 })
    assert.is((await one.ask(second, Echo, { text: 'x' }, { timeoutMs: 100 })).ok, false)
  }
  assert.equal(log.notes, [])
  assert.equal(await stranger.ask(pid('worker', 'b'), Echo, { text: 'y' }), {
    ok: true,
    value: 'y',
  })
  await w.stop()
})

test('nothing that a handler recorded is carried out if it throws', async () => {
  const w = world()
  const log = journal()
  const a = await w.start('a', { children: [worker({ journal: log })] })
  const probe = await w.probe(a)
  const victim = await w.probe(a)
  await victim
    .turn((cx) => {
      cx.send(pid('worker', 'a'), Note, { n: 1 })
      cx.after('t', 10, () => log.events.push('timer'))
      cx.spawn(worker({ id: 'child', journal: log }))
      cx.subscribe('raw', () => log.events.push('delivery'))
      throw new Error('test')
    })
    .catch(() => undefined)
  await probe.turn((cx) => cx.publish('raw', new Uint8Array(1)))
  await w.advance(100)
  assert.equal(log, { notes: [], events: ['start worker'], sizes: [] })
  assert.is(a.cell('child'), undefined)
  await w.stop()
})

test('an effect that cannot be carried out crashes its actor and nobody else', async () => {
  const w = world()
  const a = await w.start('a', { children: [worker()] })
  const victim = await w.probe(a, 'victim')
  await victim.turn((cx) => cx.subscribe('not a subject', () => undefined))
  assert.is(a.cell('victim'), undefined)
  const probe = await w.probe(a)
  assert.equal(await probe.ask(pid('worker', 'a'), Echo, { text: 'x' }), { ok: true, value: 'x' })
  await w.stop()
})

test('messages above the largest payload arrive in pieces, in their place', async () => {
  const w = world({ broker: { maxPayload: 8192 } })
  const log = journal()
  const a = await w.start('a')
  await w.start('b', { children: [worker({ journal: log })] })
  const probe = await w.probe(a)
  await probe.turn((cx) => {
    for (const size of [10, 100_000, 20, 8192, 30])
      cx.send(pid('worker', 'b'), Bytes, { data: new Uint8Array(size) })
  })
  assert.equal(log.sizes, [10, 100_000, 20, 8192, 30])
  assert.is(a.peers.breaks, 0)
  await w.stop()
})

test('a message above 64 MiB fails in the turn that sends it', async () => {
  const w = world()
  const a = await w.start('a')
  await w.start('b', { children: [worker()] })
  const probe = await w.probe(a)
  const sent = probe.turn((cx) =>
    cx.send(pid('worker', 'b'), Bytes, { data: new Uint8Array(64 * 1024 * 1024 + 1) }),
  )
  await sent.then(
    () => assert.unreachable('it was sent'),
    () => undefined,
  )
  assert.match(w.troubles('a').at(-1)?.fields.stack as string, /67108864 at most can be sent/)
  await w.stop()
})

test('a full mailbox refuses asks, makes dead letters of sends, and breaks the links of the sender', async () => {
  const w = world()
  const log = journal()
  const a = await w.start('a', {
    children: [worker({ journal: log, mailboxMax: 10, traps: true })],
  })
  for (const node of [a, await w.start('b')]) {
    log.notes.length = 0
    log.events.length = 0
    const before = a.deadLetters.count
    const probe = await w.probe(node)
    await probe.turn((cx) => cx.link(pid('worker', 'a')))
    const codes: string[] = []
    await probe.turn((cx) => {
      for (const n of range(15)) cx.send(pid('worker', 'a'), Note, { n })
      cx.ask(pid('worker', 'a'), Echo, { text: 'x' }, {}, (outcome) => {
        codes.push(outcome.ok ? 'OK' : outcome.error.code)
      })
    })
    assert.equal(log.notes, range(10))
    assert.is(a.deadLetters.count - before, 6)
    assert.equal(codes, ['MAILBOX_FULL'])
    assert.match(log.events.join(), /^exited probe-\d@[ab] overloaded$/)
    const [notice, ...more] = probe.take('@exit')
    assert.match(JSON.stringify(notice?.body), '"kind":"overloaded"')
    assert.equal(more, [])
  }
  await w.stop()
})

test('a body from another node that is not as declared is refused with the place, and changes nothing', async () => {
  const w = world()
  const log = journal()
  await w.start('a', { children: [worker({ journal: log })] })
  const probe = await w.probe(await w.start('b'))
  await probe.send(pid('worker', 'a'), Note, { n: 'one' } as never)
  const outcome = await probe.ask(pid('worker', 'a'), Echo, { text: 1 } as never)
  assert.is(outcome.ok, false)
  if (!outcome.ok) assert.match(outcome.error.message, /ECHO\.text/)
  assert.equal(log.notes, [])
  await w.stop()
})

test('frames made by an enemy do not disturb anybody', async () => {
  const w = world()
  const log = journal()
  const a = await w.start('a', { children: [worker({ journal: log, traps: true })] })
  const enemy = await w.run(w.broker.transport('enemy').connect({ name: 'enemy' }))
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
      enemy.publish('meseta.pid.a.worker', new Uint8Array(bytes))
      await w.settle()
    }),
    { numRuns: 50 },
  )
  const { encodeFrame } = await import('../../src/runtime/wire.ts')
  const { encode } = await import('../../protocol/codec.ts')
  const base = { node: 'evil', incarnation: 'i', toIncarnation: '', stream: 0, seen: 0, kind: 0 }
  const types = [
    '@call',
    '@stopping',
    '@exit',
    '@down',
    '@link',
    '@reply',
    'xstate.stop',
    '__proto__',
  ]
  for (const [index, type] of types.entries()) {
    for (const body of [null, { pid: 'x', reason: null }, [], 'text']) {
      const envelope = encode([type, 'x', 1, 0, 1, body])
      enemy.publish(
        'meseta.pid.a.worker',
        encodeFrame({ ...base, sequence: index + 1 }, [envelope]),
      )
      await w.settle()
    }
  }
  const probe = await w.probe(a)
  assert.equal(await probe.ask(pid('worker', 'a'), Echo, { text: 'x' }), { ok: true, value: 'x' })
  assert.ok(a.peers.malformed >= 40)
  // It may link itself with anybody, and be told of; nobody is stopped or crashed.
  assert.equal(new Set(log.events), new Set(['start worker', 'exited x@evil noconnection']))
  await enemy.close()
  await w.stop()
})

test('no actor waits longer than a quantum of each other', async () => {
  const w = world()
  const order: string[] = []
  const a = await w.start('a', {
    children: ['x', 'y'].map((id) => worker({ id, init: () => undefined })),
  })
  a.intercept(({ to, type }) => {
    if (type === 'NOTE') order.push(to)
    return 'deliver'
  })
  const probe = await w.probe(a)
  await probe.turn((cx) => {
    for (const n of range(1000)) cx.send(pid('x', 'a'), Note, { n })
    cx.send(pid('y', 'a'), Note, { n: 0 })
  })
  assert.is(order.indexOf(pid('y', 'a')), 128)
  await w.stop()
})

test('the decider chooses who goes next, and the same seed chooses the same', async () => {
  const run = async (seed: number) => {
    const w = world()
    const random = stream(seed, 'decider')
    const order: string[] = []
    const a = await w.start('a', {
      ports: { ...w.ports('a'), decider: (count) => random.int(count) },
      children: range(8).map((n) => worker({ id: `w${n}` })),
    })
    a.intercept(({ to, type }) => {
      if (type === 'NOTE') order.push(to)
      return 'deliver'
    })
    const probe = await w.probe(a)
    await probe.turn((cx) => {
      for (const n of range(8)) cx.send(pid(`w${n}`, 'a'), Note, { n })
    })
    await w.stop()
    return order.join()
  }
  assert.is(await run(1), await run(1))
  assert.is.not(await run(1), await run(2))
})

test('a timer that is cancelled does not fire, even when it was due', async () => {
  const w = world()
  const a = await w.start('a')
  const probe = await w.probe(a)
  const fired: string[] = []
  await probe.turn((cx) => {
    cx.after('a', 100, () => cx.cancel('b'))
    cx.after('b', 100, () => fired.push('b'))
    cx.after('c', 100, () => fired.push('c old'))
    cx.after('c', 200, () => fired.push('c new'))
  })
  await w.advance(100)
  await w.advance(100)
  assert.equal(fired, ['c new'])
  await w.stop()
})

test('a due timer can be cancelled by a message that is served before it', async () => {
  const w = world()
  const a = await w.start('a')
  const probe = await w.probe(a)
  const fired: string[] = []
  await probe.turn((cx) => {
    cx.after('t', 100, () => fired.push('t'))
    const cell = a.registry.find(cx.self)
    if (cell === undefined) throw new Error('the probe is dead')
    // Set before the timer is: at the same moment it comes first, and both wait in the mailbox.
    w.clock.setTimeout(() => a.call(cell, () => cx.cancel('t')), 100)
  })
  await w.advance(200)
  assert.equal(fired, [])
  await w.stop()
})

test('a job answers in a turn; one that fails unheard crashes its actor', async () => {
  const w = world()
  const a = await w.start('a')
  const probe = await w.probe(a, 'p')
  const outcomes: unknown[] = []
  let signal: AbortSignal | undefined
  await probe.turn((cx) => {
    cx.job(
      () => Promise.resolve(7),
      (outcome) => outcomes.push(outcome.ok && outcome.value),
    )
    cx.job(
      () => {
        throw new Error('no')
      },
      (outcome) => outcomes.push(outcome.ok || outcome.error.message),
    )
    cx.job((aborted) => {
      signal = aborted
      return new Promise(() => undefined)
    })
  })
  assert.equal(outcomes.map(String).sort(), ['7', 'no'])
  assert.is(signal?.aborted, false)
  await probe.turn((cx) => cx.job(async () => Promise.reject(new Error('unheard'))))
  assert.is(a.cell('p'), undefined)
  assert.is(signal?.aborted, true)
  await w.stop()
})

test('raw subjects are heard with their reply, and no more after death', async () => {
  const w = world()
  const a = await w.start('a')
  const ears = await w.probe(a, 'ears')
  const heard: string[] = []
  await ears.turn((cx) =>
    cx.subscribe('news.*', ({ subject, reply, data }) => heard.push(`${subject} ${reply} ${data}`)),
  )
  const mouth = await w.probe(a)
  const publish = () =>
    mouth.turn((cx) => cx.publish('news.x', new Uint8Array([1, 2]), { reply: 'back' }))
  await publish()
  assert.equal(heard, ['news.x back 1,2'])
  await ears.turn((cx) => cx.stop())
  await publish()
  assert.is(heard.length, 1)
  await w.stop()
})

test('a request on a raw subject that does not fit the mailbox is refused aloud', async () => {
  const w = world()
  const subscribe = (cx: Context) => cx.subscribe('raw', () => undefined)
  const a = await w.start('a', { children: [worker({ mailboxMax: 3, init: subscribe })] })
  const probe = await w.probe(a)
  const answers: string[] = []
  await probe.turn((cx) => {
    for (let i = 0; i < 5; i++)
      cx.request('raw', new Uint8Array(0), { timeoutMs: 1000 }, (outcome) => {
        answers.push(outcome.ok ? new TextDecoder().decode(outcome.value) : outcome.error.code)
      })
  })
  await w.advance(1000)
  assert.is(answers.filter((answer) => answer.includes('MAILBOX_FULL')).length, 2)
  assert.is(answers.filter((answer) => answer === 'TIMEOUT').length, 3)
  await w.stop()
})

test('raw subjects have connections of their own where lanes are asked for', async () => {
  const w = world()
  const ports = w.ports('a')
  const uses = new Map<string, string[]>()
  const connect: typeof ports.transport.connect = async (options) => {
    const connection = await ports.transport.connect(options)
    const used: string[] = []
    uses.set(options.name, used)
    const note = <K extends 'publish' | 'subscribe' | 'close'>(name: K) => {
      const original = connection[name] as (...args: unknown[]) => unknown
      connection[name] = ((...args: unknown[]) => {
        used.push(`${name} ${String(args[0] ?? '')}`.trim())
        return original.apply(connection, args)
      }) as (typeof connection)[K]
    }
    note('publish')
    note('subscribe')
    note('close')
    return connection
  }
  const heard: string[] = []
  const subscribe = (cx: Context) => {
    cx.subscribe('raw', ({ data }) => heard.push(String(data)))
    cx.subscribe('order', ({ data }) => heard.push(`order ${data}`), { lane: 'control' })
  }
  const children = [worker({ init: subscribe })]
  const a = await w.start('a', {
    children,
    lanes: ['clients', 'control'],
    ports: { ...ports, transport: { connect } },
  })
  await w.start('b', { children: [worker()] })
  const probe = await w.probe(a)
  await probe.turn((cx) => {
    cx.publish('raw', new Uint8Array([7]), { lane: 'a lane that the node does not have' })
    cx.publish('order', new Uint8Array([8]), { lane: 'control' })
  })
  assert.ok((await probe.ask(pid('worker', 'b'), Echo, { text: 'x' })).ok)
  await w.stop()
  assert.equal(heard, ['7', 'order 8'])
  const [actors = [], clients = []] = [uses.get('meseta a'), uses.get('meseta a clients')]
  const control = uses.get('meseta a control')
  assert.equal(control, ['subscribe order', 'publish order', 'close'])
  assert.ok(clients.includes('subscribe raw') && clients.includes('publish raw'))
  assert.ok(actors.some((use) => use.startsWith('publish meseta.pid.b.')))
  assert.not(clients.some((use) => use.includes(' meseta.pid.')))
  assert.not(actors.some((use) => use.endsWith(' raw')))
  assert.ok(actors.includes('close') && clients.includes('close'))
})

test('near nodes have a connection for what they say to each other', async () => {
  const w = world()
  const uses = new Map<string, string[]>()
  const noted = (name: string) => {
    const ports = w.ports(name)
    const connect: typeof ports.transport.connect = async (options) => {
      const connection = await ports.transport.connect(options)
      const used: string[] = []
      uses.set(options.name, used)
      const { publish } = connection
      connection.publish = (subject, ...rest) => {
        used.push(subject)
        publish.call(connection, subject, ...rest)
      }
      return connection
    }
    return { ...ports, transport: { connect } }
  }
  const a = await w.start('a', { children: [worker()], near: ['b'], ports: noted('a') })
  const b = await w.start('b', { children: [worker()], near: ['a'], ports: noted('b') })
  await w.start('c', { children: [worker()] })
  for (const [node, peers] of [
    [a, ['b', 'c']],
    [b, ['a', 'c']],
  ] as const) {
    const probe = await w.probe(node)
    for (const peer of peers) {
      assert.ok((await probe.ask(pid('worker', peer), Echo, { text: 'x' })).ok)
    }
  }
  const used = (name: string) => uses.get(`meseta ${name}`)!.filter((use) => use.includes('.pid.'))
  assert.ok(used('a near').length > 0 && used('b near').length > 0)
  assert.ok(used('a near').every((use) => use.startsWith('meseta.pid.b.near.')))
  assert.ok(used('b near').every((use) => use.startsWith('meseta.pid.a.near.')))
  assert.ok(used('a').every((use) => use.startsWith('meseta.pid.c.')))
  // That a near node is gone is told as of any other.
  const probe = await w.probe(a)
  await w.crash(b)
  const outcome = await probe.ask(pid('worker', 'b'), Echo, { text: 'x' })
  assert.is(outcome.ok || outcome.error.code, 'DISCONNECTED')
  await w.stop()
})

test('a node that is stopped in order logs no warning', async () => {
  const w = world()
  await w.start('a', { children: [worker()] })
  await w.stop()
  assert.equal(w.troubles('a'), [])
})

test.run()
