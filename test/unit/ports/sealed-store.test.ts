import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import type { Storage } from '../../../src/runtime/ports.ts'
import { memoryStorage } from '../../../src/storage/memory-store.ts'
import { seal, sealedStore, unseal } from '../../../src/storage/sealed-store.ts'
import { bytes, refusal, text } from '../../support/contracts/disk.ts'
import { storeContract } from '../../support/contracts/store.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('sealed store')

storeContract(test, () => {
  const clock = virtualClock()
  const inner = memoryStorage({ clock })
  const storage: Storage = { open: async (path) => sealedStore(await inner.open(path), path) }
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

test('a value that is not what was written is refused, and named', async () => {
  const clock = virtualClock()
  const inner = await memoryStorage({ clock }).open('/meta')
  const store = sealedStore(inner, '/meta')
  const stored = inner.commit([{ type: 'put', key: 'task/1', value: bytes('no seal') }])
  await clock.settle()
  await stored
  assert.is(await refusal(store.get('task/1')), 'IO')
  const message = store.range('a', 'z').then(String, (error: Error) => error.message)
  assert.is(await message, 'store /meta is corrupt: task/1 does not match its checksum')
})

test.run()
