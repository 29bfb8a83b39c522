/** `meseta up` with a cluster of brokers. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RunningUp } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('up with three brokers')
const scratch = temporaryDirectory('scratch')
const slow = { timeoutMs: 180_000 }
const brokers = ['nats-server-1', 'nats-server-2', 'nats-server-3']
let up: RunningUp

test.before(async () => {
  up = await new RunningUp(['--brokers', '3', '--agents', '2', '--resources', 'cpus:4']).ready()
})
test.after(async () => {
  up.child.kill('SIGTERM')
  await up.ended
})

test('every node is given the addresses of all', () => {
  assert.is(up.file.nats.split(',').length, 3)
  assert.equal(Object.keys(up.file.pids).sort(), ['agent-1', 'agent-2', 'master-1', ...brokers])
})

test('whichever broker is killed, every task runs and ends, once', slow, async () => {
  const file = join(scratch, 'lines')
  const running = up.begin(
    ...['run', '--instances', '120', '--cpus', '0.5', '--shell', '--'],
    `echo $MESOS_TASK_ID >> ${file}; sleep 0.2`,
  )
  await running.says(/TASK_FINISHED/)
  for (const name of brokers) {
    const before = up.file.pids[name] ?? 0
    process.kill(before, 'SIGKILL')
    await until(() => ![undefined, before].includes(up.file.pids[name]), {
      what: `${name} to be started again`,
      timeoutMs: 30_000,
    })
  }
  const { stdout, code } = await running.ended
  assert.match(stdout, /: 120 TASK_FINISHED\n$/)
  assert.is(code, 0)
  const ids = readFileSync(file, 'utf8').trim().split('\n')
  assert.is(ids.length, 120)
  assert.is(new Set(ids).size, 120)
})

test('a command that is given several addresses needs only one that answers', slow, async () => {
  const nobody = 'nats://127.0.0.1:1'
  const last = up.file.nats.split(',').at(-1)
  const addresses = [nobody, nobody, last].join(',')
  const [leader, run] = await Promise.all([
    up.run('leader', '-o', 'name', '--nats', addresses),
    up.run('run', '--nats', addresses, '--', 'echo', 'hi'),
  ])
  assert.match(leader.stdout, /^\S+\n$/)
  assert.is(run.stdout, 'hi\n')
})

test.run()
