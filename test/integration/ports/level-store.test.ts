import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { levelStorage } from '../../../src/storage/level-store.ts'
import { text } from '../../support/contracts/disk.ts'
import { storeContract } from '../../support/contracts/store.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('level store')

storeContract(test, () => ({
  storage: levelStorage,
  path: join(temporaryDirectory('store'), 'db'),
  wait: (promise) => promise,
}))

test('a store that is open elsewhere is named in the refusal', async () => {
  const path = join(temporaryDirectory('store'), 'db')
  const store = await levelStorage.open(path)
  const error = await levelStorage.open(path).catch((reason: Error) => reason)
  assert.match((error as Error).message, `store ${path} is already open`)
  await store.close()
})

const commitLoop = fileURLToPath(new URL('../../support/commit-loop.ts', import.meta.url))

/** Starts a process that commits without end and kills it after `count` acknowledgements. */
async function acknowledgedUntilKilled(path: string, count: number): Promise<number[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', commitLoop, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let printed = ''
  let lines = 0
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk
    lines += chunk.toString().split('\n').length - 1
    if (lines >= count) child.kill('SIGKILL')
  })
  const [, signal] = await closed
  assert.is(signal, 'SIGKILL')
  const whole = printed.slice(0, printed.lastIndexOf('\n'))
  return whole.split('\n').map(Number)
}

test('after kill -9 every acknowledged commit is found, and none by half', async () => {
  const path = join(temporaryDirectory('store'), 'db')
  const acknowledged = await acknowledgedUntilKilled(path, 300)
  assert.ok(acknowledged.length >= 300)
  const store = await levelStorage.open(path)
  const entries = new Map(await store.range('', 'z'))
  for (const number of acknowledged) {
    const value = entries.get(`a/${number}`)
    assert.is(value && text(value), `value ${number}`, `acknowledged commit ${number} is lost`)
  }
  for (const key of entries.keys()) {
    const [table, number] = key.split('/')
    assert.ok(
      entries.has(`${table === 'a' ? 'b' : 'a'}/${number}`),
      `${key} without its other half`,
    )
  }
  await store.close()
})

test.run()
