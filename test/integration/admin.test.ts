/** Agents out of service, quotas and weights through the command, on real processes. */
import { GetAgent } from '../../protocol/operator.ts'
import { clusterFor } from '../support/cluster.ts'
import { type Ended, meseta } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('administration')
const slow = { timeoutMs: 180_000 }
const cluster = clusterFor(test, {
  resources: 'cpus:4;mem:1024;disk:1000',
  masterFlags: { 'lease-ms': 2000 },
})

function run(...args: string[]): Promise<Ended> {
  return meseta(args, { MESETA_NATS_URL: cluster().natsUrl })
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** What `agent ls` says of the only agent. */
async function state(): Promise<string | undefined> {
  const listed = await done('agent', 'ls')
  return /^\S+ +agent-1 +(\S+)/m.exec(listed)?.[1]
}

test('draining kills tasks within the grace period and outlives the master', slow, async () => {
  // Deaf to SIGTERM: only the grace period of the operator ends it.
  const task = run('run', '--shell', '--', "trap '' TERM; while :; do sleep 0.1; done")
  await until(async () => (await done('task', 'ls')).includes('TASK_RUNNING'), { what: 'the task' })
  const begunMs = Date.now()
  assert.is(await done('agent', 'drain', 'agent-1', '--grace', '1s'), 'agent-1 drains\n')
  const ended = await task
  assert.is.not(ended.code, 0)
  assert.match(ended.stderr + ended.stdout, /TASK_KILLED/)
  await until(async () => (await state()) === 'drained', { what: 'the end of draining' })
  const [id = ''] = (await done('agent', 'ls', '-o', 'name')).split('\n')
  const { get_agent } = await cluster().client.agent(id, GetAgent)
  const startedMs = (get_agent.estimated_drain_start_time?.nanoseconds ?? 0) / 1e6
  assert.ok(startedMs > begunMs && startedMs < Date.now(), `${startedMs}`)
  assert.equal(get_agent.drain_config?.max_grace_period, { nanoseconds: 1e9 })
  assert.match(await done('agent', 'info', 'agent-1'), /^drains since +\d{4}-/m)

  await cluster().kill('master')
  await cluster().start('master')
  await until(async () => (await state().catch(() => '')) === 'drained', { what: 'the agent' })
  const waiting = run('run', '--', 'true')
  await until(async () => (await done('framework', 'ls')).includes('active'), { what: 'it' })
  assert.match(await done('offer', 'ls'), /no offers/)
  assert.is(await done('agent', 'activate', 'agent-1'), 'agent-1 is active\n')
  assert.is((await waiting).code, 0)
  assert.is(await state(), 'active')
})

test('a quota limits what a role is given', slow, async () => {
  await done('quota', 'set', 'small', '--limit', 'cpus:1')
  assert.match(await done('quota', 'ls'), /^small +- +cpus:1 +-$/m)
  const small = run('run', '--role', 'small', '--cpus', '2', '--', 'true')
  await until(async () => (await done('framework', 'ls')).includes('small'), { what: 'it' })
  const [framework = ''] = (await done('framework', 'ls', '-o', 'name')).split('\n')
  assert.not.match(await done('task', 'ls'), /TASK_/)
  assert.ok(framework)
  await done('quota', 'rm', 'small')
  assert.is((await small).code, 0)
})

test('what cannot be is refused, and what cannot be undone needs --yes', slow, async () => {
  const refusals: Array<[number, RegExp, string[]]> = [
    [1, /NOT_AVAILABLE.*guaranteed/, ['quota', 'set', 'eng', '--guarantee', 'cpus:99']],
    [2, /USAGE.*--guarantee/, ['quota', 'set', 'eng']],
    [2, /USAGE.*weight/i, ['weight', 'set', 'eng=0']],
    [2, /USAGE.*--yes/, ['agent', 'gone', 'agent-1']],
    [3, /NOT_FOUND/, ['agent', 'gone', 'nobody', '--yes']],
    [1, /CONFLICT.*not deactivated/, ['agent', 'activate', 'agent-1']],
    [2, /INVALID_MESSAGE.*not in the schedule/, ['maintenance', 'start', 'agent-1', '--yes']],
    [3, /NOT_FOUND/, ['maintenance', 'cancel', 'agent-1']],
  ]
  const ended = await Promise.all(refusals.map(([, , args]) => run(...args)))
  for (const [index, [code, pattern, args]] of refusals.entries()) {
    assert.match(ended[index]?.stderr ?? '', pattern, args.join(' '))
    assert.is(ended[index]?.code, code, args.join(' '))
  }
  await done('weight', 'set', 'eng=2.5')
  assert.match(await done('weight', 'ls'), /^eng +2.5$/m)
  await done('quota', 'set', 'eng', '--guarantee', 'cpus:99', '--force')
  await done('quota', 'rm', 'eng')
})

test.run()
