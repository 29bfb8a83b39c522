/** The program that runs benchmarks, as somebody who mistypes sees it. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench')
const root = join(import.meta.dirname, '..', '..')

test('an option that there is not is named, with those that there are', {
  timeoutMs: 60_000,
}, () => {
  const args = ['--import', 'tsx', 'benchmarks/run.ts', '--nosuch']
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  assert.is(status, 2)
  assert.match(stderr, /^Unknown option '--nosuch'.*\n.*--quick/)
})

test.run()
