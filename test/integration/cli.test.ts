/** The command on a cluster that it started itself, as a user would. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allGone, meseta, RunningUp } from '../support/meseta.ts'
import { isRunning } from '../support/process.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('command')
const scratch = temporaryDirectory('scratch')
const slow = { timeoutMs: 180_000 }
let up: RunningUp

test.before(async () => {
  up = await new RunningUp(['--agents', '2', '--resources', 'cpus:2;mem:1024']).ready()
})

test.after(async () => {
  up.child.kill('SIGTERM')
  await up.ended
})

/** A shell line that writes its process id and then waits. */
const waiting = (name: string) => `echo $$ > ${join(scratch, name)}; exec sleep 600`

async function pidIn(name: string): Promise<number> {
  const path = join(scratch, name)
  await until(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'), {
    what: `the process id in ${path}`,
    timeoutMs: 30_000,
  })
  return Number(readFileSync(path, 'utf8'))
}

test('a command runs as a task: its output comes through, and its exit code', slow, async () => {
  const ended = await up.run('run', '--', 'sh', '-c', 'echo hi; echo oops >&2; exit 3')
  assert.is(ended.stdout, 'hi\n')
  assert.match(ended.stderr, /^oops$/m)
  assert.is(ended.code, 3)
})

test('all of a large output comes through, in order', slow, async () => {
  const { stdout, code } = await up.run('run', '--', 'seq', '1', '100000')
  const lines = stdout.split('\n')
  assert.is(code, 0)
  assert.is(lines.length, 100_001)
  assert.ok(lines.every((line, index) => index === 100_000 || line === String(index + 1)))
})

test(
  'a signal that ends a task adds 128, a program that is not there gives 127',
  slow,
  async () => {
    const [killed, missing] = await Promise.all([
      up.run('run', '--', 'sh', '-c', 'kill -9 $$'),
      up.run('run', '--', 'no-such-program'),
    ])
    assert.is(killed.code, 137)
    assert.is(missing.code, 127)
  },
)

test('many instances run, each once, with their variables', slow, async () => {
  const file = join(scratch, 'lines')
  const ended = await up.run(
    ...['run', '--instances', '30', '--env', 'WORD=a=b', '--shell', '--'],
    `echo "$WORD $MESOS_TASK_ID" >> ${file}`,
  )
  assert.match(ended.stdout, /^30 tasks in .*: 30 TASK_FINISHED\n$/)
  assert.is(ended.code, 0)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  assert.is(new Set(lines).size, 30)
  assert.is(lines.length, 30)
  assert.ok(lines.every((line) => line.startsWith('a=b ')))
  assert.is(ended.stderr.match(/TASK_FINISHED on agent-/g)?.length, 30)
})

test('one failure among several makes the exit code 1 and is named', slow, async () => {
  const file = join(scratch, 'once')
  const ended = await up.run(
    'run',
    '-n',
    '3',
    '--shell',
    '--',
    `mkdir ${file} 2>/dev/null && exit 0 || exit 9`,
  )
  assert.is(ended.code, 1)
  assert.match(ended.stdout, /1 TASK_FINISHED/)
  assert.match(ended.stdout, /2 TASK_FAILED/)
  assert.match(ended.stderr, /\(exit 9\)/)
})

test('a time-out kills the task and gives 124', slow, async () => {
  // On a slow machine it may be over before the task runs.
  for (let seconds = 2; !existsSync(join(scratch, 'timeout')); seconds *= 2) {
    const command = ['--', 'sh', '-c', waiting('timeout')]
    const ended = await up.run('run', '--timeout', `${seconds}s`, ...command)
    assert.is(ended.code, 124)
  }
  await allGone([await pidIn('timeout')])
})

test('Ctrl-C kills the task and gives 130', slow, async () => {
  const running = up.begin('run', '--', 'sh', '-c', waiting('interrupted'))
  const pid = await pidIn('interrupted')
  running.child.kill('SIGINT')
  assert.is((await running.ended).code, 130)
  await allGone([pid])
})

test('a task is listed, shown, followed and killed by a prefix of its id', slow, async () => {
  const line = `echo begun; ${waiting('listed')}`
  const running = up.begin('run', '--name', 'listed', '--', 'sh', '-c', line)
  const pid = await pidIn('listed')
  const [listed, info, logs] = await Promise.all([
    up.run('task', 'ls'),
    up.run('task', 'info', 'listed', '-o', 'json'),
    up.run('task', 'logs', 'listed'),
  ])
  assert.match(listed.stdout, /^ID +STATE.*\n(.*\n)*listed-\w+ +TASK_RUNNING +agent-\d/)
  assert.is(JSON.parse(info.stdout).state, 'TASK_RUNNING')
  assert.is(logs.stdout, 'begun\n')
  const following = up.begin('task', 'logs', '--follow', 'listed')
  await following.says(/begun/)
  const killed = await up.run('task', 'kill', 'listed')
  assert.is(killed.code, 0)
  assert.is((await running.ended).code, 143)
  assert.equal(await following.ended, { code: 0, stdout: 'begun\n', stderr: '' })
  await allGone([pid])
  const ended = await up.run('task', 'ls', '--all', '-o', 'name')
  assert.match(ended.stdout, /^listed-\w+$/m)
})

test(
  'a plan says who could take a task, and what the others lack, and launches nothing',
  slow,
  async () => {
    const [fits, lacks] = await Promise.all([
      up.run('run', '--plan', '--cpus', '1'),
      up.run('run', '--plan', '--cpus', '64', '--attribute', 'rack:r7'),
    ])
    assert.is(fits.code, 0)
    assert.match(fits.stdout, /2 of 2 agents could take such a task now; there is room for 4/)
    assert.is(lacks.code, 1)
    assert.match(lacks.stdout, /cpus: wants 64, 2 of 2 free; attribute: wants rack:r7/)
  },
)

test('a framework is told why it is offered each agent, or is not', slow, async () => {
  const running = up.begin('run', '--name', 'asking', '--', 'sh', '-c', waiting('asking'))
  const pid = await pidIn('asking')
  const why = await up.run('framework', 'why', 'run asking')
  assert.match(why.stdout, /^AGENT +ROLE +REASON +ENDS IN +WHY\n(agent-\d +\* +[A-Z_]+ .+\n){2}/)
  assert.match(why.stdout, /^2 agents: \d [A-Z_]+/m)
  const one = await up.run('framework', 'why', 'run asking', '--agent', 'agent-2', '-o', 'json')
  const [explanation, ...more] = JSON.parse(one.stdout)
  assert.equal([explanation.hostname, explanation.role, more], ['agent-2', '*', []])
  const stranger = await up.run('framework', 'why', 'stranger')
  assert.is(stranger.code, 3)
  running.child.kill('SIGINT')
  await running.ended
  await allGone([pid])
})

test('the cluster is shown: status, agents, leader, actors, health', slow, async () => {
  const [status, agents, names, leader, actors, doctor, frameworks, offers] = await Promise.all([
    up.run('status', '-o', 'json'),
    up.run('agent', 'ls'),
    up.run('agent', 'ls', '-o', 'name'),
    up.run('leader', '-o', 'name'),
    up.run('actor', 'tree'),
    up.run('doctor'),
    up.run('framework', 'ls', '--all', '-o', 'json'),
    up.run('offer', 'ls', '-o', 'json'),
  ])
  const { agents: counts, resources } = JSON.parse(status.stdout)
  assert.equal(counts, { active: 2, inactive: 0, recovered: 0 })
  assert.is(resources.find(({ name }: { name: string }) => name === 'cpus').total, 4)
  assert.match(agents.stdout, /agent-1 +active/)
  assert.is(names.stdout.trim().split('\n').length, 2)
  assert.match(leader.stdout, /^\S+\n$/)
  assert.match(actors.stdout, /master/)
  assert.match(actors.stdout, /agent-2/)
  assert.is(doctor.code, 0)
  assert.ok(Array.isArray(JSON.parse(frameworks.stdout)))
  assert.ok(Array.isArray(JSON.parse(offers.stdout)))
})

test('events are followed as documents', slow, async () => {
  const following = up.begin('events', '--kind', 'task', '--count', '2', '-o', 'json')
  // It says nothing before the first event: tasks run until one was heard.
  let over = false
  const ended = following.ended.finally(() => {
    over = true
  })
  while (!over) await up.run('run', '--', 'true')
  const { stdout, code } = await ended
  assert.is(code, 0)
  const types = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type)
  assert.is(types.length, 2)
  assert.ok(types.every((type) => /^TASK_(ADDED|UPDATED)$/.test(type)))
})

test('errors have a code, a next step and an exit code', slow, async () => {
  const cases: ReadonlyArray<readonly [args: string[], code: number, sentence: RegExp]> = [
    [['agent', 'info', 'nobody'], 3, /error: NOT_FOUND: There is no agent nobody\.\n {2}\S/],
    [['task', 'kill', 'nothing'], 3, /error: NOT_FOUND/],
    [['status', '--cluster', 'other'], 4, /error: NO_LEADER: .*other.*\n {2}\S/],
    [['status', '--nats', 'nats://127.0.0.1:1'], 1, /error: CONNECTION_FAILED: .*127\.0\.0\.1:1/],
    [['run', '--cpus', 'many', '--', 'true'], 2, /error: USAGE: --cpus: .*number/],
    [['run', '--instancs', '3', '--', 'true'], 2, /--instances/],
    [['stats'], 2, /status/],
    [['start', 'agnet'], 3, /There is no module agnet.*\n.*agent/],
  ]
  await Promise.all(
    cases.map(async ([args, code, sentence]) => {
      const ended = await up.run(...args)
      assert.match(ended.stderr, sentence, args.join(' '))
      assert.is(ended.code, code, args.join(' '))
    }),
  )
})

test('the configuration file is heeded, and a wrong key of it is named', slow, async () => {
  const file = join(scratch, 'meseta.toml')
  writeFileSync(file, `nats_url = "${up.file.nats}"\n[run]\ncpuss = 1\n`)
  const wrong = await meseta(['status', '--config', file])
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, /meseta\.toml: run\.cpuss.*\n.*run\.cpus\?/)
  writeFileSync(file, `nats_url = "${up.file.nats}"\n[run]\ncpus = 1\n`)
  assert.is((await meseta(['status', '--config', file])).code, 0)
})

test('a module of a user is hosted, under a name that no other node has', slow, async () => {
  const module = join(scratch, 'idle.mjs')
  writeFileSync(
    module,
    `export default {
      name: 'idle', summary: 'Does nothing.', children: ({ word }) => { console.log('word ' + word); return [] },
      options: { type: 'object', properties: { word: { type: 'string', default: 'none', description: 'to say' } } },
    }`,
  )
  const idle = up.begin('start', '--name', 'idle-1', module, '--word', 'hello')
  await idle.says(/idle-1 is up/)
  assert.match(idle.stdout, /word hello/)
  const twin = await up.run('start', '--name', 'idle-1', module)
  assert.is(twin.code, 1)
  assert.match(twin.stderr, /error: DUPLICATE_NODE: .*idle-1/)
  idle.child.kill('SIGTERM')
  assert.is((await idle.ended).code, 0)
  const help = await up.run('start', module, '--help')
  assert.match(help.stdout, /--word <string> +to say/)
})

test('a killed agent is started again, and its task never notices', slow, async () => {
  const go = join(scratch, 'go')
  const line = `echo $$ > ${join(scratch, 'survivor')}; while [ ! -e ${go} ]; do sleep 0.05; done`
  const running = up.begin('run', '--', 'sh', '-c', line)
  const pid = await pidIn('survivor')
  const before = up.file.pids
  process.kill(before['agent-1'] ?? 0, 'SIGKILL')
  process.kill(before['agent-2'] ?? 0, 'SIGKILL')
  await until(
    () =>
      ['agent-1', 'agent-2'].every(
        (name) => up.file.pids[name] && up.file.pids[name] !== before[name],
      ),
    { what: 'the agents to be started again', timeoutMs: 30_000 },
  )
  assert.ok(isRunning(pid), 'the task was lost with its agent')
  writeFileSync(go, '')
  assert.is((await running.ended).code, 0)
})

test('a killed broker and a killed master are started again, and work goes on', slow, async () => {
  const running = up.begin('run', '--instances', '60', '--', 'sleep', '0.3')
  await running.says(/TASK_FINISHED/)
  for (const name of ['nats-server', 'master-1']) {
    const before = up.file.pids[name] ?? 0
    process.kill(before, 'SIGKILL')
    await until(() => ![undefined, before].includes(up.file.pids[name]), {
      what: `${name} to be started again`,
      timeoutMs: 30_000,
    })
  }
  const { stdout, stderr, code } = await running.ended
  assert.match(stdout, /60 TASK_FINISHED/, `${stdout}${stderr}`)
  assert.is(code, 0)
})

test(
  'SIGTERM to up ends everything, tasks included, and keeps the directory that was given',
  slow,
  async () => {
    const other = await new RunningUp(['--agents', '1']).ready()
    const run = other.begin('run', '--', 'sh', '-c', waiting('stopped'))
    const pids = [...other.pids, await pidIn('stopped')]
    assert.ok(pids.every(isRunning))
    other.child.kill('SIGTERM')
    const ended = await other.ended
    assert.is(ended.code, 0)
    await allGone(pids)
    assert.ok(existsSync(join(other.directory, 'logs', 'master-1.log')))
    run.child.kill('SIGKILL')
    await run.ended
  },
)

test('kill -9 of up ends its nodes, the broker and the tasks too', slow, async () => {
  const other = await new RunningUp(['--agents', '1']).ready()
  const run = other.begin('run', '--', 'sh', '-c', waiting('orphan'))
  const pids = [...other.pids, await pidIn('orphan')]
  assert.ok(pids.every(isRunning))
  other.child.kill('SIGKILL')
  await other.ended
  await allGone(pids)
  run.child.kill('SIGKILL')
  await run.ended
})

test(
  'the demonstration runs once, says what became of it, and leaves no directory',
  slow,
  async () => {
    const ended = await meseta(['up', '--port', '0', '--demo', '--once'])
    assert.is(ended.code, 0)
    assert.match(ended.stdout, /12 of 12 tasks finished, on 3 agents/)
    const directory = /work dir +(\S+) \(removed/.exec(ended.stdout)?.[1] ?? ''
    assert.match(directory, /meseta-up-/)
    assert.not.ok(existsSync(directory))
  },
)

test('without nats-server everything runs in one process, and it says so', slow, async () => {
  const ended = await meseta(['up', '--demo', '--once'], { NATS_SERVER_BIN: '/no/such/program' })
  assert.match(ended.stderr, /There is no nats-server/)
  assert.match(ended.stdout, /12 of 12 tasks finished/)
  assert.is(ended.code, 0)
})

test.run()
