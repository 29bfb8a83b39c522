/** An agent and the leaders it registers with. Spec: agent.md §1, §2. */
import { KillTask, ShutdownAgent, UpdateFrameworkInfo } from '../../protocol/agent.ts'
import { AgentLab } from '../support/agent-lab.ts'
import {
  commandTask,
  type ScriptedMaster,
  scriptedMaster,
  testFramework,
} from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: registration')

const registrations = ({ heard }: ScriptedMaster) =>
  heard.map(({ type }) => type).filter((type) => type.endsWith('REGISTER_AGENT'))

/** Monotonic times at which requests to register reach the master from now on, ms. */
function attemptsOf({ node, world }: AgentLab): number[] {
  const times: number[] = []
  node.intercept(({ type }) => {
    if (type === 'REREGISTER_AGENT') times.push(world.clock.monotonic())
    return 'deliver'
  })
  return times
}

test('it asks on, with pauses of at most a minute, until the master admits it', async () => {
  const lab = await AgentLab.start()
  await lab.world.crash(lab.agent)
  lab.master.admits = false
  const times = attemptsOf(lab)
  await lab.boot()
  await lab.world.advance(3_600_000)
  const pauses = times.slice(1).map((at, index) => at - times[index]!)
  assert.ok(pauses[0]! <= 2000, `${pauses}`)
  assert.ok(pauses[1]! <= 4000, `${pauses}`)
  assert.ok(Math.max(...pauses) > 30_000, `${pauses}`)
  assert.ok(Math.max(...pauses) <= 60_000, `${pauses}`)
  assert.ok(Math.min(...pauses) >= 100, `${pauses}`)
  lab.master.admits = true
  await lab.world.advance(60_000)
  const { length } = times
  lab.master.ping(lab.node)
  await lab.world.advance(60_000)
  assert.is(times.length, length)
  await lab.world.stop()
})

test('pings keep it registered; when they stay away it registers again, under the same id', async () => {
  const lab = await AgentLab.start()
  for (let round = 0; round < 20; round++) {
    await lab.world.advance(60_000)
    lab.master.ping(lab.node)
  }
  assert.equal(registrations(lab.master), ['REGISTER_AGENT'])
  await lab.world.advance(74_000)
  assert.equal(registrations(lab.master), ['REGISTER_AGENT'])
  await lab.world.advance(5000)
  assert.equal(registrations(lab.master), ['REGISTER_AGENT', 'REREGISTER_AGENT'])
  assert.is(lab.report().agent_info.id?.value, 'A1')
  await lab.world.stop()
})

test('every ping is answered; one that says disconnected makes it register again', async () => {
  const lab = await AgentLab.start()
  lab.master.ping(lab.node)
  lab.master.ping(lab.node, false)
  await lab.world.advance(5000)
  assert.is(lab.of('PONG').length, 2)
  assert.equal(registrations(lab.master), ['REGISTER_AGENT', 'REREGISTER_AGENT'])
  await lab.world.stop()
})

test('a leader that dies is missed at once, and the next one finds tasks and statuses', async () => {
  const lab = await AgentLab.start()
  lab.master.acknowledges = false
  await lab.run([commandTask('t1', 'sleep 20')])
  assert.equal(lab.master.statusesOf('t1'), ['TASK_STARTING'])
  await lab.world.crash(lab.node)
  await lab.world.advance(60_000)
  const next = scriptedMaster({ epoch: 2 })
  await lab.world.start('m2', { children: [next.spec] })
  await lab.world.advance(5000)
  assert.equal(registrations(next), ['REREGISTER_AGENT'])
  const { tasks } = next.heard[0]!.body as ReturnType<typeof lab.report>
  assert.equal(
    tasks.map(({ state, status_update_state }) => [state, status_update_state]),
    [['TASK_FINISHED', 'TASK_STARTING']],
  )
  // The first comes again, as the former leader's acknowledgement never came.
  assert.equal(next.statusesOf('t1'), ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED'])
  await lab.world.stop()
})

test('commands of a deposed leader are dropped', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity')])
  // It is alive, and believes that it leads.
  lab.master.answers = false
  const next = scriptedMaster({ epoch: 2 })
  const node = await lab.world.start('m2', { children: [next.spec] })
  await lab.world.until(() => next.agents.size > 0)
  await lab.world.settle()
  lab.master.kill(lab.node, 't1')
  await lab.run([commandTask('t2', 'sleep infinity')])
  await lab.world.advance(10_000)
  assert.equal(lab.alive, ['sleep infinity'])
  assert.equal(next.statusesOf('t2'), [])
  next.kill(node, 't1')
  await lab.world.advance(10_000)
  assert.is(next.statusesOf('t1').at(-1), 'TASK_KILLED')
  await lab.world.stop()
})

test('a command of a higher epoch is not obeyed before its sender is known to lead', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity')])
  const ids = { framework_id: { value: 'F1' }, task_id: { value: 't1' } }
  lab.master.send(lab.node, KillTask, { epoch: 9, ...ids })
  await lab.world.advance(5000)
  assert.equal(lab.alive, ['sleep infinity'])
  // It asked who leads, and that was the same as before.
  assert.equal(registrations(lab.master), ['REGISTER_AGENT', 'REREGISTER_AGENT'])
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(5000)
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('an agent that has not learnt its id takes no commands: they are for one that never was', async () => {
  const lab = await AgentLab.start()
  await lab.world.crash(lab.agent)
  lab.world.ports('a').storage.wipe()
  lab.master.admits = false
  await lab.boot()
  await lab.world.advance(2000)
  lab.master.agents.set('A1', lab.master.heard.at(-1)!.from)
  await lab.run([commandTask('t1', 'sleep 100')])
  assert.equal(lab.alive, [])
  assert.not(lab.world.troubles('a').some(({ level }) => level === 'error'))
  lab.master.admits = true
  await lab.world.advance(10_000)
  await lab.run([commandTask('t2', 'sleep 1')])
  assert.equal(lab.alive, ['sleep 1'])
  await lab.world.advance(1000)
  await lab.world.stop()
})

test('tasks that only the master knows are told as dropped, reliably', async () => {
  const lab = await AgentLab.start()
  lab.master.reconcile = [{ framework_id: { value: 'F1' }, task_id: { value: 'phantom' } }]
  await lab.run([commandTask('real', 'sleep infinity')])
  lab.master.acknowledges = false
  lab.master.ping(lab.node, false)
  await lab.world.advance(20_000)
  const told = lab.master.updates.filter(({ status }) => status.task_id.value === 'phantom')
  assert.ok(told.length >= 2, 'not sent again')
  const { state, reason, uuid } = told[0]!.status
  assert.equal([state, reason], ['TASK_DROPPED', 'REASON_RECONCILIATION'])
  for (const { status } of told) assert.equal(status.uuid, uuid)
  assert.is(lab.master.statusesOf('real').at(-1), 'TASK_RUNNING')
  await lab.world.stop()
})

test('a scheduler that is back is told at once what it has not acknowledged, others are not', async () => {
  const lab = await AgentLab.start()
  lab.master.acknowledges = false
  const other = { ...testFramework, id: { value: 'F2' } }
  await lab.run([commandTask('t1', 'sleep infinity')])
  await lab.run([commandTask('t2', 'sleep infinity')], { framework_info: other })
  lab.master.send(lab.node, UpdateFrameworkInfo, { epoch: 1, framework_info: other })
  await lab.world.settle()
  assert.equal(lab.master.statusesOf('t1'), ['TASK_STARTING'])
  assert.equal(lab.master.statusesOf('t2'), ['TASK_STARTING', 'TASK_STARTING'])
  await lab.world.stop()
})

test('what is no address is refused as the address of its host', async () => {
  const lab = await AgentLab.start()
  await lab.world.crash(lab.agent)
  await lab.startAgent({ ip: 'localhost' }).then(
    () => assert.unreachable('it must not start'),
    ({ code, message }: { code: string; message: string }) => {
      assert.is(code, 'USAGE')
      assert.match(message, /ip: "localhost" is no IP address/)
    },
  )
  await lab.startAgent({ ip: '2001:db8::7' })
  await lab.world.stop()
})

test('a master that refuses to take it back may tell it to go', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity')])
  lab.master.admits = false
  lab.master.ping(lab.node, false)
  await lab.world.advance(5000)
  lab.master.send(lab.node, ShutdownAgent, { epoch: 1, message: 'you are gone' })
  await lab.world.advance(10_000)
  assert.equal(lab.alive, [])
  assert.is(lab.agent.whereis('agent'), undefined)
  await lab.world.stop()
})

test('an agent that is not wanted ends its tasks, tells nothing, and its node ends', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity')])
  const { length } = lab.master.updates
  lab.master.send(lab.node, ShutdownAgent, { epoch: 1, message: 'removed' })
  await lab.world.advance(10_000)
  assert.equal(lab.alive, [])
  assert.is(lab.master.updates.length, length)
  assert.is(lab.agent.whereis('agent'), undefined)
  await lab.world.stop()
})

test.run()
