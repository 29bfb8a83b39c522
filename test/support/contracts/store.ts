/** What every `Storage` and `Store` promises (src/runtime/ports.ts). */
import fc from 'fast-check'
import type { Storage, Store, StoreOperation } from '../../../src/runtime/ports.ts'
import { assert, type Suite } from '../suite.ts'
import { bytes, refusal, text } from './disk.ts'

export interface StoreSubject {
  readonly storage: Storage
  /** Where no store is yet. */
  readonly path: string
  /** Awaits something, letting time pass meanwhile. */
  wait<T>(promise: Promise<T>): Promise<T>
}

const put = (key: string, value: string): StoreOperation => ({
  type: 'put',
  key,
  value: bytes(value),
})
const remove = (key: string): StoreOperation => ({ type: 'delete', key })

async function contents(store: Store, limit?: number): Promise<string[]> {
  const entries = await store.range('', '\u{10ffff}', limit)
  return entries.map(([key, value]) => `${key}=${text(value)}`)
}

export function storeContract(test: Suite, make: () => StoreSubject): void {
  test('a commit is read back, replaced and deleted', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    await wait(store.commit([put('a', '1'), put('b', '2')]))
    assert.is(text((await store.get('a'))!), '1')
    assert.is(await store.get('none'), undefined)
    await wait(store.commit([put('a', '3'), remove('b'), remove('none')]))
    assert.equal(await contents(store), ['a=3'])
    await wait(store.close())
  })

  test('operations of one commit take effect in their order', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    await wait(store.commit([put('a', '1'), remove('a'), put('b', '1'), put('b', '2')]))
    assert.equal(await contents(store), ['b=2'])
    await wait(store.close())
  })

  test('commits issued without waiting take effect in their order', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    const commits = Array.from({ length: 200 }, (_, i) =>
      store.commit([put('last', `${i}`), put(`k${i}`, 'x')]),
    )
    await wait(Promise.all(commits))
    assert.is(text((await store.get('last'))!), '199')
    assert.is((await contents(store)).length, 201)
    await wait(store.close())
  })

  test('a range holds its start, not its end, and at most its limit', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    await wait(store.commit(['a', 'b', 'ba', 'c', 'd'].map((key) => put(key, key))))
    const keys = async (from: string, to: string, limit?: number): Promise<string[]> =>
      (await store.range(from, to, limit)).map(([key]) => key)
    assert.equal(await keys('b', 'd'), ['b', 'ba', 'c'])
    assert.equal(await keys('b', 'd', 2), ['b', 'ba'])
    assert.equal(await keys('b', 'd', 0), [])
    assert.equal(await keys('x', 'z'), [])
    assert.equal(await keys('d', 'b'), [])
    await wait(store.close())
  })

  test('a reopened store holds what was committed', async () => {
    const { storage, path, wait } = make()
    const first = await storage.open(path)
    await wait(first.commit([put('a', '1')]))
    await wait(first.close())
    const second = await storage.open(path)
    assert.equal(await contents(second), ['a=1'])
    await wait(second.close())
  })

  test('a second open is refused while the first holds the store', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    assert.is(await refusal(storage.open(path)), 'EXISTS')
    await wait(store.close())
    await wait((await storage.open(path)).close())
  })

  test('closing waits for the commits before it and refuses those after it', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    const underWay = store.commit([put('a', '1')])
    // By then the first one is being written, and the next waits behind it.
    for (let turn = 0; turn < 5; turn += 1) await null
    const waiting = store.commit([put('a', '2')])
    const closed = store.close()
    assert.is(await refusal(store.commit([put('b', '2')])), 'IO')
    await wait(Promise.all([underWay, waiting, closed]))
    assert.is(await refusal(store.get('a')), 'IO')
    const again = await storage.open(path)
    assert.equal(await contents(again), ['a=2'])
    await wait(again.close())
  })

  test('values are bytes, and may be empty', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    const value = Uint8Array.from({ length: 256 }, (_, i) => i)
    await wait(
      store.commit([
        { type: 'put', key: 'all', value },
        { type: 'put', key: 'none', value: new Uint8Array(0) },
      ]),
    )
    assert.equal([...(await store.get('all'))!], [...value])
    assert.is((await store.get('none'))?.length, 0)
    await wait(store.close())
  })

  test('what a caller does to a value it has read does not reach the store', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    await wait(store.commit([put('a', 'kept')]))
    const read = await store.get('a')
    read!.fill(0)
    assert.is(text((await store.get('a'))!), 'kept')
    await wait(store.close())
  })

  test('keys are ordered by their UTF-8 bytes', async () => {
    const { storage, path, wait } = make()
    const store = await storage.open(path)
    let run = 0
    const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 })
    const property = fc.asyncProperty(fc.uniqueArray(key, { maxLength: 20 }), async (keys) => {
      run += 1
      const prefix = `${run}/`
      await wait(store.commit(keys.map((each) => put(prefix + each, 'x'))))
      const found = (await store.range(prefix, `${run}0`)).map(([each]) => each)
      const expected = keys
        .map((each) => Buffer.from(prefix + each))
        .sort(Buffer.compare)
        .map((each) => each.toString())
      assert.equal(found, expected)
    })
    await fc.assert(property, {
      numRuns: 40,
      examples: [[['\u{1f600}', '\uff5e', '\ud7ff', 'z', 'za']]],
    })
    await wait(store.close())
  })
}
