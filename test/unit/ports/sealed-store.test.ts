import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import type { Storage, Store, StoreOperation } from '../../../src/runtime/ports.ts'
import { memoryStorage } from '../../../src/storage/memory-store.ts'
import { openSealed, seal, sumKey, unseal } from '../../../src/storage/sealed-store.ts'
import { bytes, refusal, text } from '../../support/contracts/disk.ts'
import { storeContract } from '../../support/contracts/store.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('sealed store')

storeContract(test, () => {
  const clock = virtualClock()
  const inner = memoryStorage({ clock })
  const storage: Storage = { open: async (path) => openSealed(await inner.open(path), path) }
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
  return { storage, path: '/meta', wait }
})

test('every flipped bit of a sealed value, its end and another key are noticed', () => {
  const value = seal('a', bytes('content'))
  assert.is(text(unseal('a', value)!), 'content')
  for (let bit = 0; bit < 8 * value.length; bit += 1) {
    const flipped = value.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(unseal('a', flipped), undefined)
  }
  assert.is(unseal('a', value.subarray(0, -1)), undefined)
  assert.is(unseal('a', value.subarray(0, 3)), undefined)
  assert.is(unseal('b', value), undefined)
})

const put = (key: string, value: string): StoreOperation => ({
  type: 'put',
  key,
  value: bytes(value),
})

/** A sealed store with some values, and what lies under it. */
async function make(operations: readonly StoreOperation[]) {
  const clock = virtualClock()
  const storage = memoryStorage({ clock })
  const inner = await storage.open('/meta')
  const write = async (store: Store, all: readonly StoreOperation[]) => {
    const committed = store.commit(all)
    await clock.settle()
    await committed
  }
  const store = await openSealed(inner, '/meta')
  await write(store, operations)
  /** What is said when the store is opened again. */
  const again = async () => {
    const opened = openSealed(inner, '/meta').then(() => 'opened', problem)
    await clock.settle()
    return opened
  }
  return { clock, storage, inner, store, write, again }
}

/** An empty one whose commits take 10 ms. */
async function slow() {
  const clock = virtualClock()
  const inner = await memoryStorage({ clock, commitMs: () => 10 }).open('/meta')
  const opened = openSealed(inner, '/meta')
  await clock.settle()
  const store = await opened
  return { clock, inner, store }
}

const problem = (error: Error) => error.message
const notLast = 'store /meta is corrupt: its values are not those that were written last'

test('a value that is not what was written is refused, and named', async () => {
  const { inner, store, write, again } = await make([put('task/1', 'a')])
  await write(inner, [put('task/1', 'no seal')])
  assert.is(await refusal(store.get('task/1')), 'CORRUPT')
  const said = 'store /meta is corrupt: task/1 does not match its checksum'
  assert.is(await store.range('a', 'z').then(String, problem), said)
  assert.is(await again(), said)
})

test('the last version but one of a value is refused, whether all is read anew or it alone', async () => {
  const { inner, store, write, again } = await make([put('a', '1'), put('b', '1')])
  const before = (await inner.get('a'))!
  await write(store, [put('a', '2')])
  await write(inner, [{ type: 'put', key: 'a', value: before }])
  const said = 'store /meta is corrupt: a is not what was written last'
  assert.is(await store.get('a').then(String, problem), said)
  assert.is(await store.range('', 'z').then(String, problem), said)
  assert.is(await again(), notLast)
})

test('a value that is gone, one that was deleted, and an old sum are refused', async () => {
  const gone = await make([put('a', '1'), put('b', '1')])
  await gone.write(gone.inner, [{ type: 'delete', key: 'a' }])
  assert.is(await gone.store.get('a').then(String, problem), 'store /meta is corrupt: a is missing')
  assert.is(await gone.again(), notLast)

  const back = await make([put('a', '1'), put('b', '1')])
  const deleted = (await back.inner.get('a'))!
  await back.write(back.store, [{ type: 'delete', key: 'a' }])
  await back.write(back.inner, [{ type: 'put', key: 'a', value: deleted }])
  assert.is(await refusal(back.store.range('', 'z')), 'CORRUPT')
  assert.is(await back.again(), notLast)

  const old = await make([put('a', '1')])
  const sum = (await old.inner.get(sumKey))!
  await old.write(old.store, [put('a', '2')])
  await old.write(old.inner, [{ type: 'put', key: sumKey, value: sum }])
  assert.is(await old.again(), notLast)

  const none = await make([put('a', '1')])
  await none.write(none.inner, [{ type: 'delete', key: sumKey }])
  assert.is(await none.again(), notLast)
})

test('what is being written is read in its old version or in its new one', async () => {
  const { clock, store } = await slow()
  const first = store.commit([put('a', '1'), put('b', '1')])
  await clock.advance(20)
  await first
  const second = store.commit([put('a', '2'), { type: 'delete', key: 'b' }])
  const read = Promise.all([store.get('a'), store.get('b'), store.range('', 'z')])
  await clock.advance(20)
  await second
  const [a, b, all] = await read
  assert.is(text(a!), '2')
  assert.is(b, undefined)
  assert.equal(
    all.map(([key]) => key),
    ['a'],
  )
})

test('what was changed is refused, however much is being written', async () => {
  const { clock, inner, store } = await slow()
  let isOver = false
  const write = (): void => void store.commit([put('b', 'x')]).then(() => isOver || write())
  const first = store.commit([put('a', '1')])
  await clock.advance(20)
  await first
  const changed = inner.commit([put('a', 'no seal')])
  await clock.advance(20)
  await changed
  write()
  const refused = refusal(store.get('a'))
  await clock.advance(1000)
  isOver = true
  assert.is(await refused, 'CORRUPT')
  await clock.advance(1000)
})

test('after a commit that failed nothing is read or written any more', async () => {
  const { clock, storage, store } = await make([put('a', '1')])
  storage.failNextCommit('/meta')
  const failed = refusal(store.commit([put('a', '2')]))
  await clock.settle()
  assert.is(await failed, 'IO')
  assert.is(await refusal(store.get('a')), 'IO')
  assert.is(await refusal(store.commit([put('a', '3')])), 'IO')
})

test.run()
