import { type Pid, pid } from '../../src/runtime/index.ts'
import {
  Crash,
  Echo,
  type Journal,
  journal,
  Note,
  Quit,
  shortOf,
  worker,
} from '../support/actors.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: links')

/** Notices that a probe got since it was last asked: `exit pid kind detail`. */
function notices(probe: Probe): string[] {
  return [...probe.take('@exit'), ...probe.take('@down')].map(({ type, body }) => {
    const { pid: who, reason } = body as {
      pid: Pid
      reason: { kind: string; detail?: string }
    }
    return `${type.slice(1)} ${shortOf(who)} ${reason.kind}${reason.detail ? ` ${reason.detail}` : ''}`
  })
}

/** A probe on node a and a trapping worker on node b, linked. */
async function linkedPair(options: Parameters<typeof world>[0] = {}) {
  const w = world(options)
  const log = journal()
  const a = await w.start('a')
  const b = await w.start('b', { children: [worker({ journal: log, traps: true })] })
  const probe = await w.probe(a, 'p')
  await probe.turn((cx) => cx.link(pid('worker', 'b')))
  return { w, a, b, probe, log }
}

async function assertBroken(w: World, probe: Probe, log: Journal, detail: string): Promise<void> {
  assert.equal(notices(probe), [`exit worker@b noconnection ${detail}`])
  await w.until(() => log.events.includes('exited p@a noconnection'))
  assert.is(log.events.filter((event) => event.startsWith('exited')).length, 1)
}

test('the death of a linked actor is told once, after all that it had sent', async () => {
  for (const home of ['a', 'b']) {
    const w = world()
    const a = await w.start('a')
    const nodes = { a, b: await w.start('b') }
    const probe = await w.probe(a)
    const victim = await w.probe(nodes[home as 'a' | 'b'], 'victim')
    await probe.turn((cx) => {
      cx.link(pid('victim', home))
      cx.link(pid('victim', home))
      cx.monitor(pid('victim', home))
    })
    await victim.turn((cx) => {
      for (const n of [1, 2, 3]) cx.send(pid('probe-1', 'a'), Note, { n })
      cx.stop()
    })
    const types = probe.received.map(({ type }) => type)
    assert.equal(types.slice(0, 3), ['NOTE', 'NOTE', 'NOTE'])
    assert.equal(notices(probe), [`exit victim@${home} normal`, `down victim@${home} normal`])
    await w.stop()
  }
})

test('a crash takes along those who are linked and do not trap; an orderly end does not', async () => {
  const w = world()
  const log = journal()
  const a = await w.start('a', {
    children: [
      worker({ id: 'x', journal: log }),
      worker({ id: 'y', journal: log, init: (cx) => cx.link(pid('x', 'a')) }),
      worker({ id: 'z', journal: log, init: (cx) => cx.link(pid('y', 'a')) }),
    ],
  })
  const probe = await w.probe(a)
  await probe.send(pid('z', 'a'), Quit, {})
  assert.ok(a.cell('y'))
  await probe.send(pid('x', 'a'), Crash, { why: 'test' })
  assert.is(a.cell('y'), undefined)
  await w.stop()
})

test('a link or monitor with nobody is answered with noproc, here and elsewhere', async () => {
  const w = world()
  const a = await w.start('a')
  await w.start('b')
  const probe = await w.probe(a)
  for (const home of ['a', 'b']) {
    await probe.turn((cx) => {
      cx.link(pid('ghost', home))
      cx.monitor(pid('ghost', home))
    })
    assert.equal(notices(probe), [`exit ghost@${home} noproc`, `down ghost@${home} noproc`])
  }
  await w.stop()
})

test('after unlink and demonitor nothing is told, even if the notice waited already', async () => {
  const w = world()
  const a = await w.start('a', { children: [worker({ id: 'x' }), worker({ id: 'y' })] })
  const probe = await w.probe(a)
  const refs: number[] = []
  await probe.turn((cx) => {
    cx.link(pid('x', 'a'))
    refs.push(cx.monitor(pid('x', 'a')))
  })
  await probe.turn((cx) => {
    cx.send(pid('x', 'a'), Quit, {})
    cx.after('soon', 0, () => undefined)
    // Served after x has died and before the notices are: the turn is longer than x's life.
    const cell = a.registry.find(cx.self)
    const x = a.cell('x')
    if (cell === undefined || x === undefined) throw new Error('not set up')
    a.registry.bury(x, { kind: 'killed' })
    cx.unlink(pid('x', 'a'))
    cx.demonitor(refs[0] as number)
  })
  assert.equal(notices(probe), [])
  await w.stop()
})

test('a parent and its child cannot be unlinked', async () => {
  const w = world()
  const a = await w.start('a')
  const parent = await w.probe(a)
  const child = await parent.turn((cx) => cx.spawn(worker({ id: 'child' })))
  await parent.turn((cx) => cx.unlink(child))
  await parent.send(child, Crash, { why: 'test' })
  assert.equal(notices(parent), ['exit child@a crashed Error: test'])
  await w.stop()
})

test('a child that cannot start is told to its parent', async () => {
  const w = world()
  const a = await w.start('a')
  const parent = await w.probe(a)
  await parent.turn((cx) =>
    cx.spawn(
      worker({
        id: 'child',
        init: () => {
          throw new Error('test')
        },
      }),
    ),
  )
  assert.equal(notices(parent), ['exit child@a crashed Error: test'])
  assert.is(a.cell('child'), undefined)
  await w.stop()
})

test('a lost frame breaks the links of both ends, once', async () => {
  const { w, a, b, probe, log } = await linkedPair()
  const fault = w.broker.drop(({ subject }) => subject === 'meseta.pid.b.worker')
  await probe.send(pid('worker', 'b'), Note, { n: 1 })
  assert.is(fault.hits, 1)
  w.broker.heal()
  await probe.send(pid('worker', 'b'), Note, { n: 2 })
  await w.settle()
  await assertBroken(w, probe, log, 'told')
  assert.equal(log.notes, [2])
  assert.is(b.peers.gaps, 1)

  await probe.turn((cx) => cx.link(pid('worker', 'b')))
  await w.advance(30_000)
  assert.equal(notices(probe), [])
  assert.is(a.cell('p')?.links.size, 2)
  assert.is(b.cell('worker')?.links.size, 2)
  await w.stop()
})

test('a lost frame is noticed by the next heartbeat if nothing else is sent', async () => {
  const { w, probe, log } = await linkedPair()
  const fault = w.broker.drop(({ subject }) => subject === 'meseta.pid.b.worker')
  await probe.send(pid('worker', 'b'), Note, { n: 1 })
  fault.remove()
  await w.advance(2100)
  await assertBroken(w, probe, log, 'told')
  await w.stop()
})

test('silence breaks the links of both ends', async () => {
  const { w, probe, log } = await linkedPair()
  w.broker.partition('a', 'b')
  await w.advance(9000)
  assert.equal(notices(probe), [])
  await w.advance(6000)
  await assertBroken(w, probe, log, 'heartbeat')
  await w.stop()
})

test('a partition of one direction breaks the links of both ends', async () => {
  for (const [from, to] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const { w, probe, log } = await linkedPair()
    w.broker.partition(from, to, { oneWay: true })
    await w.advance(30_000)
    assert.match(notices(probe).join(), /^exit worker@b noconnection \w+$/)
    assert.is(log.events.filter((event) => event.startsWith('exited')).length, 1)
    await w.stop()
  }
})

test('the death of a node is told at the next heartbeat, by the broker', async () => {
  const { w, b, probe } = await linkedPair()
  await w.crash(b)
  await w.advance(2100)
  assert.equal(notices(probe), ['exit worker@b noconnection absent'])
  await w.stop()
})

test('a node that comes back as another incarnation breaks the links, and can be linked with at once', async () => {
  const { w, b, probe } = await linkedPair()
  await w.advance(2100)
  await w.crash(b)
  const log = journal()
  const again = await w.start('b', { children: [worker({ journal: log, traps: true })] })
  await w.advance(2100)
  assert.equal(notices(probe), ['exit worker@b noconnection incarnation'])
  await probe.turn((cx) => cx.link(pid('worker', 'b')))
  await w.advance(30_000)
  assert.equal(notices(probe), [])
  await probe.send(again.whereis('worker') as Pid, Crash, { why: 'test' })
  assert.equal(notices(probe), ['exit worker@b crashed Error: test'])
  await w.stop()
})

test('an exact address of another incarnation than was known can be linked with, and asked, at once', async () => {
  const { w, a, b, probe } = await linkedPair()
  await w.advance(2100)
  // Nothing is between the two nodes when b ends: a is not told of it.
  await probe.turn((cx) => cx.unlink(pid('worker', 'b')))
  await w.crash(b)
  const log = journal()
  const again = await w.start('b', { children: [worker({ journal: log, traps: true })] })
  const target = again.whereis('worker') as Pid
  const answers: unknown[] = []
  await probe.turn((cx) => {
    cx.link(target)
    cx.ask(target, Echo, { text: 'there' }, {}, (outcome) => void answers.push(outcome))
  })
  await w.advance(30_000)
  assert.equal(answers, [{ ok: true, value: 'there' }])
  assert.equal(notices(probe), [])
  assert.equal([a.peers.gaps, again.peers.gaps], [0, 0])
  await probe.send(target, Crash, { why: 'test' })
  assert.equal(notices(probe), ['exit worker@b crashed Error: test'])
  await w.stop()
})

test('an address of an incarnation that is over does not harm what is between two nodes', async () => {
  const { w, b, probe } = await linkedPair()
  const stale = (b.whereis('worker') as Pid).replace(b.incarnation, '0123456789ab') as Pid
  const outcomes: unknown[] = []
  await probe.turn((cx) => {
    cx.ask(stale, Echo, { text: 'x' }, {}, (outcome) =>
      outcomes.push(outcome.ok || outcome.error.code),
    )
  })
  await w.advance(30_000)
  assert.equal(outcomes, ['NO_ACTOR'])
  assert.equal(notices(probe), [])
  await w.stop()
})

test('a node that was absent when it was linked with can be linked with later', async () => {
  const w = world()
  const a = await w.start('a')
  const probe = await w.probe(a)
  const link = () => probe.turn((cx) => cx.link(pid('worker', 'b')))
  await link()
  assert.equal(notices(probe), ['exit worker@b noconnection absent'])
  const b = await w.start('b', { children: [worker()] })
  await link()
  await w.advance(30_000)
  assert.equal(notices(probe), [])
  assert.is(b.peers.gaps, 0)
  await w.stop()
})

test('one end that believes the other absent, and is wrong, ends the links of both', async () => {
  const { w, probe, log } = await linkedPair()
  // The broker forgets b's subscription for a moment: a's next heartbeat finds nobody.
  w.broker.disconnect('b')
  await w.advance(2100)
  assert.equal(notices(probe), ['exit worker@b noconnection absent'])
  w.broker.reconnect('b')
  await w.advance(5000)
  assert.is(log.events.filter((event) => event.startsWith('exited')).length, 1)
  await w.stop()
})

test('a link asked for while the pair breaks is known to both ends or to none', async () => {
  const w = world({ broker: { latencyMs: () => 50 } })
  const a = await w.start('a')
  const b = await w.start('b', { children: [worker({ traps: true })] })
  const probe = await w.probe(a, 'p')
  const isLinked = (cell: typeof a, id: string, other: string) =>
    [...(cell.cell(id)?.links.values() ?? [])].some((link) => shortOf(link.other) === other)
  await probe.turn((cx) => cx.link(pid('worker', 'b')))
  await w.advance(200)
  for (let step = 0; step < 40; step++) {
    if (step % 8 === 3) w.broker.drop(({ from }) => from === (step % 16 === 3 ? 'a' : 'b'))
    if (step % 8 === 4) w.broker.heal()
    await probe.turn((cx) => {
      cx.send(pid('worker', 'b'), Note, { n: step })
      cx.link(pid('worker', 'b'))
    })
    await w.advance(20)
  }
  w.broker.heal()
  await w.advance(10_000)
  assert.is(isLinked(a, 'p', 'worker@b'), isLinked(b, 'worker', 'p@a'))
  assert.ok(a.peers.breaks > 0)
  await w.stop()
})

test('a frame that comes twice or late is not delivered again', async () => {
  const w = world()
  const log = journal()
  const a = await w.start('a')
  await w.start('b', { children: [worker({ journal: log })] })
  const probe = await w.probe(a)
  const note = (n: number) => probe.send(pid('worker', 'b'), Note, { n })
  w.broker.duplicate(({ to }) => to === 'b', 500)
  await note(1)
  await note(2)
  await w.advance(1000)
  w.broker.heal()
  const slow = w.broker.delay(({ to }) => to === 'b', 300)
  await note(3)
  slow.remove()
  await note(4)
  await w.advance(1000)
  assert.equal(log.notes, [1, 2, 4])
  await w.stop()
})

test('a node is not deaf for ever to a peer of whose former life a frame came late', async () => {
  const { w, a } = await deaf()
  const probe = await w.probe(a)
  const answers: unknown[] = []
  const ask = () =>
    probe.turn((cx) =>
      cx.ask(pid('worker', 'b'), Echo, { text: 'there' }, { timeoutMs: 1000 }, ({ ok }) =>
        answers.push(ok),
      ),
    )
  for (let attempt = 0; attempt < 12; attempt++) {
    await ask()
    await w.advance(2000)
  }
  assert.is(answers.at(-1), true)
  await w.stop()
})

test('nor if it links with that peer again as soon as the link breaks', async () => {
  const { w, b } = await deaf()
  const probe = await w.probe(b)
  for (let round = 0; round < 3; round++) {
    await probe.turn((cx) => cx.monitor(pid('worker', 'a')))
    await w.advance(12_500)
  }
  assert.equal(notices(probe)[0], 'down worker@a noconnection heartbeat')
  const outcome = await probe.ask(pid('worker', 'a'), Echo, { text: 'there' })
  assert.ok(outcome.ok)
  await w.stop()
})

/** Node `b`, to which a frame of a former life of node `a` has come after those of the present one. */
async function deaf() {
  const w = world()
  const b = await w.start('b', { children: [worker({ journal: journal() })] })
  const first = await w.start('a')
  const slow = w.broker.delay(({ to }) => to === 'b', 5000)
  await (await w.probe(first)).send(pid('worker', 'b'), Note, { n: 1 })
  slow.remove()
  await w.crash(first)
  const a = await w.start('a', { children: [worker({ journal: journal() })] })
  const heard = await (await w.probe(a)).ask(pid('worker', 'b'), Echo, { text: 'there' })
  assert.ok(heard.ok)
  await w.advance(5000)
  return { w, a, b }
}

test('requests to a node that is lost end with DISCONNECTED', async () => {
  const { w, b, probe } = await linkedPair()
  await w.crash(b)
  const outcome = await probe.ask(pid('worker', 'b'), Echo, { text: 'x' }, { timeoutMs: 60_000 })
  assert.is(outcome.ok || outcome.error.code, 'DISCONNECTED')
  await w.stop()
})

test('nothing is remembered of links when their actors are dead', async () => {
  const w = world()
  const a = await w.start('a')
  const b = await w.start('b', { children: [worker({ traps: true })] })
  for (let round = 0; round < 5; round++) {
    const probe = await w.probe(a)
    await probe.turn((cx) => {
      cx.link(pid('worker', 'b'))
      cx.link(b.whereis('worker') as Pid)
      cx.monitor(pid('worker', 'b'))
      cx.stop()
    })
  }
  for (const node of [a, b]) {
    for (const peer of node.peers.all) {
      assert.is(peer.links.size + peer.monitors.size + peer.watchers.size + peer.asks.size, 0)
    }
  }
  const cell = b.cell('worker')
  assert.equal([cell?.links.size, cell?.watchers.size, cell?.exits.size], [1, 0, 0])
  await w.stop()
})

test.run()
