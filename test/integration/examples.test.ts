import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { clusterFor, userEnvironment } from '../support/cluster.ts'
import { Running } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'

const test = suite('examples of frameworks')
const cluster = clusterFor(test, { agents: 1, resources: 'cpus:4;mem:4096' })
const root = resolve(import.meta.dirname, '..', '..')
const run = promisify(execFile)
const slow = { timeoutMs: 180_000 }

/** Runs a program as the guide says, against the cluster; its output by lines. */
async function output(program: string): Promise<string[]> {
  const args = program.endsWith('.ts') ? ['--import', 'tsx', program] : [program]
  const { stdout } = await run(process.execPath, [...args, cluster().natsUrl], {
    cwd: root,
    env: userEnvironment(),
    timeout: 80_000,
  })
  return stdout.trim().split('\n')
}

test('with the SDK: five tasks finish', slow, async () => {
  const lines = await output('examples/hello-framework.ts')
  assert.match(lines[0] ?? '', /^framework [0-9a-f-]{36}$/)
  const finished = lines.filter((line) => line.endsWith(' TASK_FINISHED')).sort()
  assert.equal(
    finished,
    [1, 2, 3, 4, 5].map((n) => `hello-${n} TASK_FINISHED`),
  )
})

test('with the SDK: what a task wrote to a volume is read by another one', slow, async () => {
  const lines = await output('examples/volume-framework.ts')
  const ends = lines.filter((line) => /FINISHED|FAILED|ERROR|LOST|DROPPED/.test(line))
  assert.equal(ends.sort(), [
    'create OPERATION_FINISHED',
    'destroy OPERATION_FINISHED',
    'reader TASK_FINISHED',
    'reserve OPERATION_FINISHED',
    'unreserve OPERATION_FINISHED',
    'writer TASK_FINISHED',
  ])
})

test('with a state: a framework goes on where it was in its former life', slow, async () => {
  const workDir = temporaryDirectory('state')
  const args = ['start', '--name', 's1', 'state', '--work-dir', workDir]
  const node = new Running(args, { MESETA_NATS_URL: cluster().natsUrl })
  try {
    await node.says(/replica is VOTING/)
    const numbered = (numbers: number[]) => numbers.map((n) => `numbered-${n} TASK_FINISHED`)
    assert.equal((await output('examples/state-framework.ts')).sort(), numbered([1, 2, 3]))
    assert.equal((await output('examples/state-framework.ts')).sort(), numbered([4, 5, 6]))
  } finally {
    node.child.kill('SIGTERM')
    await node.ended
  }
})

test('with a NATS client and MessagePack alone: a task runs and finishes', slow, async () => {
  const lines = await output('examples/plain-framework.ts')
  assert.match(lines[0] ?? '', /^framework /)
  assert.is(lines.at(-1), 'plain-1 TASK_FINISHED')
  assert.ok(lines.includes('plain-1 TASK_RUNNING'))
})

test('with a NATS client and JSON alone, in at most 80 lines', slow, async () => {
  const source = readFileSync(join(root, 'examples/json-framework.mjs'), 'utf8')
  assert.ok(source.split('\n').length <= 80)
  const imported = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
  assert.equal(imported, ['node:crypto', 'nats'])
  const lines = await output('examples/json-framework.mjs')
  assert.match(lines[0] ?? '', /^subscribed /)
  assert.is(lines.at(-1), 'json-1 TASK_FINISHED')
})

test("the guide's own program with the SDK subscribes and declines", slow, async () => {
  const guide = readFileSync(join(root, 'docs/frameworks.md'), 'utf8')
  const [, source = ''] = /```ts\n(import .*?)```/s.exec(guide) ?? []
  assert.match(source, /connectScheduler/)
  // It would run for ever: here it ends itself once it has declined its first offers.
  const program = source
    .replace("from 'meseta'", `from '${join(root, 'src/index.ts')}'`)
    .replace(/servers: \[[^\]]*\]/, `servers: ['${cluster().natsUrl}']`)
    .replace(
      'driver.decline(offers, { refuse_seconds: 60 })',
      "(driver.decline(offers, { refuse_seconds: 60 }), console.log('declined'), driver.teardown())",
    )
  const path = join(temporaryDirectory('guide'), 'guide.mts')
  writeFileSync(path, `${program}\nprocess.exit(0)\n`)
  const { stdout } = await run(process.execPath, ['--import', 'tsx', path], {
    cwd: root,
    env: userEnvironment(),
    timeout: 80_000,
  })
  assert.is(stdout.trim(), 'declined')
})

test.run()
