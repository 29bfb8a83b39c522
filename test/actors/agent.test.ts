/** What an agent does with the tasks it is sent: launching, killing, draining. Spec: agent.md §5, §6, §11. */
import {
  DrainAgent,
  KillTask,
  RunTasks,
  ShutdownExecutor,
  ShutdownFramework,
} from '../../protocol/agent.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { commandTask, testFramework } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: launches and kills')
const SANDBOXES = '/a/slaves/A1/frameworks/F1/executors'
const forever = (id: string, more: Partial<TaskInfo> = {}) =>
  commandTask(id, `sleep infinity; ${id}`, more)
/** What every launch waits for: the disk takes that long to make a sandbox. */
const slowSandboxes = (lab: AgentLab, ms: number) =>
  lab.world.ports('a').disk.setFaults({
    latencyMs: (operation) => (operation === 'makeDirectory' ? ms : 0),
  })

// ---- launching

test('what it cannot do it refuses in words, task by task, and runs nothing of it', async () => {
  const lab = await AgentLab.start()
  const value = 'sleep infinity'
  const { command: _, ...nothing } = commandTask('nothing', '')
  const tcp = { type: 'TCP', tcp: { port: 1 } } as const
  const image = { type: 'DOCKER', docker: { name: 'debian' } } as const
  const volumes = [{ mode: 'RW', container_path: 'x', host_path: '/' } as const]
  const cases: ReadonlyArray<readonly [TaskInfo, RegExp]> = [
    [commandTask('a/b', value), /^the id of the task/],
    [nothing, /neither command nor executor/],
    [commandTask('health', value, { health_check: tcp }), /health checks/],
    [commandTask('check', value, { check: tcp }), /checks/],
    [commandTask('uri', '', { command: { value, uris: [{ value: 'http://x/y' }] } }), /URIs/],
    [commandTask('image', value, { container: { type: 'MESOS', mesos: { image } } }), /images/],
    [commandTask('volume', value, { container: { type: 'MESOS', volumes } }), /volumes/],
  ]
  for (const [task, message] of cases) {
    await lab.run([task])
    const id = task.task_id.value
    assert.equal(lab.outcome(id), ['TASK_ERROR', 'REASON_TASK_INVALID'], id)
    assert.match(lab.master.lastStatus(id)?.message ?? '', message)
  }
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('it has no default executor, and starts none without a command', async () => {
  const lab = await AgentLab.start()
  for (const [id, executor] of [
    ['t1', executorInfo('e1', { type: 'DEFAULT' })],
    ['t2', { executor_id: { value: 'e2' } }],
  ] as const) {
    await lab.run([executorTask(id, executor)], { executor })
    assert.equal(lab.outcome(id), ['TASK_ERROR', 'REASON_TASK_INVALID'])
  }
  assert.equal(exits(lab), ['e1 -1', 'e2 -1'])
  await lab.world.stop()
})

test('a task that is refused stands alone, a member of a group falls with all', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('good'), commandTask('b/d', 'true')])
  assert.equal(lab.outcome('b/d'), ['TASK_ERROR', 'REASON_TASK_INVALID'])
  assert.is(lab.outcome('good')[0], 'TASK_RUNNING')
  const executor = executorInfo('e1')
  await lab.run([executorTask('g1', executor), executorTask('g/2', executor)], {
    executor,
    group: true,
  })
  for (const id of ['g1', 'g/2']) {
    assert.equal(lab.outcome(id), ['TASK_ERROR', 'REASON_TASK_GROUP_INVALID'])
  }
  assert.equal(lab.alive, ['sleep infinity; good'])
  await lab.world.stop()
})

test('a launch for another agent, or one that came before, is passed over in silence', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  const { length } = lab.master.updates
  await lab.run([forever('t1')])
  await lab.run([forever('t2', { agent_id: { value: 'A2' } })])
  await lab.world.advance(60_000)
  assert.is(lab.master.updates.length, length)
  assert.equal(lab.alive, ['sleep infinity; t1'])
  await lab.world.stop()
})

test('frameworks that do not know TASK_DROPPED are told TASK_LOST', async () => {
  const lab = await AgentLab.start()
  const { capabilities: _, ...framework_info } = testFramework
  const executor = executorInfo('e1')
  await lab.run([executorTask('t1', executor)], {
    framework_info,
    executor,
    launch_executor: false,
  })
  assert.equal(lab.outcome('t1'), ['TASK_LOST', 'REASON_EXECUTOR_TERMINATED'])
  await lab.world.stop()
})

test('its sandbox holds the output of a task, and is found by the name of the executor', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'echo hello')])
  await lab.world.advance(1)
  assert.is(lab.outcome('t1')[0], 'TASK_FINISHED')
  const { disk } = lab.world.ports('a')
  const output = await lab.world.run(disk.readFile(`${SANDBOXES}/t1/runs/latest/stdout`))
  assert.is(new TextDecoder().decode(output), 'hello\n')
  // The next run of the same name has a place of its own.
  const before = await lab.world.run(disk.readlink(`${SANDBOXES}/t1/runs/latest`))
  await lab.run([forever('t1')])
  const after = await lab.world.run(disk.readlink(`${SANDBOXES}/t1/runs/latest`))
  assert.is.not(after, before)
  assert.ok(await lab.exists(`${SANDBOXES}/t1/runs/${before}/stdout`))
  await lab.world.stop()
})

test('without a sandbox nothing starts: all tasks of the executor are dropped, its resources free', async () => {
  const lab = await AgentLab.start()
  const { disk } = lab.world.ports('a')
  disk.setFaults({
    fail: (operation, path) =>
      operation === 'makeDirectory' && path.includes('/e1/') ? 'NO_SPACE' : undefined,
    latencyMs: (operation) => (operation === 'makeDirectory' ? 50 : 0),
  })
  const executor = executorInfo('e1')
  await lab.run([executorTask('first', executor)], { executor })
  await lab.run([executorTask('second', executor)], { executor, launch_executor: false })
  await lab.world.advance(1000)
  for (const id of ['first', 'second']) {
    assert.equal(lab.outcome(id), ['TASK_DROPPED', 'REASON_EXECUTOR_TERMINATED'])
    assert.match(lab.master.lastStatus(id)?.message ?? '', /^the sandbox could not be made: /)
  }
  assert.equal(exits(lab), ['e1 -1'])
  assert.equal(lab.alive, [])
  disk.setFaults({})
  await lab.run([executorTask('third', executor)], { executor })
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.stop()
})

test('an executor starts when its sandbox is there, and gets its tasks in the order they came', async () => {
  const lab = await AgentLab.start()
  slowSandboxes(lab, 100)
  const executor = executorInfo('e1')
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor)], { executor })
  await lab.run([executorTask('t2', executor), executorTask('t3', executor)], {
    executor,
    launch_executor: false,
    group: true,
  })
  // Their own record is written by now.
  assert.equal(lab.alive, [])
  await lab.world.advance(1000)
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await program.subscribe()
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1', 'LAUNCH_GROUP t2 t3'])
  await lab.world.stop()
})

/** Executors that the master was told the end of, with their status. */
function exits(lab: AgentLab): string[] {
  type Exit = { readonly executor_id: { readonly value: string }; readonly status: number }
  return lab
    .of<Exit>('EXITED_EXECUTOR')
    .map(({ executor_id, status }) => `${executor_id.value} ${status}`)
}

test('the resources of an executor that is refused with its tasks are given back', async () => {
  const lab = await AgentLab.start()
  lab.master.send(lab.node, DrainAgent, { epoch: 1, config: {} })
  const executor = executorInfo('e1')
  await lab.run([executorTask('t1', executor)], { executor })
  assert.equal(lab.outcome('t1'), ['TASK_DROPPED', 'REASON_AGENT_DRAINING'])
  assert.equal(exits(lab), ['e1 -1'])
  // This one lives, as far as the master knows: nothing was taken for it.
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.equal(exits(lab), ['e1 -1'])
  await lab.world.stop()
})

test('when master and agent differ about whether an executor runs, both start anew', async () => {
  const lab = await AgentLab.start()
  const executor = executorInfo('e1')
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor)], { executor })
  await program.subscribe()
  await lab.run([executorTask('t2', executor)], { executor })
  assert.equal(lab.outcome('t2'), ['TASK_DROPPED', 'REASON_EXECUTOR_TERMINATED'])
  assert.is(program.take().at(-1), 'SHUTDOWN')
  await lab.run([executorTask('t3', executor)], { executor, launch_executor: false })
  assert.equal(lab.outcome('t3'), ['TASK_DROPPED', 'REASON_EXECUTOR_TERMINATED'])
  await lab.world.advance(10_000)
  assert.equal(exits(lab), ['e1 137'])
  await lab.run([executorTask('t4', executor)], { executor })
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.stop()
})

// ---- killing

test('a task that is killed before it starts never does, and one update says so', async () => {
  const lab = await AgentLab.start()
  slowSandboxes(lab, 100)
  await lab.run([forever('t1')])
  lab.master.kill(lab.node, 't1')
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(10_000)
  assert.equal(lab.master.statusesOf('t1'), ['TASK_KILLED'])
  assert.is(lab.outcome('t1')[1], 'REASON_TASK_KILLED_DURING_LAUNCH')
  assert.equal(lab.alive, [])
  await lab.restart()
  await lab.world.advance(10_000)
  assert.equal(lab.master.statusesOf('t1'), ['TASK_KILLED'])
  await lab.world.stop()
})

test('a member killed before its executor subscribes takes its group along, and the executor', async () => {
  const lab = await AgentLab.start()
  const executor = executorInfo('e1')
  const group = [executorTask('g1', executor), executorTask('g2', executor)]
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run(group, { executor, group: true })
  lab.master.kill(lab.node, 'g2')
  await lab.world.settle()
  for (const id of ['g1', 'g2']) {
    assert.equal(lab.outcome(id), ['TASK_KILLED', 'REASON_TASK_KILLED_DURING_LAUNCH'])
  }
  await program.subscribe()
  assert.equal([...new Set(program.take())], ['SHUTDOWN'])
  await lab.world.advance(10_000)
  assert.equal(lab.alive, [])
  assert.equal(exits(lab), ['e1 137'])
  await lab.world.stop()
})

test('a task that is killed twice ends once', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  lab.master.kill(lab.node, 't1')
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(60_000)
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(60_000)
  assert.equal(lab.master.statusesOf('t1').slice(2), ['TASK_KILLING', 'TASK_KILLED'])
  await lab.world.stop()
})

test('whoever kills a task that is not there learns that', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  lab.master.kill(lab.node, 'nobody')
  lab.master.send(lab.node, KillTask, {
    epoch: 1,
    framework_id: { value: 'F9' },
    task_id: { value: 'stranger' },
  })
  await lab.world.settle()
  assert.equal(lab.outcome('nobody'), ['TASK_DROPPED', 'REASON_EXECUTOR_TERMINATED'])
  // What it may know is not known of a framework that is not here.
  assert.equal(lab.outcome('stranger'), ['TASK_LOST', 'REASON_EXECUTOR_TERMINATED'])
  await lab.world.stop()
})

test('a kill is obeyed between two registrations, and its outcome told after the second', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  lab.master.admits = false
  lab.master.ping(lab.node, false)
  await lab.world.settle()
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(5000)
  assert.equal(lab.alive, [])
  assert.is(lab.outcome('t1')[0], 'TASK_RUNNING')
  lab.master.admits = true
  await lab.world.advance(60_000)
  assert.equal(lab.master.statusesOf('t1').slice(-2), ['TASK_KILLING', 'TASK_KILLED'])
  await lab.world.stop()
})

test('the end of an executor is that of its tasks: those not delivered are killed at once', async () => {
  const lab = await AgentLab.start()
  const executor = executorInfo('e1')
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor)], { executor })
  await program.subscribe()
  slowSandboxes(lab, 100)
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  const ids = { framework_id: { value: 'F1' }, executor_id: { value: 'e1' } }
  lab.master.send(lab.node, ShutdownExecutor, { epoch: 1, ...ids })
  await lab.world.settle()
  assert.is(program.take().at(-1), 'SHUTDOWN')
  await program.update('t1', 'TASK_KILLED')
  await lab.world.advance(10_000)
  assert.equal(lab.master.statusesOf('t1'), ['TASK_KILLED'])
  assert.match(lab.outcome('t2')[0] ?? '', /KILLED|FAILED/)
  assert.equal(exits(lab), ['e1 137'])
  await lab.world.stop()
})

test('when a framework is over its tasks end, and nothing is told of them', async () => {
  const lab = await AgentLab.start()
  slowSandboxes(lab, 100)
  lab.master.acknowledges = false
  await lab.run([forever('t1')])
  await lab.world.advance(1000)
  await lab.run([forever('pending')])
  const { length } = lab.master.updates
  lab.master.send(lab.node, ShutdownFramework, { epoch: 1, framework_id: { value: 'F1' } })
  await lab.run([forever('late')])
  await lab.world.advance(60_000)
  assert.equal(lab.alive, [])
  assert.is(lab.master.updates.length, length)
  await lab.restart()
  assert.equal(lab.report().tasks, [])
  await lab.world.advance(60_000)
  assert.is(lab.master.updates.length, length)
  // Its id is free.
  await lab.run([forever('t1')])
  await lab.world.advance(1000)
  assert.equal(lab.alive, ['sleep infinity; t1'])
  await lab.world.stop()
})

// ---- draining

test('an agent that drains ends its tasks, in no more time than the operator grants', async () => {
  const lab = await AgentLab.start()
  const deaf = { onTerminate: 'ignore' } as const
  lab.world.ports('a').processes.script(({ args }) => args[1]?.endsWith('deaf') === true, deaf)
  const grace_period = { nanoseconds: 60e9 }
  await lab.run([forever('deaf', { kill_policy: { grace_period } }), forever('t2')])
  const config = { max_grace_period: { nanoseconds: 10e9 } }
  lab.master.send(lab.node, DrainAgent, { epoch: 1, config })
  await lab.world.advance(9000)
  assert.equal(lab.alive, ['sleep infinity; deaf'])
  assert.equal(lab.outcome('deaf'), ['TASK_KILLING', 'REASON_AGENT_DRAINING'])
  assert.equal(lab.outcome('t2'), ['TASK_KILLED', 'REASON_AGENT_DRAINING'])
  await lab.world.advance(1000)
  assert.equal(lab.outcome('deaf'), ['TASK_KILLED', 'REASON_AGENT_DRAINING'])
  await lab.run([forever('t3')])
  assert.equal(lab.outcome('t3'), ['TASK_DROPPED', 'REASON_AGENT_DRAINING'])
  lab.master.send(lab.node, DrainAgent, { epoch: 1 })
  await lab.run([forever('t4')])
  assert.is(lab.outcome('t4')[0], 'TASK_RUNNING')
  await lab.world.stop()
})

test('the tasks of an agent that is drained for good are gone by its operator', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  const { capabilities: _, ...unaware } = testFramework
  const framework_info = { ...unaware, id: { value: 'F2' } }
  lab.master.send(lab.node, RunTasks, {
    epoch: 1,
    framework_info,
    tasks: [forever('t2')],
    launch_executor: true,
    group: false,
  })
  await lab.world.settle()
  lab.master.send(lab.node, DrainAgent, { epoch: 1, config: { mark_gone: true } })
  await lab.world.advance(10_000)
  assert.equal(lab.outcome('t1'), ['TASK_GONE_BY_OPERATOR', 'REASON_AGENT_DRAINING'])
  assert.equal(lab.outcome('t2'), ['TASK_KILLED', 'REASON_AGENT_DRAINING'])
  await lab.world.stop()
})

test.run()
