/** Reservations and volumes through the command, on real processes, one of which is killed. */
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clusterFor } from '../support/cluster.ts'
import { type Ended, meseta } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('volumes')
const slow = { timeoutMs: 180_000 }
/** Only root can run tasks as others. */
const isRoot = process.getuid?.() === 0
const cluster = clusterFor(test, {
  resources: 'cpus:4;mem:1024;disk:1000',
  agentFlags: { 'switch-user': isRoot },
})

function run(...args: string[]): Promise<Ended> {
  return meseta(args, { MESETA_NATS_URL: cluster().natsUrl })
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** Commands of an operator return before the agent has carried them out. */
async function settled(): Promise<void> {
  const operations = async () => {
    const call = { type: 'GET_OPERATIONS' }
    const answer = await cluster().client.request(cluster().client.subjects.masterCall, call)
    return (answer as { get_operations: { operations: unknown[] } }).get_operations.operations
  }
  await until(async () => (await operations()).length === 0, { what: 'the end of operations' })
}

test('a volume and its data outlive tasks and kill -9 of the agent', slow, async () => {
  const [agent = ''] = (await done('agent', 'ls', '-o', 'name')).split('\n')
  assert.is(
    await done('reservation', 'create', agent, 'disk:100;cpus:1', '--role', 'eng'),
    `disk:100; cpus:1 of agent-1 is reserved for eng\n`,
  )
  await done('volume', 'create', 'db', '40', '--agent', agent, '--role', 'eng', '--path', 'data')
  const task = ['run', '--role', 'eng', '--volume', 'db', '--shell', '--']
  assert.is(await done(...task, 'echo precious > data/file; cat data/file'), 'precious\n')
  await settled()

  const file = join(cluster().directory, 'agent-1/volumes/roles/eng/db/file')
  assert.ok(existsSync(file))
  await cluster().kill('agent-1')
  await cluster().start('agent-1')
  await cluster().agentsActive(1)
  assert.is(readFileSync(file, 'utf8'), 'precious\n')
  const [listed] = JSON.parse(await done('volume', 'ls', '-o', 'json'))
  assert.equal([listed.id, listed.role, listed.used], ['db', 'eng', false])
  const again = ['run', '--role', 'eng', '--volume', 'db:elsewhere', '--', 'cat', 'elsewhere/file']
  assert.is(await done(...again), 'precious\n')

  assert.is(await done('volume', 'grow', 'd', '20'), 'db has 60 MB\n')
  assert.is(await done('volume', 'shrink', 'db', '10'), 'db has 50 MB\n')
  assert.match(await done('volume', 'ls'), /^db +eng +agent-1 +50 +data +no$/m)
  await done('volume', 'rm', 'db')
  await settled()
  assert.not(existsSync(file))

  const [reservation = ''] = (await done('reservation', 'ls', '-o', 'name')).split('\n')
  assert.is(reservation, `${agent}/eng`)
  await done('reservation', 'rm', reservation, 'cpus:1')
  assert.match(await done('reservation', 'ls'), /^agent-1 +eng +dynamic +disk:100 /m)
  await done('reservation', 'rm', 'agent-1/eng')
  assert.match(await done('reservation', 'ls'), /^Nothing is reserved/)
})

test('what is reserved for a role can be reserved for one below it', slow, async () => {
  const create = ['reservation', 'create', 'agent-1']
  await done(...create, 'cpus:2', '--role', 'lab', '--principal', 'ann')
  await done(...create, 'cpus:0.5', '--role', 'lab/x', '--on', 'lab')
  const wide = await done('reservation', 'ls', '-o', 'wide')
  assert.match(wide, /^agent-1 +lab +dynamic +cpus:1.5 +\S+ +ann +-$/m)
  assert.match(wide, /^agent-1 +lab\/x +dynamic +cpus:0.5 +\S+ +- +lab$/m)
  await done('reservation', 'rm', 'agent-1/lab/x')
  await done('reservation', 'rm', 'agent-1/lab')
  assert.not.match(await done('reservation', 'ls', '--role', 'lab'), /cpus/)
})

const asRoot = isRoot ? test : test.skip

asRoot(
  'a task that runs as another user can write to the volume that it has to itself',
  slow,
  async () => {
    chmodSync(cluster().directory, 0o755)
    const place = ['--agent', 'agent-1', '--role', 'own']
    await done('reservation', 'create', 'agent-1', 'disk:10', '--role', 'own')
    await done('volume', 'create', 'mine', '10', ...place)
    const task = ['run', '--role', 'own', '--volume', 'mine:in/here', '--user', 'nobody', '--shell']
    assert.is(await done(...task, '--', 'id -un > in/here/who; cat in/here/who'), 'nobody\n')
  },
)

test('what cannot be done is told with a code and a next step', slow, async () => {
  const refusals: Array<[number, RegExp, string[]]> = [
    [3, /NOT_FOUND.*volume/, ['volume', 'rm', 'nothing']],
    [3, /NOT_FOUND.*reservation/, ['reservation', 'rm', 'agent-1/ops']],
    [2, /USAGE.*--role/, ['reservation', 'create', 'agent-1', 'cpus:1']],
    [2, /USAGE.*resources/, ['reservation', 'create', 'agent-1', 'cpus', '--role', 'ops']],
    [2, /USAGE.*megabytes/, ['volume', 'create', 'v', 'x', '--agent', 'agent-1', '--role', 'ops']],
    [
      1,
      /NOT_AVAILABLE.*meseta reservation create/,
      ['volume', 'create', 'v', '9', '--agent', 'agent-1', '--role', 'ops'],
    ],
    [1, /NOT_AVAILABLE/, ['reservation', 'create', 'agent-1', 'cpus:99', '--role', 'ops']],
  ]
  const ended = await Promise.all(refusals.map(([, , args]) => run(...args)))
  for (const [index, [code, pattern, args]] of refusals.entries()) {
    assert.match(ended[index]?.stderr ?? '', pattern)
    assert.is(ended[index]?.code, code, args.join(' '))
  }
})

test.run()
