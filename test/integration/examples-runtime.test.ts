import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { natsServerFor } from '../support/nats.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('examples of the runtime')
const broker = natsServerFor(test)

/** Runs an example to its end and returns the lines it printed. */
async function run(name: string, ...args: string[]): Promise<string[]> {
  const path = fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url))
  const argv = ['--import', 'tsx', path, ...args]
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 45_000 })
  return stdout.trim().split('\n')
}

test('the counter counts, and starts anew after a crash', async () => {
  assert.equal(await run('counter'), ['the sum is 2', 'the sum is 5', 'the sum is 10'])
})

const game = ['1000 balls, the last one to right', 'left: player@right has left (normal)']

test('two nodes play ping-pong in memory', async () => {
  assert.equal(await run('ping-pong'), game)
})

test('two nodes play ping-pong over a NATS server', async () => {
  assert.equal(await run('ping-pong', broker().url), game)
})

test.run()
