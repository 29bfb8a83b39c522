import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import type { Store, StoreOperation } from '../../../src/runtime/ports.ts'
import { type CommitGroup, CommitQueue, queuedBytesMax } from '../../../src/storage/commit-queue.ts'
import { memoryStorage } from '../../../src/storage/memory-store.ts'
import { bytes, refusal, text } from '../../support/contracts/disk.ts'
import { storeContract } from '../../support/contracts/store.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('memory store')

storeContract(test, () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock, commitMs: () => 3 })
  const wait = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false
    void promise
      .catch(() => undefined)
      .then(() => {
        settled = true
      })
    await clock.advanceUntil(() => settled, 10_000)
    return promise
  }
  return { storage, path: '/log', wait }
})

const put = (store: Store, key: string, value: string): Promise<void> =>
  store.commit([
    { type: 'put', key: `${key}1`, value: bytes(value) },
    { type: 'put', key: `${key}2`, value: bytes(value) },
  ])

test('commits issued during a write join the next one', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock, commitMs: () => 10 })
  const store = await storage.open('/log')
  const done: string[] = []
  const commit = (key: string): void =>
    void put(store, key, 'x').then(() => done.push(`${key} at ${clock.monotonic()}`))
  commit('a')
  await clock.advance(1)
  commit('b')
  commit('c')
  await clock.advance(100)
  assert.equal(done, ['a at 10', 'b at 20', 'c at 20'])
})

test('what is not yet durable is not read', async () => {
  const clock = virtualClock()
  const store = await memoryStorage({ clock, commitMs: () => 10 }).open('/log')
  void put(store, 'a', 'x')
  await clock.advance(9)
  assert.is(await store.get('a1'), undefined)
  await clock.advance(1)
  assert.is(text((await store.get('a1'))!), 'x')
})

test('a crash keeps what was acknowledged and a prefix of the write under way, commit by commit', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 100; seed += 1) {
    const clock = virtualClock()
    const storage = memoryStorage({ clock, commitMs: () => 10 })
    const store = await storage.open('/log')
    void put(store, 'a', 'x')
    await clock.advance(10)
    void put(store, 'b', 'x').then(() => assert.unreachable('the node is dead'))
    void put(store, 'c', 'x')
    await clock.advance(1)
    void put(store, 'd', 'x')
    storage.crash(stream(seed, 'crash'))
    const again = await storage.open('/log')
    await clock.advance(100)
    seen.add((await again.range('', 'z')).map(([key]) => key).join())
  }
  assert.equal([...seen].sort(), ['a1,a2', 'a1,a2,b1,b2', 'a1,a2,b1,b2,c1,c2'])
})

test('a store of a dead node never answers', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  storage.crash()
  const answered = (): void => assert.unreachable('the node is dead')
  void store.get('a').then(answered, answered)
  void put(store, 'a', 'x').then(answered, answered)
  void store.close().then(answered, answered)
  await clock.advance(1000)
})

test('after a failed commit the store refuses everything until it is opened again', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  const first = put(store, 'a', 'x')
  await clock.settle()
  await first
  storage.failNextCommit('/log')
  const failing = refusal(put(store, 'b', 'x'))
  await clock.settle()
  assert.is(await failing, 'IO')
  assert.is(await refusal(put(store, 'c', 'x')), 'IO')
  assert.is(await refusal(store.get('a1')), 'IO')
  assert.is(await refusal(store.range('', 'z')), 'IO')
  storage.crash()
  const again = await storage.open('/log')
  assert.equal(
    (await again.range('', 'z')).map(([key]) => key),
    ['a1', 'a2'],
  )
})

test('a failed read is followed by others that do not fail', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  for (const read of [() => store.get('a'), () => store.range('', 'z')]) {
    storage.failNextRead('/log')
    assert.is(await refusal(read()), 'IO')
    await read()
  }
})

test('a full disk fails a write, and takes the next after the store was opened again', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  storage.setFull(true)
  const failing = store.commit([{ type: 'put', key: 'a', value: bytes('x') }])
  const message = failing.then(String, (error: Error) => error.message)
  await clock.settle()
  assert.match(await message, /no space left/)
  storage.setFull(false)
  assert.is(await refusal(put(store, 'b', 'x')), 'IO')
  storage.crash()
  const again = await storage.open('/log')
  const succeeding = put(again, 'c', 'x')
  await clock.settle()
  await succeeding
  assert.is(text((await again.get('c1'))!), 'x')
})

test('silent corruption flips one bit of one value; a wiped disk is empty', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  assert.not(storage.flipBit('/log', stream(1, 'nothing there')))
  const store = await storage.open('/log')
  const stored = put(store, 'a', 'xyz')
  await clock.settle()
  await stored
  assert.throws(() => storage.wipe(), /is open/)
  assert.ok(storage.flipBit('/log', stream(1, 'flip')))
  const values = (await store.range('a', 'b')).map(([, value]) => [...value])
  const flipped = values.flatMap((value) => value.map((byte, at) => byte ^ bytes('xyz')[at]!))
  assert.is(flipped.filter((bits) => bits !== 0).length, 1)
  storage.crash()
  storage.wipe()
  assert.equal(await (await storage.open('/log')).range('', 'z'), [])
})

test('a stale read finds one of the values that were changed last as it was before, once', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 20; seed += 1) {
    const clock = virtualClock()
    const storage = memoryStorage({ clock })
    assert.not(storage.readStale('/log', stream(1, 'nothing there')))
    const store = await storage.open('/log')
    const write = async (operations: readonly StoreOperation[]) => {
      const stored = store.commit(operations)
      await clock.settle()
      await stored
    }
    const value = (key: string, text: string): StoreOperation => ({
      type: 'put',
      key,
      value: bytes(text),
    })
    const contents = async () => {
      const entries = await store.range('a', 'z')
      return entries.map(([key, found]) => key + text(found)).join()
    }
    await write([value('a', '1'), value('b', '1')])
    await write([value('a', '2'), { type: 'delete', key: 'b' }, value('c', '1')])
    assert.ok(storage.readStale('/log', stream(seed, 'stale')))
    assert.is(storage.staleReads, 0)
    seen.add(await contents())
    assert.is(storage.staleReads, 1)
    assert.is(await contents(), 'a2,c1')
  }
  assert.equal([...seen].sort(), ['a1,c1', 'a2', 'a2,b1,c1'])
})

test('where a bit is flipped no read finds what stood there before', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  const stored = store.commit([{ type: 'put', key: 'a', value: bytes('x') }])
  await clock.settle()
  await stored
  assert.ok(storage.readStale('/log', stream(1, 'stale')))
  assert.ok(storage.flipBit('/log', stream(1, 'flip')))
  const found = await store.get('a')
  assert.ok(found !== undefined && text(found) !== 'x')
  assert.not(storage.readStale('/log', stream(1, 'stale')), 'it may be what is to stand there')
})

test('a disk is set back to the copy that was made of it, as often as one wants', async () => {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const store = await storage.open('/log')
  const put = async (key: string, value: string) => {
    const stored = store.commit([{ type: 'put', key, value: bytes(value) }])
    await clock.settle()
    await stored
  }
  await put('a', 'x')
  const backup = storage.backup()
  const before = storage.changes('/log')
  assert.is(backup.changes('/log'), before)
  await put('a', 'y')
  await put('b', 'z')
  assert.throws(() => backup.restore(), /is open/)
  storage.crash()
  for (let times = 1; times <= 2; times++) {
    backup.restore()
    assert.is(text(storage.contents('/log').get('a')!), 'x')
    assert.is(storage.contents('/log').size, 1)
    assert.ok(storage.changes('/log') > before + 1, 'it counts as changed')
    const again = await storage.open('/log')
    const stored = again.commit([{ type: 'delete', key: 'a' }])
    await clock.settle()
    await stored
    storage.crash()
  }
})

test('a full commit queue refuses what does not fit and keeps the rest', async () => {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const groups: CommitGroup[] = []
  const queue = new CommitQueue('/log', async (group) => {
    groups.push(group)
    await gate
  })
  const value = new Uint8Array(queuedBytesMax / 2)
  const big = () => queue.commit([{ type: 'put', key: 'k', value }])
  const first = big()
  await Promise.resolve()
  await Promise.resolve()
  const [second, third, fourth] = [big(), big(), big()]
  assert.is(await refusal(fourth), 'NO_SPACE')
  open()
  await Promise.all([first, second, third])
  assert.equal(
    groups.map((group) => group.length),
    [1, 2],
  )
})

test.run()
