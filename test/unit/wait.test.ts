import { existsSync, rmSync } from 'node:fs'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('waiting and temporary directories')

test('until resolves with the first truthy value', async () => {
  let looks = 0
  const value = await until(async () => ++looks >= 3 && looks, {
    what: 'three looks',
    intervalMs: 1,
  })
  assert.is(value, 3)
})

test('until says what it waited for, and why the last look failed', async () => {
  const attempt = until(
    () => {
      throw new Error('not yet there')
    },
    { what: 'the moon', timeoutMs: 5, intervalMs: 1 },
  )
  await attempt.then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /5 ms waiting for the moon: not yet there/),
  )
})

test('each temporary directory is new and empty', () => {
  const [one, other] = [temporaryDirectory(), temporaryDirectory()]
  assert.is.not(one, other)
  assert.ok(existsSync(one))
  rmSync(one, { recursive: true })
})

test.run()
