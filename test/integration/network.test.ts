import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inOwnNetwork, networkProblem } from '../support/network.ts'
import { isRunning } from '../support/process.ts'
import { assert, suite } from '../support/suite.ts'

const suiteOf = suite('networks of their own')
const problem = networkProblem()
const test = problem === undefined ? suiteOf : suiteOf.skip
if (problem !== undefined) process.stdout.write(`no networks of their own here: ${problem}\n`)

const program = fileURLToPath(new URL('../support/network-trial.ts', import.meta.url))

test('a host that is cut off hears nothing until it is healed, and nothing is left behind', () => {
  const [command = '', ...args] = inOwnNetwork([process.execPath, '--import', 'tsx', program])
  const own = readlinkSync('/proc/self/ns/net')
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  assert.is(stderr, '')
  assert.is(status, 0)
  const { before, cut, healed, namespaces, pid } = JSON.parse(stdout)
  assert.equal([before, cut, healed], ['reached', 'not reached', 'reached'])
  assert.is(new Set([own, ...namespaces]).size, 3)
  assert.not.ok(isRunning(pid))
})

suiteOf.run()
