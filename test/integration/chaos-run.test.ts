/** A short run of `npm run chaos`, and one that is interrupted. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { RunResult } from '../chaos/run.ts'
import { networkProblem } from '../support/network.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('chaos run')
const program = fileURLToPath(new URL('../chaos/main.ts', import.meta.url))

interface Run {
  readonly child: ChildProcess
  /** All that it starts inherits this as the place of its files. */
  readonly directory: string
  readonly output: { out: string; err: string }
  readonly code: Promise<number | null>
}

function start(...args: string[]): Run {
  const directory = temporaryDirectory('chaos-run')
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, as a terminal gives, so that Ctrl-C can be sent to all of it.
    detached: true,
  })
  process.once('exit', () => {
    for (const pid of processesOf(directory)) process.kill(pid, 'SIGKILL')
  })
  const output = { out: '', err: '' }
  child.stdout?.on('data', (chunk) => {
    output.out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    output.err += chunk
  })
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, directory, output, code }
}

/** Everything that was started, directly or not, with this as the place of its files, and still runs. */
function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${directory}\0`)
      } catch {
        // No process, one that has just ended, or somebody else's.
        return false
      }
    })
}

test('nothing is lost or done twice, whatever befalls the cluster', {
  timeoutMs: 400_000,
}, async () => {
  // As many faults as there are kinds, each once.
  const { directory, output, code } = start('--seconds', '35', '--every', '5', '--json')
  assert.is(await code, 0, `${output.err}${output.out}`)
  const result = JSON.parse(output.out) as RunResult
  assert.equal(result.violations, [])
  const kinds = networkProblem() === undefined ? 6 : 5
  assert.is(Object.keys(result.faults).length, kinds, output.err)
  assert.ok(result.launched > 200, `only ${result.launched} tasks were launched`)
  // Launches that were lost with a master or a broker are honestly told as such.
  const { states } = result.tasks
  assert.ok((states.TASK_FINISHED ?? 0) > 0.7 * result.launched, JSON.stringify(states))
  assert.ok(result.epochs.epochs.length > 1)
  assert.ok(result.log.compared > 0)
  assert.equal(processesOf(directory), [])
})

test('Ctrl-C ends it early, and leaves nothing behind', { timeoutMs: 180_000 }, async () => {
  const { child, directory, output, code } = start('--seconds', '600', '--every', '2')
  await until(() => /follower|leader|broker/.test(output.out), {
    what: `a fault; it said:\n${output.err}${output.out}`,
    timeoutMs: 120_000,
  })
  assert.ok(processesOf(directory).length > 10)
  process.kill(-child.pid!, 'SIGINT')
  assert.is(await code, 130, `${output.err}${output.out}`)
  assert.equal(processesOf(directory), [])
})

test('bad usage is told', async () => {
  const { output, code } = start('--seconds', 'many')
  assert.is(await code, 2)
  assert.match(output.err, '--seconds must be a number above 0')
})

test.run()
