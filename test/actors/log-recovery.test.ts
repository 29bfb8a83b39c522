import { log } from '../../actors/log/index.ts'
import { recordKey } from '../../actors/log/records.ts'
import { Initialize, Positions, PromiseRequest, Read } from '../../protocol/log.ts'
import { DiskError, type Ports, pid, type StoreOperation } from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import {
  append,
  appendAll,
  cluster,
  contents,
  elect,
  generationOf,
  numbered,
  PATH,
} from '../support/log-cluster.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('log: recovery')

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

test('a replica whose disk was set back to an older copy says so, and is filled again', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(10)
  await appendAll(c, probe, 'a', epoch, items.slice(0, 5))
  const copy = c.w.ports('c').storage.backup()
  await appendAll(c, probe, 'a', epoch, items.slice(5))
  await c.w.advance(2_000)
  // Even those that were started again since remember what they heard of its votes.
  for (const name of c.names) await c.crash(name)
  copy.restore()
  for (const name of c.names) await c.start(name)
  await c.untilStatus('c', 'VOTING')
  const [said] = c.w.troubles('c')
  assert.match(
    String(said?.fields.reason),
    /the disk is an older copy: .* and the end 5, .* and 10/,
  )
  assert.is(generationOf(c, 'c'), 1, 'it votes as one with a new disk')
  assert.equal(await contents(c, 'c'), items)
  await c.w.stop()
})

test('a replica that returns does not vote before others have told what they heard of its votes', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await append(probe, 'a', epoch, 'x')
  const copy = c.w.ports('c').storage.backup()
  await append(probe, 'a', epoch, 'y')
  await c.w.advance(2_000)
  await c.crash('c')
  copy.restore()
  // One of the two that know of its votes is not there, and the other cannot be heard.
  await c.crash('b')
  const cut = c.w.broker.isolate('c')
  await c.start('c')
  await c.w.advance(60_000)
  assert.is((await c.positions('c')).status, 'RETURNING')
  const alone = await c.probe('c')
  const ignored = await alone.ask(pid('log', 'c'), PromiseRequest, { proposal: 1_000 })
  assert.equal(ignored, { ok: true, value: { type: 'IGNORED' } })
  cut.remove()
  await c.untilStatus('c', 'CORRUPT')
  await c.w.stop()
})

for (const when of ['at its start', 'while it runs'] as const) {
  test(`a replica that reads what it had replaced ${when} says so, and is filled again`, async () => {
    for (let seed = 0; seed < 10; seed++) {
      const c = await cluster(3)
      const probe = await c.probe('a')
      const epoch = await elect(c, probe, 'a')
      const items = numbered(10)
      await appendAll(c, probe, 'a', epoch, items)
      await c.w.advance(1_000)
      const { storage } = c.w.ports('c')
      assert.ok(storage.readStale(PATH, stream(seed, 'stale')))
      if (when === 'at its start') {
        await c.crash('c')
        await c.start('c')
        assert.is(storage.staleReads, 1)
      } else {
        // It reads what it has learned, and no more.
        const found = await probe.ask(pid('log', 'c'), Read, { from: 0, to: items.length })
        assert.is(found.ok, storage.staleReads === 0)
      }
      await c.untilStatus('c', 'VOTING')
      const said = c.w.troubles('c').some(({ message }) => message.includes('corrupt'))
      assert.is(said, storage.staleReads > 0, `seed ${seed}`)
      assert.equal(await contents(c, 'c'), items)
      await c.w.stop()
    }
  })
}

test('a replica whose disk cannot be read for once reads it again, and votes', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(10)
  await appendAll(c, probe, 'a', epoch, items)
  const { storage } = c.w.ports('c')
  await c.crash('c')
  storage.failNextRead(PATH)
  await c.start('c')
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), items)
  storage.failNextRead(PATH)
  assert.not((await probe.ask(pid('log', 'c'), Read, { from: 1, to: 2 })).ok)
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), items)
  assert.not(c.w.troubles('c').some(({ message }) => message.includes('corrupt')))
  await c.w.stop()
})

test("a replica that is given another's disk says whose it is, and leaves it as it is", async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(10)
  await appendAll(c, probe, 'a', epoch, items)
  await c.crash('b')
  await c.crash('c')
  const children = [log({ path: PATH, node: 'b', replicas: c.names })]
  const swapped = await c.w.start('b', { children, ports: c.w.ports('c') })
  await c.w.advance(5_000)
  const said = c.w.troubles('c').map(({ fields }) => String(fields?.stack ?? ''))
  assert.ok(said.some((line) => line.includes('holds the replica of c')))
  await c.w.crash(swapped)
  c.w.ports('c').endProcess()
  await c.start('c')
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), items)
  await c.w.stop()
})

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

test('a replica whose disk is full stays out and says so, and has all when there is room again', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  await c.crash('c')
  const disk = filling(c.w.ports('c'))
  const children = [log({ path: PATH, node: 'c', replicas: c.names })]
  c.nodes.set('c', await c.w.start('c', { children, ports: disk.ports }))
  await c.untilStatus('c', 'VOTING')
  disk.isFull = true
  const items = numbered(10)
  await appendAll(c, probe, 'a', epoch, items)
  await c.w.advance(30_000)
  assert.ok(c.w.troubles('c').some(({ fields }) => String(fields.stack).includes('NO_SPACE')))
  assert.equal(await contents(c, 'b'), items, 'the others go on')
  disk.isFull = false
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), items)
  await c.w.stop()
})

test('a replica that fetches a long log writes it part by part, as its disk takes it', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const count = 10_000
  await appendAll(c, probe, 'a', epoch, numbered(count))
  await c.wipe('c')
  const sizes: number[] = []
  const ports = withCommits(c.w.ports('c'), (_, { length }) => sizes.push(length))
  const children = [log({ path: '/new', node: 'c', replicas: c.names })]
  c.nodes.set('c', await c.w.start('c', { children, ports }))
  await c.untilStatus('c', 'VOTING')
  assert.ok(sizes.reduce((sum, size) => sum + size) >= count)
  assert.ok(Math.max(...sizes) <= 3 * 1_024, `one commit had ${Math.max(...sizes)} operations`)
  await c.w.stop()
})

/** Ports whose stores tell of each commit before it is made. */
function withCommits(
  ports: Ports,
  before: (path: string, operations: readonly StoreOperation[]) => void,
): Ports {
  const storage: Ports['storage'] = {
    async open(path) {
      const store = await ports.storage.open(path)
      return {
        get: (key) => store.get(key),
        range: (from, to, limit) => store.range(from, to, limit),
        async commit(operations) {
          before(path, operations)
          await store.commit(operations)
        },
        close: () => store.close(),
      }
    },
  }
  return { ...ports, storage }
}

/** Ports whose stores take no more writes while they are full. */
function filling(ports: Ports): { readonly ports: Ports; isFull: boolean } {
  const full = { ports, isFull: false }
  return Object.assign(full, {
    ports: withCommits(ports, (path) => {
      if (full.isFull) throw new DiskError('NO_SPACE', path, `NO_SPACE: ${path}`)
    }),
  })
}

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
