/** A framework's own executor, in the hands of its agent. Spec: executor-api.md §2-§8, §15. */
import { basename } from 'node:path'
import { FrameworkMessage, ShutdownExecutor } from '../../protocol/agent.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('custom executor')
const executor = executorInfo('e1')
const ids = { framework_id: { value: 'F1' }, executor_id: { value: 'e1' } }

/** An agent that was told to launch `t1` on a new executor, whose program has not called yet. */
async function launched(options: object = {}, info = executor) {
  const lab = await AgentLab.start(options)
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', info)], { executor: info })
  return { lab, program }
}

async function subscribed(options: object = {}, info = executor) {
  const scene = await launched(options, info)
  assert.is(await scene.program.subscribe(), undefined)
  assert.equal(scene.program.take(), ['SUBSCRIBED', 'LAUNCH t1'])
  return scene
}

type Exit = { readonly executor_id: { readonly value: string }; readonly status: number }
const exits = (lab: AgentLab) => lab.of<Exit>('EXITED_EXECUTOR').map(({ status }) => status)

/** The program that runs, as the agent sees it, exits or dies. */
function die(lab: AgentLab): void {
  const { processes } = lab.world.ports('a')
  processes.kill(processes.running()[0]!.pid, 'SIGKILL', true)
}

// ---- start

test('its program is told where to call and to listen, and everything of its place', async () => {
  const { lab } = await launched({ nats_url: 'nats://broker:4222' })
  const { PATH, MESOS_SANDBOX, MESOS_DIRECTORY, ...env } =
    lab.world.ports('a').processes.running()[0]?.options.env ?? {}
  assert.ok(PATH)
  assert.match(MESOS_SANDBOX ?? '', /^\/a\/slaves\/A1\/frameworks\/F1\/executors\/e1\/runs\//)
  assert.is(MESOS_DIRECTORY, MESOS_SANDBOX)
  const container = basename(MESOS_SANDBOX ?? '')
  assert.equal(env, {
    MESETA_NATS_URL: 'nats://broker:4222',
    MESETA_CLUSTER: 'meseta',
    MESETA_EXECUTOR_CALL: `meseta.executor.A1.F1.e1.${container}.call`,
    MESETA_EXECUTOR_EVENT: `meseta.executor.A1.F1.e1.${container}.event`,
    MESOS_FRAMEWORK_ID: 'F1',
    MESOS_EXECUTOR_ID: 'e1',
    MESOS_SLAVE_ID: 'A1',
    MESOS_CHECKPOINT: '1',
    MESOS_RECOVERY_TIMEOUT: '15mins',
    MESOS_SUBSCRIPTION_BACKOFF_MAX: '2secs',
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: '5secs',
    MESOS_HTTP_COMMAND_EXECUTOR: '0',
  })
  await lab.world.stop()
})

test('subscribed, it learns who it is, and gets what is queued: tasks in order, groups whole', async () => {
  const { lab, program } = await launched()
  const group = [executorTask('g1', executor), executorTask('g2', executor)]
  await lab.run(group, { executor, launch_executor: false, group: true })
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  await program.subscribe()
  const [first] = program.events
  assert.is(first?.type, 'SUBSCRIBED')
  if (first?.type !== 'SUBSCRIBED') return
  const { executor_info, framework_info, agent_info, container_id } = first.subscribed
  assert.equal([executor_info.executor_id.value, framework_info.id?.value], ['e1', 'F1'])
  assert.equal([agent_info.id?.value, typeof container_id?.value], ['A1', 'string'])
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1', 'LAUNCH_GROUP g1 g2', 'LAUNCH t2'])
  await lab.world.stop()
})

test('one that does not subscribe in time is destroyed, and its tasks fail', async () => {
  const { lab } = await launched({ executor_registration_timeout_ms: 10_000 })
  await lab.world.advance(9000)
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.advance(2000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_REGISTRATION_TIMEOUT'])
  assert.equal(lab.alive, [])
  assert.equal(exits(lab), [137])
  await lab.world.stop()
})

test('one that ends before it subscribes takes its tasks along', async () => {
  const { lab } = await launched({}, executorInfo('e1', { command: { value: 'exit 4' } }))
  await lab.world.advance(10)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.is(lab.master.lastStatus('t1')?.message, 'the executor ended with status 4')
  assert.equal(exits(lab), [4])
  await lab.world.stop()
})

test('one that ends while a report that lists it is on its way is told of after it', async () => {
  const { lab } = await subscribed()
  lab.master.admits = false
  lab.master.ping(lab.node, false)
  await lab.world.until(() => lab.master.heard.at(-1)?.type === 'REREGISTER_AGENT', 10_000)
  assert.is(lab.report().executors?.length, 1)
  die(lab)
  await lab.world.advance(50)
  assert.equal(exits(lab), [])
  lab.master.admits = true
  await lab.world.advance(10_000)
  assert.equal(exits(lab), [137])
  await lab.world.stop()
})

test('one that cannot be started says why in the end of its tasks', async () => {
  const lab = await AgentLab.start()
  lab.world.ports('a').processes.script('/bin/sh', 'DENIED')
  await lab.run([executorTask('t1', executor)], { executor })
  await lab.world.advance(1000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_CONTAINER_LAUNCH_FAILED'])
  assert.match(lab.master.lastStatus('t1')?.message ?? '', /DENIED/)
  assert.equal(exits(lab), [-1])
  await lab.world.stop()
})

// ---- calls

test('calls are refused before SUBSCRIBE, in the name of others, and when they say nothing', async () => {
  const { lab, program } = await launched()
  const update = { status: program.status('t1', 'TASK_RUNNING') }
  assert.is(await program.call({ type: 'UPDATE', update }), 'INVALID_MESSAGE')
  await program.subscribe()
  const other = { executor_id: { value: 'e2' } }
  assert.is(await program.call({ type: 'UPDATE', update, ...other }), 'UNKNOWN_EXECUTOR')
  assert.is(await program.call({ type: 'UPDATE' }), 'INVALID_MESSAGE')
  assert.is(await program.call({ type: 'NONSENSE' }), 'INVALID_MESSAGE')
  const { source: _, ...unsigned } = update.status
  assert.is(await program.call({ type: 'UPDATE', update: { status: unsigned } }), 'INVALID_MESSAGE')
  const staging = { ...update.status, state: 'TASK_STAGING' }
  assert.is(await program.call({ type: 'UPDATE', update: { status: staging } }), 'INVALID_MESSAGE')
  // Nobody looks at the ids of this one.
  assert.is(await program.call({ type: 'HEARTBEAT', ...other }), undefined)
  await lab.world.advance(1000)
  assert.equal(lab.master.statusesOf('t1'), [])
  await lab.world.stop()
})

test('an executor that speaks JSON is answered in JSON', async () => {
  const { lab, program } = await launched()
  program.format = 'json'
  await program.subscribe()
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1'])
  await program.update('t1', 'TASK_FINISHED')
  assert.equal(program.take(), ['ACKNOWLEDGED'])
  assert.is(lab.outcome('t1')[0], 'TASK_FINISHED')
  await lab.world.stop()
})

test('an update is acknowledged when it is on disk, and not before', async () => {
  const { lab, program } = await subscribed()
  lab.master.acknowledges = false
  await program.update('t1', 'TASK_RUNNING')
  assert.equal(program.take(), ['ACKNOWLEDGED'])
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.until(() => lab.master.statusesOf('t1').length > 1, 30_000)
  assert.equal(lab.master.statusesOf('t1').slice(0, 2), ['TASK_RUNNING', 'TASK_RUNNING'])
  await lab.world.stop()
})

test('what the agent adds to an update: who, where, when, and that an executor said so', async () => {
  const { lab, program } = await subscribed()
  await program.update('t1', 'TASK_RUNNING', { message: 'at work' })
  const status = lab.master.lastStatus('t1')
  assert.equal(
    [status?.agent_id?.value, status?.executor_id?.value, status?.source, status?.message],
    ['A1', 'e1', 'SOURCE_EXECUTOR', 'at work'],
  )
  assert.is(status?.timestamp, lab.world.clock.now() / 1000)
  await lab.world.stop()
})

test('a status tells its container, and the address of the agent if the container has none', async () => {
  const { lab, program } = await subscribed({ ip: '10.1.2.3' })
  const host = [{ ip_addresses: [{ ip_address: '10.1.2.3' }] }]
  await program.update('t1', 'TASK_STARTING')
  const given = lab.master.lastStatus('t1')?.container_status
  assert.is(typeof given?.container_id?.value, 'string')
  assert.equal(given?.network_infos, host)
  const own = {
    container_id: { value: 'nested' },
    network_infos: [{ ip_addresses: [{ ip_address: '172.16.0.9' }] }],
  }
  await program.update('t1', 'TASK_RUNNING', { container_status: own })
  assert.equal(lab.master.lastStatus('t1')?.container_status, own)
  die(lab)
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_FAILED')
  assert.equal(lab.master.lastStatus('t1')?.container_status, { network_infos: host })
  await lab.world.stop()
})

test('updates without use are acknowledged and go no further', async () => {
  const { lab, program } = await subscribed()
  await program.update('stranger', 'TASK_FAILED')
  await program.update('t1', 'TASK_FINISHED')
  // Not even while the first end is unknown to the scheduler.
  await program.update('t1', 'TASK_FAILED')
  await lab.world.advance(1000)
  assert.equal(program.take(), ['ACKNOWLEDGED', 'ACKNOWLEDGED', 'ACKNOWLEDGED'])
  assert.equal(lab.master.statusesOf('stranger'), [])
  assert.equal(lab.master.statusesOf('t1'), ['TASK_FINISHED'])
  await lab.world.stop()
})

test('what runs although its agent has ended it is killed', async () => {
  const { lab, program } = await subscribed()
  lab.master.acknowledges = false
  // It says that it does not have the task, and starts it all the same.
  await program.subscribe()
  assert.is(lab.outcome('t1')[0], 'TASK_DROPPED')
  program.take()
  await program.update('t1', 'TASK_STARTING')
  assert.equal(program.take(), ['ACKNOWLEDGED', 'KILL t1'])
  lab.master.acknowledges = true
  await lab.world.advance(60_000)
  program.take()
  await program.update('t1', 'TASK_RUNNING')
  assert.equal(program.take(), ['ACKNOWLEDGED', 'KILL t1'])
  await program.update('t1', 'TASK_KILLING')
  await program.update('t1', 'TASK_KILLED')
  assert.equal(program.take(), ['ACKNOWLEDGED', 'ACKNOWLEDGED'])
  assert.equal([...new Set(lab.master.statusesOf('t1'))], ['TASK_DROPPED'])
  await lab.world.stop()
})

test('an update that names another agent is not even acknowledged', async () => {
  const { lab, program } = await subscribed()
  await program.update('t1', 'TASK_RUNNING', { agent_id: { value: 'A2' } })
  assert.equal(program.take(), [])
  assert.equal(lab.master.statusesOf('t1'), [])
  await lab.world.stop()
})

test('one that subscribes again is there again, and what it repeats is forwarded once', async () => {
  const { lab, program } = await subscribed()
  lab.master.acknowledges = false
  const status = await program.update('t1', 'TASK_RUNNING')
  program.take()
  await program.subscribe([], [status])
  assert.equal(program.take().sort(), ['ACKNOWLEDGED', 'SUBSCRIBED'])
  assert.equal(lab.master.statusesOf('t1'), ['TASK_RUNNING'])
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.equal(program.take(), ['LAUNCH t2'])
  await lab.world.stop()
})

test('of a SUBSCRIBE that came twice, the second takes nothing for lost that the first was answered with', async () => {
  const { lab, program } = await launched()
  await program.publish({ type: 'SUBSCRIBE', subscribe: {} })
  await program.publish({ type: 'SUBSCRIBE', subscribe: {} })
  await lab.world.advance(1000)
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1', 'SUBSCRIBED'])
  assert.equal(lab.outcome('t1'), [])
  await program.update('t1', 'TASK_RUNNING')
  await lab.world.advance(10_000)
  assert.equal(program.take(), ['ACKNOWLEDGED'])
  assert.equal(lab.master.statusesOf('t1'), ['TASK_RUNNING'])
  await lab.world.stop()
})

test('a SUBSCRIBE that was held takes nothing for lost that came after it was made', async () => {
  const { lab, program } = await launched()
  await program.publish({ type: 'SUBSCRIBE', subscribe: {} })
  await lab.world.advance(1000)
  const { mark } = program
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  const second = [executorTask('g1', executor), executorTask('g2', executor)]
  await lab.run(second, { executor, launch_executor: false, group: true })
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1', 'LAUNCH t2', 'LAUNCH_GROUP g1 g2'])
  await lab.world.advance(60_000)
  program.take()
  // Made before any event came.
  await program.publish({ type: 'SUBSCRIBE', subscribe: {} })
  // Made when the first task was there, and the others were not.
  const unacknowledged_tasks = [executorTask('t1', executor)]
  await program.publish({ type: 'SUBSCRIBE', subscribe: { unacknowledged_tasks, mark } })
  await lab.world.advance(1000)
  assert.equal(program.take(), ['SUBSCRIBED', 'SUBSCRIBED'])
  for (const task of ['t1', 't2', 'g1', 'g2']) assert.equal(lab.outcome(task), [])
  await lab.world.stop()
})

test('what a SUBSCRIBE does not name although it was sent before its mark, is lost, groups too', async () => {
  const { lab, program } = await subscribed()
  const group = [executorTask('g1', executor), executorTask('g2', executor)]
  await lab.run(group, { executor, launch_executor: false, group: true })
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.equal(program.take(), ['LAUNCH_GROUP g1 g2', 'LAUNCH t2'])
  await program.subscribe([executorTask('t2', executor)])
  for (const task of ['t1', 'g1', 'g2'])
    assert.equal(lab.outcome(task), ['TASK_DROPPED', 'REASON_AGENT_RESTARTED'])
  assert.equal(lab.outcome('t2'), [])
  await lab.world.stop()
})

test('one that repeats no mark, or makes one up, loses nothing', async () => {
  const { lab, program } = await subscribed()
  const own = program.mark ?? ''
  for (const mark of [undefined, '', ' ', '1', `other${own}`, `${own}x`, `${own}e99`]) {
    const subscribe = mark === undefined ? {} : { mark }
    assert.is(await program.call({ type: 'SUBSCRIBE', subscribe }), undefined)
    assert.equal(lab.outcome('t1'), [], mark)
  }
  await lab.world.stop()
})

test('whether a task has reached it, it is asked again, until it says so or the task is dropped', async () => {
  const { lab, program } = await subscribed()
  await program.leave()
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  const again = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  const first = executorTask('t1', executor)
  await again.subscribe([first])
  assert.equal(again.take(), ['SUBSCRIBED'])
  await lab.world.advance(11_000)
  assert.equal(again.take(), ['HEARTBEAT', 'HEARTBEAT'])
  assert.equal(lab.outcome('t2'), [])
  await again.subscribe([first])
  assert.equal(lab.outcome('t1'), [])
  assert.equal(lab.outcome('t2'), ['TASK_DROPPED', 'REASON_AGENT_RESTARTED'])
  await lab.world.advance(14_000)
  assert.equal(again.take(), ['SUBSCRIBED', 'HEARTBEAT'])
  await lab.world.stop()
})

test('what a program said and is heard after its end does not concern its successor', async () => {
  const { lab, program } = await subscribed()
  die(lab)
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_FAILED')
  await lab.run([executorTask('t2', executor)], { executor })
  assert.equal(lab.alive, ['sleep infinity; e1'])
  program.take()
  assert.is(await program.subscribe([executorTask('t1', executor)]), 'NO_RESPONDERS')
  const update = { status: program.status('t2', 'TASK_FINISHED') }
  assert.is(await program.call({ type: 'UPDATE', update }), 'NO_RESPONDERS')
  assert.equal(program.take(), [])
  const successor = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await successor.subscribe()
  assert.equal(successor.take(), ['SUBSCRIBED', 'LAUNCH t2'])
  await successor.update('t2', 'TASK_RUNNING')
  assert.equal(lab.master.statusesOf('t2'), ['TASK_RUNNING'])
  await lab.world.stop()
})

test('messages go both ways', async () => {
  const { lab, program } = await subscribed()
  const bytes = (text: string) => new TextEncoder().encode(text)
  await program.call({ type: 'MESSAGE', message: { data: bytes('up') } })
  const [message] = lab.of<{ readonly data: Uint8Array }>('EXECUTOR_MESSAGE')
  assert.equal(message?.data, bytes('up'))
  lab.master.send(lab.node, FrameworkMessage, { epoch: 1, ...ids, data: bytes('down') })
  await lab.world.settle()
  assert.equal(program.events, [{ type: 'MESSAGE', message: { data: bytes('down') } }])
  await lab.world.stop()
})

test('the kill of a task is an event, with the policy that the scheduler gave', async () => {
  const { lab, program } = await subscribed()
  lab.master.kill(lab.node, 't1')
  lab.master.kill(lab.node, 't1', 7000)
  await lab.world.settle()
  const kill = { task_id: { value: 't1' } }
  assert.equal(program.events, [
    { type: 'KILL', kill },
    { type: 'KILL', kill: { ...kill, kill_policy: { grace_period: { nanoseconds: 7e9 } } } },
  ])
  await lab.world.stop()
})

// ---- life and end

test('that it does not listen changes nothing as long as its program runs', async () => {
  const lab = await AgentLab.start({ executor_heartbeat_ms: 1000 })
  await lab.run([executorTask('t1', executor)], { executor })
  const caller = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await caller.subscribe()
  await caller.leave()
  await lab.world.advance(5000)
  const complaints = lab.world
    .troubles('a')
    .filter(({ message }) => /does not listen/.test(message))
  assert.is(complaints.length, 1)
  assert.equal(lab.alive, ['sleep infinity; e1'])
  const again = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await again.subscribe()
  await lab.world.advance(2000)
  assert.ok(again.take().includes('HEARTBEAT'))
  await lab.world.stop()
})

test('its own grace period is longer than that of the agent, then its program is killed', async () => {
  const info = executorInfo('e1', { shutdown_grace_period: { nanoseconds: 20e9 } })
  const { lab, program } = await subscribed({ executor_shutdown_grace_ms: 1000 }, info)
  lab.master.send(lab.node, ShutdownExecutor, { epoch: 1, ...ids })
  lab.master.send(lab.node, ShutdownExecutor, { epoch: 1, ...ids })
  await lab.world.advance(19_000)
  assert.equal(program.take(), ['SHUTDOWN', 'HEARTBEAT'])
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.advance(2000)
  assert.equal(lab.alive, [])
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.equal(exits(lab), [137])
  await lab.world.stop()
})

test('while it shuts down it is told so again when it subscribes, and gets no tasks', async () => {
  const { lab, program } = await subscribed()
  lab.master.send(lab.node, ShutdownExecutor, { epoch: 1, ...ids })
  await lab.world.settle()
  program.take()
  await program.subscribe()
  assert.equal([...new Set(program.take())], ['SHUTDOWN'])
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.equal(lab.outcome('t2'), ['TASK_DROPPED', 'REASON_EXECUTOR_TERMINATED'])
  await lab.world.advance(10_000)
  await lab.world.stop()
})

test('what it said before it ended counts, though the news of its end is faster', async () => {
  let latencyMs = 20
  const lab = await AgentLab.start({}, { broker: { latencyMs: () => latencyMs } })
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor)], { executor })
  await lab.world.until(() => lab.alive.length > 0)
  await program.subscribe()
  const status = program.status('t1', 'TASK_FINISHED')
  await program.publish({ type: 'UPDATE', update: { status } })
  die(lab)
  await lab.world.advance(1000)
  assert.equal(lab.master.statusesOf('t1'), ['TASK_FINISHED'])
  assert.equal(exits(lab), [137])
  latencyMs = 0
  await lab.world.stop()
})

test('without a broker the end of its program is told a little later', async () => {
  const { lab } = await subscribed()
  lab.world.broker.disconnect('a')
  die(lab)
  await lab.world.advance(5000)
  lab.world.broker.reconnect('a')
  await lab.world.until(() => lab.outcome('t1')[0] === 'TASK_FAILED', 120_000)
  await lab.world.stop()
})

test('if its actor crashes the program is killed, and its tasks fail', async () => {
  const { lab } = await subscribed()
  const cell = [...lab.agent.cells()].find(({ id }) => id.startsWith('executor-'))
  lab.agent.call(cell!, () => {
    throw new Error('a fault')
  })
  await lab.world.advance(1000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.equal(lab.alive, [])
  assert.equal(exits(lab), [-1])
  await lab.world.stop()
})

test.run()
