import { recordKey } from '../../actors/log/records.ts'
import {
  Demoted,
  Elect,
  PromiseRequest,
  Read,
  Resign,
  Truncate,
  WriteRequest,
} from '../../protocol/log.ts'
import { pid } from '../../src/runtime/index.ts'
import { subjectMatches } from '../../src/transport/subject-tree.ts'
import {
  append,
  appendAll,
  bytes,
  cluster,
  contents,
  elect,
  numbered,
  PATH,
} from '../support/log-cluster.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('log')

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

test('a replica that was away for all of the log asks the others how far it is', async () => {
  const c = await cluster(3)
  await c.crash('c')
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const items = numbered(2_000)
  await appendAll(c, probe, 'a', epoch, items)
  await c.w.advance(1_000)
  await c.start('c')
  await c.untilStatus('c', 'VOTING')
  assert.equal(await contents(c, 'c'), items)
  assert.ok((await append(probe, 'a', epoch, 'undisturbed')).ok)
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

test('an election does not wait for a replica that has fallen silent', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const c = await cluster(3, { seed })
    const probe = await c.probe('a')
    const epoch = await elect(c, probe, 'a')
    const away = c.w.broker.isolate('c')
    await appendAll(c, probe, 'a', epoch, numbered(10))
    // The former writer stands still; the one that lacks the newest entries is elected.
    c.w.broker.isolate('a')
    away.remove()
    const other = await c.probe('c')
    const begin = c.w.clock.monotonic()
    await elect(c, other, 'c')
    const took = c.w.clock.monotonic() - begin
    assert.ok(took < 1_000, `seed ${seed}: ${took} ms`)
    assert.equal(await contents(c, 'b'), numbered(10))
    await c.w.stop()
  }
})

test('a replica that missed the last entry learns it while nothing more is written', async () => {
  const c = await cluster(3, { leaseMs: 4_000 })
  const probe = await c.probe('a')
  const lease = { holder: 'a', ms: 4_000 }
  // What they may have granted before they started has run out.
  await c.w.advance(5_000)
  const elected = await probe.ask(pid('log-writer', 'a'), Elect, { lease })
  assert.ok(elected.ok)
  const away = c.w.broker.isolate('c')
  const { epoch } = elected.value
  assert.equal(await append(probe, 'a', epoch, 'x'), { ok: true, value: { position: 1 } })
  away.remove()
  await c.w.advance(5_000)
  assert.is((await c.positions('c')).learned, 1)
  await c.w.stop()
})

test('a replica that missed an entry fetches it while more are written without a pause', async () => {
  const c = await cluster(3)
  const probe = await c.probe('a')
  const epoch = await elect(c, probe, 'a')
  const away = c.w.broker.isolate('c')
  assert.ok((await append(probe, 'a', epoch, 'missed')).ok)
  away.remove()
  for (const item of numbered(20)) {
    assert.ok((await append(probe, 'a', epoch, item)).ok)
    await c.w.advance(500)
  }
  assert.is((await c.positions('c')).learned, 21)
  await c.w.stop()
})

test.run()
