import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '../../protocol/codec.ts'
import { GetAgents, GetFrameworks } from '../../protocol/operator.ts'
import type { Offer } from '../../protocol/v1/offer.ts'
import { type TaskStatus, terminalTaskStates } from '../../protocol/v1/status.ts'
import {
  type CallError,
  type Connected,
  connectScheduler,
  type Driver,
  Room,
  type SchedulerCallbacks,
  TaskRun,
  type TaskSpec,
} from '../../src/framework/index.ts'
import { clusterFor } from '../support/cluster.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('cluster')
const cluster = clusterFor(test, { agents: 3 })
const scratch = temporaryDirectory('tasks')
const open: Connected[] = []

test.after.each(async () => {
  for (const each of open.splice(0)) {
    each.driver.teardown()
    await each.close()
  }
})

const small = { cpus: 0.1, mem: 32 }

async function connect(
  callbacks: SchedulerCallbacks,
  framework: { id?: { value: string }; failover_timeout?: number } = {},
): Promise<Connected> {
  const connected = await connectScheduler({
    servers: [cluster().natsUrl],
    framework: { name: 'test', user: 'root', ...framework },
    callbacks,
    retryMs: 20,
  })
  open.push(connected)
  return connected
}

/** Runs commands to their end. All statuses by task id, in the order in which they came. */
async function runAll(tasks: readonly TaskSpec[]) {
  const statuses = new Map<string, TaskStatus[]>()
  let finish = () => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const run = new TaskRun({ tasks, onDone: () => finish() })
  const { update } = run.callbacks
  const { ended } = await connect({
    ...run.callbacks,
    update(status, driver) {
      const id = status.task_id.value
      statuses.set(id, [...(statuses.get(id) ?? []), status])
      return update?.(status, driver)
    },
  })
  await Promise.race([done, ended])
  return { progress: run.progress, statuses }
}

/** Starts one task on the first offer, and takes no other. */
async function startTask(command: string, framework = {}, more: SchedulerCallbacks = {}) {
  const statuses: TaskStatus[] = []
  let launched = false
  const connected = await connect(
    {
      ...more,
      offers(offers: readonly Offer[], driver: Driver) {
        const [first, ...rest] = offers
        if (launched || !first) return driver.decline(offers, { refuse_seconds: 60 })
        launched = true
        driver.launch(
          [first],
          [
            {
              name: 'one',
              task_id: { value: 'one' },
              agent_id: first.agent_id,
              resources: new Room(first).take(small),
              command: { value: command },
            },
          ],
        )
        driver.decline(rest, { refuse_seconds: 60 })
      },
      update: (status) => void statuses.push(status),
    },
    framework,
  )
  const reaches = (state: TaskStatus['state']) =>
    until(() => statuses.find((status) => status.state === state), {
      what: `${state}, not ${statuses.map((status) => status.state)}`,
    })
  return { ...connected, statuses, reaches }
}

/** Resolves when a task has written its process id. */
async function written(pidFile: string): Promise<void> {
  await until(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n'), {
    what: 'the process id',
  })
}

/** Resolves when the process that wrote its id there has ended. */
async function gone(pidFile: string): Promise<void> {
  const pid = Number(readFileSync(pidFile, 'utf8'))
  await until(() => !isAlive(pid), { what: `the end of process ${pid}` })
}

function isAlive(pid: number): boolean {
  try {
    // A zombie waits for its parent only.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('commands end with their exit status told', async () => {
  const { progress } = await runAll([
    { ...small, name: 'good', command: 'true' },
    { ...small, name: 'bad', command: 'exit 3' },
    { ...small, name: 'plain', command: '/bin/sh', args: ['sh', '-c', 'exit 4'], shell: false },
  ])
  assert.equal(
    progress.map(({ state }) => state),
    ['TASK_FINISHED', 'TASK_FAILED', 'TASK_FAILED'],
  )
  assert.match(progress[1]?.status?.message ?? '', /3/)
  assert.match(progress[2]?.status?.message ?? '', /4/)
})

test('five hundred tasks end once each', { timeoutMs: 60_000 }, async () => {
  const names = Array.from({ length: 500 }, (_, index) => `t${index}`)
  const tasks = names.map((name) => ({ name, cpus: 0.05, mem: 8, command: 'true' }))
  const { statuses } = await runAll(tasks)
  assert.is(statuses.size, 500)
  for (const [id, all] of statuses) {
    const terminal = all.filter(({ state }) => terminalTaskStates.has(state))
    assert.equal(
      // The same status may be delivered again; another one may not.
      [...new Set(terminal.map(({ state, uuid }) => `${state} ${Buffer.from(uuid ?? [])}`))].length,
      1,
      `${id}: ${all.map(({ state }) => state)}`,
    )
    assert.is(terminal[0]?.state, 'TASK_FINISHED')
  }
})

test('a task gets the variables of its command and of its place', async () => {
  const path = join(scratch, 'environment')
  const command = `echo "$GREETING|$MESOS_TASK_ID|$MESOS_FRAMEWORK_ID|$MESOS_SANDBOX|$PWD" > ${path}`
  await runAll([{ ...small, name: 'env', command, env: { GREETING: 'good day' } }])
  const [greeting, , framework, sandbox, directory] = readFileSync(path, 'utf8').trim().split('|')
  assert.is(greeting, 'good day')
  assert.ok(framework)
  assert.ok(sandbox?.startsWith(cluster().directory))
  assert.is(directory, sandbox)
})

test('a kill gives the grace period, then ends the whole group by force', async () => {
  const pidFile = join(scratch, 'stubborn')
  const { driver, reaches } = await startTask(
    `trap 'echo asked > ${pidFile}.asked' TERM; echo $$ > ${pidFile}; while :; do sleep 0.1; done`,
  )
  await reaches('TASK_RUNNING')
  await written(pidFile)
  const kill = (seconds: number) =>
    driver.kill('one', { killPolicy: { grace_period: { nanoseconds: seconds * 1e9 } } })
  kill(600)
  await until(() => readFileSync(`${pidFile}.asked`, 'utf8') === 'asked\n', { what: 'SIGTERM' })
  assert.ok(
    isAlive(Number(readFileSync(pidFile, 'utf8'))),
    'ended before its grace period was over',
  )
  // A second kill may shorten it.
  kill(0.1)
  await reaches('TASK_KILLED')
  await gone(pidFile)
})

test('a declined agent is not offered before the filter ends, and at once after REVIVE', async () => {
  const seen: string[] = []
  const { driver } = await connect({
    offers(offers, driver) {
      seen.push(...offers.map(({ agent_id }) => agent_id.value))
      driver.decline(offers, { refuse_seconds: 3600 })
    },
  })
  await until(() => new Set(seen).size === 3, { what: 'offers of three agents' })
  // Another framework's offers show that rounds of allocation have passed.
  await runAll([{ ...small, name: 'other', command: 'true' }])
  assert.is(seen.length, 3)
  driver.revive()
  await until(() => seen.length >= 6, { what: 'offers after REVIVE' })
})

test('a framework that is gone for its failover time-out loses its tasks', async () => {
  const pidFile = join(scratch, 'orphan')
  const { reaches, close, frameworkId } = await startTask(`echo $$ > ${pidFile}; exec sleep 600`, {
    failover_timeout: 0.5,
  })
  await reaches('TASK_RUNNING')
  await written(pidFile)
  open.pop()
  await close()
  await gone(pidFile)
  const { get_frameworks } = await cluster().client.master(GetFrameworks)
  const ids = get_frameworks.completed_frameworks.map((each) => each.framework_info.id?.value)
  assert.ok(ids.includes(frameworkId))
})

test('teardown ends the tasks and uses up the id', async () => {
  const pidFile = join(scratch, 'torn')
  const { reaches, driver, ended, frameworkId } = await startTask(
    `echo $$ > ${pidFile}; exec sleep 600`,
    { failover_timeout: 3600 },
  )
  await reaches('TASK_RUNNING')
  await written(pidFile)
  driver.teardown()
  await ended
  await gone(pidFile)
  let refusal: CallError | undefined
  const again = await connect(
    {
      error(error) {
        refusal = error
      },
    },
    { id: { value: frameworkId } },
  )
  await again.ended.catch(() => {})
  assert.is(refusal?.code, 'FRAMEWORK_REMOVED')
})

test('reconciliation tells the state of tasks, also of those nobody knows', async () => {
  const { reaches, driver, statuses } = await startTask('exec sleep 600')
  await reaches('TASK_RUNNING')
  statuses.length = 0
  driver.reconcile()
  const running = await reaches('TASK_RUNNING')
  assert.is(running.reason, 'REASON_RECONCILIATION')
  driver.call({
    type: 'RECONCILE',
    framework_id: { value: driver.frameworkId },
    reconcile: { tasks: [{ task_id: { value: 'nobody' } }] },
  })
  const lost = await until(() => statuses.find(({ task_id }) => task_id.value === 'nobody'), {
    what: 'a status of the unknown task',
  })
  assert.ok(['TASK_LOST', 'TASK_UNKNOWN', 'TASK_GONE'].includes(lost.state), lost.state)
})

test('a new instance takes the tasks over, and the old one is told', async () => {
  const old = await startTask('exec sleep 600', { failover_timeout: 60 })
  await old.reaches('TASK_RUNNING')
  const statuses: TaskStatus[] = []
  const next = await connect(
    { update: (status) => void statuses.push(status) },
    { id: { value: old.frameworkId }, failover_timeout: 60 },
  )
  const error = await old.ended.then(
    () => undefined,
    (error: CallError) => error,
  )
  assert.is(error?.code, 'FRAMEWORK_FAILED_OVER')
  next.driver.reconcile()
  await until(() => statuses.some(({ state }) => state === 'TASK_RUNNING'), {
    what: 'the state of the task',
  })
  next.driver.kill('one')
  await until(() => statuses.some(({ state }) => state === 'TASK_KILLED'), { what: 'its end' })
})

test('the operator sees agents with their resources and attributes', async () => {
  const { get_agents } = await cluster().client.master(GetAgents)
  assert.is(get_agents.agents.length, 3)
  for (const { agent_info, active, total_resources } of get_agents.agents) {
    assert.ok(active)
    assert.match(agent_info.hostname, /^agent-[123]$/)
    const cpus = total_resources?.find(({ name }) => name === 'cpus')
    assert.is(cpus?.scalar?.value, 4)
  }
})

test('a plain subscriber sees what happens to a task', async () => {
  const { connection, subjects } = cluster().client
  const types: string[] = []
  const subscription = connection.subscribe(subjects.events(), ({ data }) => {
    const decoded = decode(data)
    if (decoded.ok) types.push((decoded.value.value as { type: string }).type)
  })
  await connection.flush()
  await runAll([{ ...small, name: 'seen', command: 'true' }])
  const expected = ['FRAMEWORK_ADDED', 'TASK_ADDED', 'TASK_UPDATED']
  await until(() => expected.every((type) => types.includes(type)), { what: `${expected}` })
  subscription.close()
})

test('nothing in the cluster has crashed meanwhile', () => {
  assert.equal(cluster().errors(), [])
})

test.run()
