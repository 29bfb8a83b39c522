import {
  type ChildSpec,
  type Context,
  type Pid,
  pid,
  StartChild,
  StopChild,
  type Strategy,
  supervisor,
} from '../../src/runtime/index.ts'
import { Crash, Echo, type Journal, journal, Note, Quit, worker } from '../support/actors.ts'
import { type WorldNodeOptions, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: supervision')
const abc = ['a', 'b', 'c']

/** A node whose root starts the children, and a probe on it. */
async function start(children: readonly ChildSpec[], options: WorldNodeOptions = {}) {
  const w = world()
  const node = await w.start('n', { children, ...options })
  const probe = await w.probe(node, 'probe')
  const crash = (id: string) => probe.send(pid(id, 'n'), Crash, { why: 'test' })
  return { w, node, probe, crash }
}

/** Takes what was written down so far. */
function take(log: Journal): string[] {
  return log.events.splice(0)
}

test('children start in order and stop in reverse', async () => {
  const log = journal()
  const { w } = await start(abc.map((id) => worker({ id, journal: log })))
  assert.equal(take(log), ['start a', 'start b', 'start c'])
  await w.stop()
  assert.equal(take(log), ['stop c shutdown', 'stop b shutdown', 'stop a shutdown'])
})

test('very many children are stopped and restarted as one is', async () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `w${index}`)
  const children = ids.map((id) => worker({ id, restart: 'permanent' }))
  const { w, node, crash } = await start([supervisor('sup', children, { strategy: 'one_for_all' })])
  const first = node.whereis('w7')
  await crash('w9999')
  assert.ok(node.whereis('w7') && node.whereis('w7') !== first)
  await w.stop()
})

test('each strategy restarts whom it names, in order', async () => {
  const expected: Record<Strategy, string[]> = {
    one_for_one: ['start b'],
    one_for_all: ['stop c shutdown', 'stop a shutdown', 'start a', 'start b', 'start c'],
    rest_for_one: ['stop c shutdown', 'start b', 'start c'],
  }
  for (const [strategy, events] of Object.entries(expected)) {
    const log = journal()
    const children = abc.map((id) => worker({ id, journal: log, restart: 'permanent' }))
    const { w, crash } = await start([
      supervisor('sup', children, { strategy: strategy as Strategy, intensity: 5 }),
    ])
    take(log)
    await crash('b')
    assert.equal(take(log), events, strategy)
    await w.stop()
  }
})

test('permanent children are always restarted, transient ones after a crash, temporary ones never', async () => {
  const kinds = ['permanent', 'transient', 'temporary'] as const
  const { w, node, probe } = await start(kinds.map((id) => worker({ id, restart: id })))
  for (const id of kinds) await probe.send(pid(id, 'n'), Quit, {})
  assert.equal(
    kinds.map((id) => node.cell(id) !== undefined),
    [true, false, false],
  )
  await w.stop()
  const second = await start(kinds.map((id) => worker({ id, restart: id })))
  for (const id of kinds) await second.crash(id)
  assert.equal(
    kinds.map((id) => second.node.cell(id)?.restarts),
    [1, 1, undefined],
  )
  await second.w.stop()
})

test('children that die together are all restarted', async () => {
  const children = abc.map((id) => worker({ id, restart: 'permanent' }))
  for (const strategy of ['one_for_one', 'one_for_all', 'rest_for_one'] as const) {
    const { w, node, probe } = await start([
      supervisor('sup', children, { strategy, intensity: 10 }),
    ])
    await probe.turn((cx) => {
      for (const id of ['c', 'a', 'b']) cx.send(pid(id, 'n'), Crash, { why: 'test' })
    })
    for (const id of abc) {
      assert.equal(await probe.ask(pid(id, 'n'), Echo, { text: id }), { ok: true, value: id })
    }
    assert.ok(node.cell('sup'))
    await w.stop()
  }
})

test('a temporary child is stopped with its group and not started again', async () => {
  const log = journal()
  const { w, crash } = await start([
    supervisor(
      'sup',
      [
        worker({ id: 'a', journal: log, restart: 'permanent' }),
        worker({ id: 'b', journal: log, restart: 'temporary' }),
      ],
      { strategy: 'one_for_all' },
    ),
  ])
  take(log)
  await crash('a')
  assert.equal(take(log), ['stop b shutdown', 'start a'])
  await w.stop()
})

test('too many restarts within the period escalate to the next supervisor, and at last to the node', async () => {
  const log = journal()
  const failures: string[] = []
  const inner = supervisor(
    'inner',
    abc.map((id) => worker({ id, journal: log, restart: 'permanent' })),
    { intensity: 2, periodMs: 1000 },
  )
  const { w, node, crash } = await start([inner], {
    supervision: { intensity: 1, periodMs: 60_000 },
    onFailure: ({ kind }) => failures.push(kind),
  })
  const first = node.whereis('inner')
  for (let i = 0; i < 6; i++) {
    await crash('b')
    await w.advance(600)
  }
  assert.is(node.whereis('inner'), first, 'two in a second are allowed')
  await w.advance(2000)
  take(log)
  for (let i = 0; i < 3; i++) await crash('b')
  assert.is.not(node.whereis('inner'), first)
  assert.equal(take(log).slice(2), [
    'stop c shutdown',
    'stop a shutdown',
    'start a',
    'start b',
    'start c',
  ])
  assert.equal(failures, [])
  for (let i = 0; i < 3; i++) await crash('b')
  assert.equal(failures, ['intensity'])
  assert.equal([...node.cells()], [])
  assert.ok(w.troubles('n').some(({ level }) => level === 'fatal'))
  await w.stop()
})

test('back-off doubles from its least to its most, and starts anew after a long life', async () => {
  const log = journal()
  const { w, node, crash } = await start([
    worker({ id: 'a', journal: log, restart: 'permanent', backoff: { minMs: 100, maxMs: 400 } }),
  ])
  const waits: number[] = []
  const crashAndMeasure = async () => {
    const before = w.clock.monotonic()
    await crash('a')
    assert.is(node.cell('a'), undefined)
    await w.until(() => node.cell('a') !== undefined)
    waits.push(w.clock.monotonic() - before)
  }
  for (let i = 0; i < 4; i++) await crashAndMeasure()
  await w.advance(1000)
  await crashAndMeasure()
  assert.equal(waits, [100, 200, 400, 400, 100])
  await w.stop()
})

test('a restart that fails counts, and is tried again', async () => {
  let failures = 0
  const { w, node, crash } = await start([
    supervisor(
      'sup',
      [
        worker({
          id: 'a',
          restart: 'permanent',
          init: () => {
            if (failures > 0) {
              failures--
              throw new Error('not yet')
            }
          },
        }),
      ],
      { intensity: 5 },
    ),
  ])
  failures = 3
  await crash('a')
  assert.is(node.cell('a')?.restarts, 4)
  failures = 100
  const before = node.whereis('sup') as Pid
  await crash('a')
  assert.is.not(node.whereis('sup'), before)
  await w.stop()
})

test('a node whose children cannot start does not start, and leaves nothing behind', async () => {
  const w = world()
  const log = journal()
  const failing = worker({
    id: 'b',
    init: () => {
      throw new Error('no such disk')
    },
  })
  const started = w.start('n', { children: [worker({ id: 'a', journal: log }), failing] })
  await started.then(
    () => assert.unreachable('it started'),
    (error) => assert.match(String(error), 'no such disk'),
  )
  await w.stop()
})

test('a graceful child has its time to stop, and is killed after it', async () => {
  const log = journal()
  const ends = worker({
    id: 'ends',
    journal: log,
    shutdownMs: 1000,
    stopping: (_state, cx) => cx.after('ready', 300, () => cx.stop()),
  })
  const late = worker({ id: 'late', journal: log, shutdownMs: 500, stopping: () => undefined })
  const { w, probe } = await start([
    supervisor('sup', [worker({ id: 'a', journal: log }), ends, late]),
  ])
  take(log)
  const t = w.clock.monotonic()
  await w.run(probe.turn((cx) => cx.send(pid('root', 'n'), StopChild, 'sup')))
  await w.until(() => log.events.length === 2)
  assert.is(w.clock.monotonic() - t, 800)
  // `late` was killed after 500 ms, without a last turn.
  assert.equal(take(log), ['stop ends shutdown', 'stop a shutdown'])
  await w.stop()
})

test('a supervisor that is stopping restarts nobody', async () => {
  const log = journal()
  const slow = worker({
    id: 'slow',
    journal: log,
    shutdownMs: 10_000,
    restart: 'permanent',
    stopping: (_state, cx) => cx.after('ready', 1000, () => cx.stop()),
  })
  const fast = worker({ id: 'fast', journal: log, restart: 'permanent' })
  const { w } = await start([supervisor('sup', [slow, fast])])
  take(log)
  await w.stop()
  assert.equal(take(log), ['stop fast shutdown', 'stop slow shutdown'])
})

test('a group restart waits for graceful members, and takes in what dies meanwhile', async () => {
  const log = journal()
  const graceful = (id: string) =>
    worker({
      id,
      journal: log,
      restart: 'permanent',
      stopping: (_state, cx) => cx.after('ready', 100, () => cx.stop()),
    })
  const { w, node, crash } = await start([
    supervisor('sup', abc.map(graceful), { strategy: 'one_for_all', intensity: 5 }),
  ])
  take(log)
  await crash('b')
  await crash('a')
  await w.until(() => abc.every((id) => node.cell(id)?.restarts === 1))
  assert.equal(take(log), ['stop c shutdown', 'start a', 'start b', 'start c'])
  await w.stop()
})

test('children are started and stopped on request', async () => {
  const log = journal()
  const { w, node, probe } = await start([supervisor('sup', [])])
  const spec = Object.freeze(worker({ id: 'x', journal: log, restart: 'permanent' }))
  const started = await probe.ask(pid('sup', 'n'), StartChild, spec)
  assert.equal(started, { ok: true, value: node.whereis('x') })
  const twice = await probe.ask(pid('sup', 'n'), StartChild, spec)
  assert.is(twice.ok || twice.error.code, 'START_FAILED')
  const far = await w.probe(await w.start('m'))
  const denied = await far.ask(pid('sup', 'n'), StartChild, { id: 'y' })
  assert.is(denied.ok || denied.error.code, 'DENIED')
  await probe.send(pid('x', 'n'), Crash, { why: 'test' })
  assert.is(node.cell('x')?.restarts, 1)
  assert.equal(await probe.ask(pid('sup', 'n'), StopChild, 'x'), { ok: true, value: true })
  assert.is(node.cell('x'), undefined)
  assert.equal(await probe.ask(pid('sup', 'n'), StopChild, 'x'), { ok: true, value: false })
  await w.stop()
})

test('with an actor die its children, timers, requests and subscriptions', async () => {
  const { w, node, probe } = await start([])
  const before = w.clock.pending().timers
  const parent = await w.probe(node, 'parent')
  await parent.turn((cx) => {
    cx.spawn(worker({ id: 'child', init: (child) => child.spawn(worker({ id: 'grandchild' })) }))
    cx.after('t', 1e9, () => undefined)
    cx.subscribe('raw', () => undefined)
    cx.ask(pid('probe', 'n'), Echo, { text: 'x' }, { timeoutMs: 1e9 }, () => undefined)
    cx.request('nobody.listens', new Uint8Array(0), { timeoutMs: 1e9 }, () => undefined)
    cx.monitor(pid('probe', 'n'))
  })
  const cell = node.cell('parent')
  assert.ok(cell && node.cell('grandchild'))
  await parent
    .turn(() => {
      throw new Error('test')
    })
    .catch(() => undefined)
  assert.equal(
    [...node.cells()].map(({ id }) => id),
    ['root', 'probe'],
  )
  assert.equal([cell?.timers, cell?.asks.pending, cell?.subscriptions], [0, 0, 0])
  assert.is(w.clock.pending().timers, before)
  assert.is(node.cell('probe')?.watchers.size, 0)
  assert.is(probe.received.length, 1)
  await w.stop()
})

test('effects after a stop in the same turn are carried out, and the last turn may send', async () => {
  const log = journal()
  const { w, probe } = await start([worker({ journal: log })])
  const self = await w.probe(await w.start('m'), 'self')
  const order = await self.turn((cx) => {
    cx.stop()
    cx.send(probe.pid, Quit, {})
    return 'recorded'
  })
  assert.is(order, 'recorded')
  assert.equal(
    probe.take('QUIT').map(({ type }) => type),
    ['QUIT'],
  )
  await w.stop()
})

test('behind a fence nothing is done from its time on, neither by an actor nor by its children', async () => {
  const log = journal()
  const spawnChild = (cx: Context) => void cx.spawn(worker({ id: 'child', journal: log }))
  const guarded = worker({ id: 'guarded', journal: log, fence: 'lease', init: spawnChild })
  const free = worker({ id: 'free', journal: log })
  const { w, node, probe } = await start([guarded, free])
  await probe.turn((cx) => cx.fence('lease', cx.monotonic() + 100))
  await w.advance(99)
  await probe.send(pid('child', 'n'), Note, { n: 1 })
  await w.advance(1)
  take(log)
  for (const id of ['child', 'guarded', 'free']) await probe.send(pid(id, 'n'), Note, { n: 2 })
  assert.equal(log.notes, [1, 2], 'only the one without a fence took the second')
  assert.equal(node.cell('guarded'), undefined)
  assert.equal(take(log), [], 'the last turn of a fenced actor may say something, and is not had')
  await w.stop()
})

test('a turn during which the time of the fence comes has no effect', async () => {
  const { w, probe } = await start([])
  const slow = worker({
    id: 'slow',
    fence: 'lease',
    init: (cx) =>
      cx.subscribe('work', () => {
        cx.send(probe.pid, Note, { n: 1 })
        // As a process that stands still in the middle of a turn.
        cx.ports.clock.monotonic = () => Number.MAX_SAFE_INTEGER
      }),
  })
  const node = await w.start('m', { children: [slow] })
  const other = await w.probe(node)
  await other.turn((cx) => cx.fence('lease', cx.monotonic() + 100))
  const { monotonic } = w.clock
  await probe.turn((cx) => cx.publish('work', new Uint8Array(0)))
  w.clock.monotonic = monotonic
  assert.is(node.cell('slow'), undefined)
  assert.equal(probe.take('NOTE'), [])
  await w.stop()
})

test('the orderly end of a significant child ends its supervisor, its crash does not', async () => {
  const ends: string[] = []
  const log = journal()
  const children = [
    worker({ id: 'a', journal: log, restart: 'permanent' }),
    worker({ id: 'b', journal: log, restart: 'transient', significant: true }),
  ]
  const { w, node, probe, crash } = await start(children, {
    onEnd: ({ kind, detail }) => void ends.push(`${kind}: ${detail}`),
  })
  await crash('b')
  assert.ok(node.whereis('b') && ends.length === 0, 'it was restarted')
  await probe.send(pid('b', 'n'), Quit, {})
  assert.equal(ends, ['shutdown: b has ended'])
  assert.is(node.whereis('a'), undefined)
  await w.stop()
})

test.run()
