import { log } from '../../actors/log/index.ts'
import { recordKey } from '../../actors/log/records.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import {
  Append,
  CatchUp,
  Demoted,
  Elect,
  Initialize,
  Positions,
  PromiseRequest,
  Read,
  Resign,
  Truncate,
  WriteRequest,
} from '../../protocol/log.ts'
import { type Node, type Ports, pid, type StoreOperation } from '../../src/runtime/index.ts'
import { subjectMatches } from '../../src/transport/subject-tree.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('log')

const PATH = '/log'

interface Cluster {
  readonly w: World
  readonly names: readonly string[]
  readonly nodes: Map<string, Node>
  probe(name: string): Promise<Probe>
  start(name: string): Promise<void>
  crash(name: string): Promise<void>
  /** Crashes a node and takes its store away. */
  wipe(name: string): Promise<void>
  /** Changes what is stored while the node is down. */
  tamper(name: string, operations: readonly StoreOperation[]): Promise<void>
  positions(name: string): Promise<{ status: string; begin: number; learned: number; end: number }>
  untilStatus(name: string, status: string): Promise<void>
}

async function cluster(
  size: number,
  options: { readonly autoInitialize?: boolean; readonly seed?: number } = {},
): Promise<Cluster> {
  const w = world({ seed: options.seed ?? 1 })
  const names = ['a', 'b', 'c', 'd', 'e'].slice(0, size)
  const nodes = new Map<string, Node>()
  const paths = new Map(names.map((name) => [name, PATH]))
  const c: Cluster = {
    w,
    names,
    nodes,
    async start(name) {
      const { autoInitialize = true } = options
      const path = paths.get(name) as string
      const children = [log({ path, node: name, replicas: names, autoInitialize })]
      nodes.set(name, await w.start(name, { children }))
    },
    probe: (name) => w.probe(nodes.get(name) as Node),
    async crash(name) {
      await w.crash(nodes.get(name) as Node)
      nodes.delete(name)
    },
    async wipe(name) {
      await c.crash(name)
      paths.set(name, `${paths.get(name)}-new`)
    },
    async tamper(name, operations) {
      const store = await w.ports(name).storage.open(paths.get(name) as string)
      await w.run(store.commit(operations))
      await store.close()
    },
    async positions(name) {
      const outcome = await (await c.probe(name)).ask(pid('log', name), Positions, {})
      return outcome.ok
        ? outcome.value
        : { status: outcome.error.code, begin: -1, learned: -1, end: -1 }
    },
    async untilStatus(name, status) {
      for (let i = 0; i < 100; i++) {
        if ((await c.positions(name)).status === status) return
        await w.advance(200)
      }
      throw new Error(`${name} is not ${status}: ${JSON.stringify(await c.positions(name))}`)
    },
  }
  for (const name of names) await c.start(name)
  if (options.autoInitialize !== false)
    for (const name of names) await c.untilStatus(name, 'VOTING')
  return c
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** Has the probe elected; tries again as an owner would. */
async function elect(c: Cluster, probe: Probe, name: string): Promise<number> {
  for (let i = 0; i < 20; i++) {
    const outcome = await probe.ask(pid('log-writer', name), Elect, {}, { timeoutMs: 60_000 })
    if (outcome.ok) return outcome.value.epoch
    assert.is(outcome.error.code, 'LOG_NOT_ELECTED')
    await c.w.advance(150)
  }
  throw new Error(`${name} is never elected`)
}

async function append(probe: Probe, name: string, epoch: number, what: string) {
  const options = { timeoutMs: 50_000 }
  return probe.ask(pid('log-writer', name), Append, { epoch, data: bytes(what) }, options)
}

/** Sends many appends in one turn; resolves with the outcomes in the order of sending. */
async function appendAll(c: Cluster, probe: Probe, name: string, epoch: number, items: string[]) {
  const positions: Array<number | string> = []
  let ended = 0
  await probe.turn((cx) => {
    for (const [i, item] of items.entries()) {
      const body = { epoch, data: bytes(item) }
      cx.ask(pid('log-writer', name), Append, body, { timeoutMs: 50_000 }, (outcome) => {
        positions[i] = outcome.ok ? outcome.value.position : outcome.error.code
        ended++
      })
    }
  })
  await c.w.until(() => ended === items.length)
  return positions
}

/** All entries from the beginning that a node can read after having caught up. */
async function contents(c: Cluster, name: string): Promise<string[]> {
  const probe = await c.probe(name)
  const caught = await probe.ask(pid('log', name), CatchUp, {}, { timeoutMs: 50_000 })
  assert.ok(caught.ok, JSON.stringify(caught))
  const { begin, learned } = await c.positions(name)
  const entries: string[] = []
  for (let next = begin; next <= learned; ) {
    const part = await probe.ask(pid('log', name), Read, { from: next, to: learned })
    if (!part.ok) throw new Error(part.error.message)
    entries.push(...part.value.entries.map(({ data }) => text(data)))
    next = part.value.next
  }
  return entries
}

/** What a replica that is watched by nobody knows of its own disk. */
function generationOf(c: Cluster, name: string): number {
  const snapshot = c.nodes.get(name)?.cell('log')?.snapshot as unknown as {
    readonly context: { readonly state: ReplicaState }
  }
  return snapshot.context.state.replica.generations[name] ?? 0
}

const numbered = (count: number, prefix = 'x') =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)

for (const size of [1, 3, 5]) {
  test(`an empty ensemble of ${size} begins a log by itself, and what is appended is read everywhere`, async () => {
    const c = await cluster(size)
    const probe = await c.probe('a')
    const epoch = await elect(c, probe, 'a')
    // Position 0 of a new log is a hole, which the first writer fills (§2).
    assert.equal(await append(probe, 'a', epoch, 'one'), { ok: true, value: { position: 1 } })
    assert.equal(await append(probe, 'a', epoch, 'two'), { ok: true, value: { position: 2 } })
    await c.w.advance(5_000)
    for (const name of c.names) assert.equal(await contents(c, name), ['one', 'two'])
    await c.w.stop()
  })
}

test('appends in flight together keep their order and are answered with their positions', async () => {
  const c = await cluster(3)
  const probe = await c.probe('b')
  const epoch = await elect(c, probe, 'b')
  const items = numbered(300)
  const positions = await appendAll(c, probe, 'b', epoch, items)
  assert.equal(
    positions,
    items.map((_, i) => i + 1),
  )
  await c.w.advance(5_000)
  for (const name of c.names) assert.equal(await contents(c, name), items)
  await c.w.stop()
})

test('a second writer demotes the first, whose appends are refused from then on', async () => {
  const c = await cluster(3)
  const [a, b] = [await c.probe('a'), await c.probe('b')]
  const first = await elect(c, a, 'a')
  await append(a, 'a', first, 'by a')
  const second = await elect(c, b, 'b')
  assert.ok(second > first)
  assert.ok((await append(b, 'b', second, 'by b')).ok)
  const refused = await append(a, 'a', first, 'too late')
  assert.is(refused.ok ? 'appended' : refused.error.code, 'LOG_NOT_WRITER')
  assert.is(a.take(Demoted.name).length, 1)
  assert.equal(await contents(c, 'b'), ['by a', 'by b'])
  await c.w.stop()
})

test('another client of the same node takes the writer over, and an owner may resign', async () => {
  const c = await cluster(1)
  const [one, two] = [await c.probe('a'), await c.probe('a')]
  const first = await elect(c, one, 'a')
  const second = await elect(c, two, 'a')
  assert.is(one.take(Demoted.name).length, 1)
  const refused = await append(one, 'a', first, 'x')
  assert.is(refused.ok ? 'appended' : refused.error.code, 'LOG_NOT_WRITER')
  assert.ok((await two.ask(pid('log-writer', 'a'), Resign, { epoch: second })).ok)
  const after = await append(two, 'a', second, 'x')
  assert.is(after.ok ? 'appended' : after.error.code, 'LOG_NOT_WRITER')
  await c.w.stop()
})

test('a minority that is away stops nothing, and learns what it missed when it is back', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await append(probe, 'a', epoch, 'all there')
  await c.crash('c')
  assert.ok((await append(probe, 'a', epoch, 'two there')).ok)
  await c.start('c')
  await c.untilStatus('c', 'VOTING')
  assert.ok((await append(probe, 'a', epoch, 'all again')).ok)
  await c.w.advance(10_000)
  assert.equal(await contents(c, 'c'), ['all there', 'two there', 'all again'])
  await c.w.stop()
})

test('without a quorum nothing is answered true, and the writer gives up', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await c.crash('b')
  await c.crash('c')
  const outcome = await append(probe, 'a', epoch, 'alone')
  assert.is(outcome.ok ? 'appended' : outcome.error.code, 'LOG_NOT_WRITER')
  const again = await probe.ask(pid('log-writer', 'a'), Elect, {}, { timeoutMs: 60_000 })
  assert.is(again.ok ? 'elected' : again.error.code, 'LOG_NOT_ELECTED')
  // What had no answer may be in the log: the next writer finds out, and nobody sees it change (L9).
  await c.start('b')
  await c.untilStatus('b', 'VOTING')
  const next = await elect(c, probe, 'a')
  assert.ok((await append(probe, 'a', next, 'later')).ok)
  assert.equal(await contents(c, 'a'), ['alone', 'later'])
  await c.w.stop()
})

test('what was answered survives the crash of all nodes at once', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(50)
  await appendAll(c, probe, 'a', epoch, items)
  for (const name of c.names) await c.crash(name)
  for (const name of c.names) await c.start(name)
  for (const name of c.names) await c.untilStatus(name, 'VOTING')
  const after = await c.probe('b')
  const next = await elect(c, after, 'b')
  assert.ok(next > epoch, 'a proposal is never used again')
  assert.ok((await append(after, 'b', next, 'last')).ok)
  assert.equal(await contents(c, 'b'), [...items, 'last'])
  await c.w.stop()
})

test('a partitioned writer cannot append while the majority has another', async () => {
  const c = await cluster(3)
  const a = await c.probe('a')
  const first = await elect(c, a, 'a')
  await append(a, 'a', first, 'before')
  c.w.broker.isolate('a')
  const b = await c.probe('b')
  const second = await elect(c, b, 'b')
  assert.ok((await append(b, 'b', second, 'majority')).ok)
  const outcome = await append(a, 'a', first, 'minority')
  assert.is(outcome.ok ? 'appended' : outcome.error.code, 'LOG_NOT_WRITER')
  c.w.broker.heal()
  assert.ok((await append(b, 'b', second, 'healed')).ok)
  await c.w.advance(10_000)
  assert.equal(await contents(c, 'a'), ['before', 'majority', 'healed'])
  await c.w.stop()
})

test('holes that a lost writer left are filled by the next election', async () => {
  const c = await cluster(3)
  const a = await c.probe('a')
  const epoch = await elect(c, a, 'a')
  await append(a, 'a', epoch, 'one')
  // A write far beyond the end reaches one replica only: its promise and the gap before it are to be filled.
  const request = {
    proposal: epoch,
    entries: [{ position: 9, body: { type: 'APPEND' as const, data: bytes('stray') } }],
  }
  const stray = await a.ask(pid('log', 'c'), WriteRequest, request)
  assert.is(stray.ok && stray.value.type, 'ACCEPT')
  await c.crash('a')
  const probe = await c.probe('c')
  const next = await elect(c, probe, 'c')
  assert.equal(await append(probe, 'c', next, 'two'), { ok: true, value: { position: 10 } })
  assert.equal(await contents(c, 'c'), ['one', 'stray', 'two'])
  await c.w.stop()
})

test('late accept (§4.1): an accept raises the promise, so that a delayed write replaces nothing', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const to = (name: string) => pid('log', name)
  const write = (proposal: number, what: string) => ({
    proposal,
    entries: [{ position: 7, body: { type: 'APPEND' as const, data: bytes(what) } }],
  })
  for (const name of c.names) await probe.ask(to(name), PromiseRequest, { proposal: 3 })
  for (const name of ['a', 'b']) await probe.ask(to(name), PromiseRequest, { proposal: 5 })
  for (const name of ['a', 'c']) {
    const reply = await probe.ask(to(name), WriteRequest, write(5, 'chosen'))
    assert.is(reply.ok && reply.value.type, 'ACCEPT')
  }
  const late = await probe.ask(to('c'), WriteRequest, write(3, 'late'))
  assert.equal(late, { ok: true, value: { type: 'REJECT', promised: 5 } })
  await c.crash('a')
  const after = await c.probe('b')
  await elect(c, after, 'b')
  assert.equal(await contents(c, 'b'), ['chosen'])
  await c.w.stop()
})

test('truncation takes away what is before, on all replicas and on their disks', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await appendAll(c, probe, 'a', epoch, numbered(20))
  const outcome = await probe.ask(pid('log-writer', 'a'), Truncate, { epoch, to: 15 })
  assert.equal(outcome, { ok: true, value: { position: 21 } })
  await append(probe, 'a', epoch, 'after')
  await c.w.advance(5_000)
  for (const name of c.names) {
    assert.equal(await contents(c, name), [...numbered(20).slice(14), 'after'])
    const refused = await probe.ask(pid('log', name), Read, { from: 14, to: 16 })
    assert.is(refused.ok ? 'read' : refused.error.code, 'LOG_POSITION')
  }
  for (const name of c.names) await c.crash(name)
  const store = await c.w.ports('c').storage.open(PATH)
  assert.is((await store.range(recordKey(0), recordKey(15))).length, 0)
  await store.close()
  for (const name of c.names) await c.start(name)
  for (const name of c.names) await c.untilStatus(name, 'VOTING')
  assert.is((await c.positions('c')).begin, 15)
  const b = await c.probe('b')
  const next = { epoch: await elect(c, b, 'b'), to: 1_000_000 }
  const beyond = await b.ask(pid('log-writer', 'b'), Truncate, next)
  assert.is(beyond.ok ? 'truncated' : beyond.error.code, 'LOG_POSITION')
  await c.w.stop()
})

test('a replica that lost its disk does not vote before it has caught up, and then has all', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(40)
  await appendAll(c, probe, 'a', epoch, items)
  await c.wipe('c')
  const cut = c.w.broker.isolate('c')
  await c.start('c')
  assert.is((await c.positions('c')).status, 'EMPTY')
  const alone = await c.probe('c')
  const ignored = await alone.ask(pid('log', 'c'), PromiseRequest, { proposal: 1_000 })
  assert.equal(ignored, { ok: true, value: { type: 'IGNORED' } })
  cut.remove()
  await c.untilStatus('c', 'VOTING')
  assert.ok((await c.positions('c')).learned >= items.length - 1)
  // It counts again: with one of the others away it makes the quorum.
  await c.crash('b')
  const next = await elect(c, probe, 'a')
  assert.ok((await append(probe, 'a', next, 'with c')).ok)
  assert.equal(await contents(c, 'c'), [...items, 'with c'])
  await c.w.stop()
})

test('a replica that comes back with a new disk knows what it had promised to whom', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await append(probe, 'a', epoch, 'x')
  const before = generationOf(c, 'c')
  await c.wipe('c')
  await c.start('c')
  await c.untilStatus('c', 'VOTING')
  const lower = await probe.ask(pid('log', 'c'), PromiseRequest, { proposal: epoch })
  assert.is(lower.ok && lower.value.type, 'REJECT')
  const higher = await probe.ask(pid('log', 'b'), PromiseRequest, { proposal: epoch + 10 })
  // Voters tell about the loss with every answer, so that what `c` said before does not count.
  assert.ok(higher.ok && higher.value.type === 'ACCEPT')
  assert.ok((higher.value.generations.c ?? 0) > before)
  await c.w.stop()
})

const damages: Array<[string, (stored: Map<string, Uint8Array>) => StoreOperation[]]> = [
  [
    'a changed byte',
    (stored) => {
      const value = stored.get(recordKey(3)) as Uint8Array
      value[value.length - 1] = (value[value.length - 1] as number) ^ 1
      return [{ type: 'put', key: recordKey(3), value }]
    },
  ],
  [
    'a record cut short',
    (stored) => [
      {
        type: 'put',
        key: recordKey(3),
        value: (stored.get(recordKey(3)) as Uint8Array).slice(0, 6),
      },
    ],
  ],
  [
    'two records swapped',
    (stored) => [
      { type: 'put', key: recordKey(3), value: stored.get(recordKey(4)) as Uint8Array },
      { type: 'put', key: recordKey(4), value: stored.get(recordKey(3)) as Uint8Array },
    ],
  ],
  ['a lost record', () => [{ type: 'delete', key: recordKey(3) }]],
  ['lost metadata', () => [{ type: 'delete', key: 'metadata' }]],
]

for (const [damage, of] of damages) {
  test(`${damage}: the replica says so, does not vote, and is filled again by the others`, async () => {
    const c = await cluster(3)
    const probe = await c.probe('a')
    const epoch = await elect(c, probe, 'a')
    const items = numbered(10)
    await appendAll(c, probe, 'a', epoch, items)
    await c.w.advance(1_000)
    await c.crash('c')
    const store = await c.w.ports('c').storage.open(PATH)
    const stored = new Map(await store.range(recordKey(0), recordKey(100)))
    await store.close()
    await c.tamper('c', of(stored))
    const cut = c.w.broker.isolate('c')
    await c.start('c')
    assert.is((await c.positions('c')).status, 'CORRUPT')
    assert.ok(c.w.troubles('c').some(({ message }) => message.includes('corrupt')))
    cut.remove()
    await c.untilStatus('c', 'VOTING')
    assert.equal(await contents(c, 'c'), items)
    await c.w.stop()
  })
}

test('damage that a read finds takes the replica out of the quorum until it is filled again', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await appendAll(c, probe, 'a', epoch, numbered(10))
  await c.w.advance(1_000)
  await c.crash('c')
  const decaying = decay(c.w.ports('c'), recordKey(3))
  const children = [log({ path: PATH, node: 'c', replicas: c.names })]
  c.nodes.set('c', await c.w.start('c', { children, ports: decaying.ports }))
  await c.untilStatus('c', 'VOTING')
  decaying.begin()
  const read = await (await c.probe('c')).ask(pid('log', 'c'), Read, { from: 1, to: 5 })
  assert.not(read.ok)
  assert.ok(c.w.troubles('c').some(({ message }) => message.includes('corrupt')))
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), numbered(10))
  await c.w.stop()
})

/** Ports whose store, once told to, returns another byte at one key, until that is written again. */
function decay(ports: Ports, key: string): { readonly ports: Ports; begin(): void } {
  let decayed = false
  const storage: Ports['storage'] = {
    async open(path) {
      const store = await ports.storage.open(path)
      return {
        get: (wanted) => store.get(wanted),
        async range(from, to, limit) {
          const found = await store.range(from, to, limit)
          for (const [at, value] of found) if (decayed && at === key) value[9] = 0xff
          return found
        },
        commit(operations) {
          if (operations.some((operation) => operation.key === key)) decayed = false
          return store.commit(operations)
        },
        close: () => store.close(),
      }
    },
  }
  return {
    ports: { ...ports, storage },
    begin() {
      decayed = true
    },
  }
}

test('a failed commit is not answered, and the replica starts anew from its disk', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await append(probe, 'a', epoch, 'one')
  c.w.ports('c').storage.failNextCommit(PATH)
  const reply = await probe.ask(pid('log', 'c'), PromiseRequest, { proposal: epoch + 100 })
  assert.not(reply.ok)
  await c.untilStatus('c', 'VOTING')
  const again = await probe.ask(pid('log', 'c'), PromiseRequest, { proposal: epoch + 100 })
  assert.is(again.ok && again.value.type, 'ACCEPT')
  await c.w.stop()
})

test('duplicated and overtaking messages change nothing', async () => {
  const c = await cluster(3, { seed: 7 })
  let count = 0
  const every = (n: number) => (passing: { readonly subject: string }) =>
    subjectMatches('meseta.pid.*.log', passing.subject) && count++ % n === 0
  c.w.broker.duplicate(every(3), 5)
  c.w.broker.delay(every(5), 20)
  const probe = await c.probe('a')
  let epoch = await elect(c, probe, 'a')
  const appended: string[] = []
  for (const item of numbered(30)) {
    const outcome = await append(probe, 'a', epoch, item)
    if (outcome.ok) appended.push(item)
    else epoch = await elect(c, probe, 'a')
  }
  c.w.broker.heal()
  await elect(c, probe, 'a')
  await c.w.advance(10_000)
  const found = await contents(c, 'a')
  assert.equal(
    found.filter((item) => appended.includes(item)),
    appended,
  )
  assert.is(new Set(found).size, found.length, 'nothing is there twice')
  for (const name of ['b', 'c']) assert.equal(await contents(c, name), found)
  assert.ok(appended.length > 0)
  await c.w.stop()
})

test('where a log does not begin by itself, an operator initializes each replica', async () => {
  const c = await cluster(3, { autoInitialize: false })
  await c.w.advance(10_000)
  for (const name of c.names) assert.is((await c.positions(name)).status, 'EMPTY')
  const probe = await c.probe('a')
  for (const name of c.names) {
    const outcome = await probe.ask(pid('log', name), Initialize, {})
    assert.equal(outcome, { ok: true, value: { status: 'VOTING' } })
  }
  const epoch = await elect(c, probe, 'a')
  assert.ok((await append(probe, 'a', epoch, 'x')).ok)
  const again = await probe.ask(pid('log', 'b'), Initialize, {})
  assert.is(again.ok ? 'initialized' : again.error.code, 'NOT_ACCEPTED')
  await c.w.stop()
})

test('a lost majority stays out: no log begins beside one that has data', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await append(probe, 'a', epoch, 'precious')
  await c.wipe('b')
  await c.wipe('c')
  await c.start('b')
  await c.start('c')
  await c.w.advance(30_000)
  assert.equal((await c.positions('b')).status, 'EMPTY')
  assert.equal((await c.positions('c')).status, 'EMPTY')
  assert.equal((await c.positions('a')).status, 'VOTING')
  await c.w.stop()
})

test('a replica that counts another ensemble is refused and says so', async () => {
  const c = await cluster(3)
  const stranger = log({ path: '/other', node: 'c', replicas: ['a', 'b', 'c', 'd', 'e'] })
  await c.crash('c')
  await c.w.start('c', { children: [stranger] })
  await c.w.advance(5_000)
  const probe = await c.probe('a')
  const outcome = await probe.ask(pid('log', 'c'), Positions, {})
  assert.is(outcome.ok && outcome.value.status, 'EMPTY')
  assert.ok(c.w.troubles('c').some(({ message }) => message.includes('disagree')))
  assert.throws(
    () => log({ path: '/x', node: 'a', replicas: ['a', 'b', 'c'], quorum: 1 }),
    /majority/,
  )
  assert.throws(() => log({ path: '/x', node: 'z', replicas: ['a', 'b', 'c'] }), /not among/)
  await c.w.stop()
})

test.run()
