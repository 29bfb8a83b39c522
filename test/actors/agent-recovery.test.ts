/** What of an agent's tasks survives its process, and its host. Spec: agent.md §4, §15; executor-api.md §8. */
import { ShutdownFramework } from '../../protocol/agent.ts'
import type { TaskStatus } from '../../protocol/v1/status.ts'
import { isTerminal } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { commandTask, testFramework } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: recovery')
const forever = (id: string, more: Partial<TaskInfo> = {}) =>
  commandTask(id, `sleep infinity; ${id}`, more)

/** The agent is not there for as long as `meanwhile` takes. */
async function away(lab: AgentLab, meanwhile: () => unknown): Promise<void> {
  await lab.world.crash(lab.agent)
  await meanwhile()
  await lab.startAgent()
}

const reported = (lab: AgentLab) => lab.report().tasks.map(({ task_id }) => task_id.value)
const uuids = (statuses: readonly TaskStatus[]) =>
  new Set(statuses.map(({ uuid }) => Buffer.from(uuid!).toString('hex')))
const heard = (lab: AgentLab, task: string) =>
  lab.master.updates.map(({ status }) => status).filter((status) => status.task_id.value === task)

// ---- commands

test('a task that runs is found again, and is the same to everybody', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  const [before] = lab.world.ports('a').processes.running()
  await lab.restart()
  const [after] = lab.world.ports('a').processes.running()
  assert.is(after?.pid, before?.pid)
  assert.equal(reported(lab), ['t1'])
  assert.equal(lab.master.statusesOf('t1'), ['TASK_STARTING', 'TASK_RUNNING'])
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_KILLED')
  await lab.world.stop()
})

test('of a task that ended meanwhile the exit status is told', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('good', 'sleep 10'), commandTask('bad', 'sleep 10; exit 3')])
  await away(lab, () => lab.world.advance(20_000))
  await lab.world.advance(1000)
  assert.is(lab.outcome('good')[0], 'TASK_FINISHED')
  assert.is(lab.outcome('bad')[0], 'TASK_FAILED')
  assert.is(lab.master.lastStatus('bad')?.message, 'Command exited with status 3')
  await lab.world.stop()
})

test('of a task whose exit status is lost with its watcher it is said that it failed', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  const { disk, processes } = lab.world.ports('a')
  await away(lab, async () => {
    disk.setFaults({ fail: (operation) => (operation === 'write' ? 'IO' : undefined) })
    processes.kill(processes.running()[0]!.pid, 'SIGKILL', true)
    await lab.world.settle()
    disk.setFaults({})
  })
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  await lab.world.stop()
})

test('a task that had not been started is dropped, and can never start any more', async () => {
  const lab = await AgentLab.start()
  const { disk } = lab.world.ports('a')
  // Its record is written at once, its sandbox is not.
  disk.setFaults({ latencyMs: (operation) => (operation === 'makeDirectory' ? 1000 : 0) })
  await lab.run([forever('t1')])
  disk.setFaults({})
  await lab.restart()
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_DROPPED', 'REASON_AGENT_RESTARTED'])
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('whenever the agent dies, a task that it knew runs, or has ended once', async () => {
  const outcomes = new Set<string>()
  for (let ms = 0; ms <= 120; ms += 5) {
    const lab = await AgentLab.start()
    const { disk } = lab.world.ports('a')
    disk.setFaults({ latencyMs: () => 10 })
    await lab.run([forever('t1')])
    await lab.world.advance(ms)
    await lab.world.crash(lab.agent)
    disk.setFaults({})
    await lab.startAgent()
    const known = reported(lab).includes('t1') || heard(lab, 't1').length > 0
    await lab.world.advance(20_000)
    const ends = heard(lab, 't1').filter(({ state }) => isTerminal(state))
    const state = known ? lab.outcome('t1')[0] : 'unknown'
    assert.is(lab.alive.length, state === 'TASK_RUNNING' ? 1 : 0, `${state} after ${ms} ms`)
    assert.is(uuids(ends).size, known && lab.alive.length === 0 ? 1 : 0, `${state} after ${ms} ms`)
    outcomes.add(`${state}`)
    await lab.world.stop()
  }
  // Its record is written at once here: it is never unknown.
  assert.equal([...outcomes], ['TASK_DROPPED', 'TASK_RUNNING'])
})

test('a kill that was under way goes on', async () => {
  const lab = await AgentLab.start()
  const { processes } = lab.world.ports('a')
  processes.script(({ args }) => args[1]?.endsWith('deaf') === true, { onTerminate: 'ignore' })
  await lab.run([forever('deaf')])
  lab.master.kill(lab.node, 'deaf')
  await lab.world.settle()
  assert.is(lab.outcome('deaf')[0], 'TASK_KILLING')
  await lab.restart()
  await lab.world.advance(10_000)
  const states = ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']
  assert.equal(lab.master.statusesOf('deaf'), states)
  await lab.world.stop()
})

test('the time that a task may take runs on while nobody watches it', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1', { max_completion_time: { nanoseconds: 100e9 } })])
  await lab.world.advance(60_000)
  await away(lab, () => lab.world.advance(10_000))
  await lab.world.advance(27_000)
  assert.is(lab.outcome('t1')[0], 'TASK_RUNNING')
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_MAX_COMPLETION_TIME_REACHED'])
  await lab.world.stop()
})

test('the tasks of a framework that does not checkpoint end with the agent, all of them', async () => {
  const lab = await AgentLab.start()
  const framework_info = { ...testFramework, checkpoint: false }
  lab.master.acknowledges = false
  // The last one has ended, and its executor with it.
  await lab.run([forever('t1'), commandTask('t2', 'true')], { framework_info })
  await lab.world.advance(1)
  await lab.restart()
  await lab.world.advance(10_000)
  assert.equal(lab.alive, [])
  assert.equal(lab.report().frameworks, [])
  await lab.world.stop()
})

test('of a framework that is over nothing is told any more, whenever the agent dies', async () => {
  for (const dies of ['restart', 'reboot'] as const) {
    const lab = await AgentLab.start()
    const { processes } = lab.world.ports('a')
    processes.script(({ args }) => args[1]?.endsWith('deaf') === true, { onTerminate: 'ignore' })
    await lab.run([forever('deaf')])
    const { length } = lab.master.updates
    const end = { epoch: 1, framework_id: { value: 'F1' } }
    lab.master.send(lab.node, ShutdownFramework, end)
    await lab.world.settle()
    assert.is(lab.alive.length, 1)
    await lab[dies]()
    assert.equal(reported(lab), [])
    await lab.world.advance(10_000)
    assert.equal(lab.alive, [])
    assert.is(lab.master.updates.length, length)
    assert.equal(lab.kept, ['age', 'agent', 'boot'])
    await lab.world.stop()
  }
})

// ---- custom executors

/** A framework's program with one task, subscribed. */
async function withProgram(lab: AgentLab) {
  const executor = executorInfo('e1')
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  const task = executorTask('t1', executor)
  await lab.run([task], { executor })
  await program.subscribe()
  assert.equal(program.take(), ['SUBSCRIBED', 'LAUNCH t1'])
  return { executor, program, task }
}

test('an executor that outlived the agent is asked to subscribe, and goes on', async () => {
  const lab = await AgentLab.start()
  const { executor, program } = await withProgram(lab)
  await program.update('t1', 'TASK_RUNNING')
  program.take()
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.until(() => program.events.some(({ type }) => type === 'HEARTBEAT'), 1000)
  await program.subscribe()
  assert.is(program.take().at(-1), 'SUBSCRIBED')
  await program.update('t1', 'TASK_FINISHED')
  await lab.world.advance(5000)
  assert.is(lab.outcome('t1')[0], 'TASK_FINISHED')
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.is(program.take().at(-1), 'LAUNCH t2')
  await lab.world.stop()
})

test('an update that it repeats reaches the scheduler once, and takes nothing back', async () => {
  const lab = await AgentLab.start()
  const { program } = await withProgram(lab)
  const starting = await program.update('t1', 'TASK_STARTING')
  await program.update('t1', 'TASK_RUNNING')
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.settle()
  program.take()
  // The acknowledgement of the first was lost.
  await program.subscribe([], [starting])
  assert.equal(program.take(), ['SUBSCRIBED', 'ACKNOWLEDGED'])
  await lab.world.advance(5000)
  assert.equal(
    lab.report().tasks.map(({ state }) => state),
    ['TASK_RUNNING'],
  )
  assert.equal(lab.master.statusesOf('t1'), ['TASK_STARTING', 'TASK_RUNNING'])
  await lab.world.stop()
})

test('a task that did not reach its executor is dropped when that one is back', async () => {
  const lab = await AgentLab.start()
  const { program, task } = await withProgram(lab)
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.settle()
  // It has the first task, of which it told nothing yet; of the second it never heard.
  await program.subscribe([task])
  await lab.world.advance(5000)
  assert.equal(lab.master.statusesOf('t1'), [])
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.settle()
  await program.subscribe()
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_DROPPED', 'REASON_AGENT_RESTARTED'])
  await lab.world.stop()
})

test('a SUBSCRIBE to the agent before it was restarted drops nothing', async () => {
  const lab = await AgentLab.start()
  const { program, task } = await withProgram(lab)
  const { mark } = program
  await lab.world.crash(lab.agent)
  await lab.boot()
  await program.publish({ type: 'SUBSCRIBE', subscribe: { mark } })
  await lab.world.advance(4000)
  assert.equal(lab.outcome('t1'), [])
  program.take()
  await lab.world.until(() => program.events.some(({ type }) => type === 'HEARTBEAT'), 5000)
  await program.subscribe([task])
  await program.update('t1', 'TASK_RUNNING')
  assert.is(lab.master.lastStatus('t1')?.state, 'TASK_RUNNING')
  await lab.world.stop()
})

test('one that does not come back in time is destroyed, and its tasks are gone', async () => {
  const lab = await AgentLab.start({ executor_reregistration_timeout_ms: 2000 })
  const { program } = await withProgram(lab)
  await program.update('t1', 'TASK_RUNNING')
  await lab.restart()
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_GONE', 'REASON_EXECUTOR_REREGISTRATION_TIMEOUT'])
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('one that ended meanwhile takes its tasks along', async () => {
  const lab = await AgentLab.start()
  const { program } = await withProgram(lab)
  await program.update('t1', 'TASK_RUNNING')
  const { processes } = lab.world.ports('a')
  await away(lab, () => processes.kill(processes.running()[0]!.pid, 'SIGKILL', true))
  await lab.world.advance(5000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.is(lab.master.lastStatus('t1')?.message, 'the executor ended with status 137')
  await lab.world.stop()
})

test('one that has nothing to do just now is kept for what comes', async () => {
  const lab = await AgentLab.start()
  const { executor, program } = await withProgram(lab)
  await program.update('t1', 'TASK_FINISHED')
  await lab.world.crash(lab.agent)
  await lab.boot()
  await lab.world.settle()
  program.take()
  await program.subscribe()
  assert.equal(program.take(), ['SUBSCRIBED'])
  await lab.world.advance(10_000)
  await lab.run([executorTask('t2', executor)], { executor, launch_executor: false })
  assert.equal(program.take().slice(-1), ['LAUNCH t2'])
  await lab.world.stop()
})

// ---- the host and the work directory

test('after a reboot it is the same agent, and its tasks have failed', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  await lab.reboot()
  assert.is(lab.report().agent_info.id?.value, 'A1')
  await lab.world.advance(1000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.is(lab.master.lastStatus('t1')?.message, 'the host was restarted')
  await lab.restart()
  assert.equal(reported(lab), [])
  await lab.world.stop()
})

test('an executor that was idle when the host went down may be started again', async () => {
  const lab = await AgentLab.start()
  const { executor, program } = await withProgram(lab)
  await program.update('t1', 'TASK_FINISHED')
  await lab.reboot()
  assert.equal(lab.report().executors, [])
  await lab.run([executorTask('t2', executor)], { executor })
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.stop()
})

test('after a reboot with other resources it is another agent, with a past of its own', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  lab.master.heard.length = 0
  lab.master.updates.length = 0
  await lab.reboot({ resources: 'cpus:8;mem:1024;disk:1000' })
  assert.is(lab.master.heard[0]?.type, 'REGISTER_AGENT')
  await lab.world.advance(60_000)
  assert.equal(lab.master.updates, [])
  await lab.restart().then(
    () => assert.unreachable('it must not start with its first resources'),
    ({ code }: { code: string }) => assert.is(code, 'INCOMPATIBLE_AGENT'),
  )
  await lab.world.stop()
})

test('on the same boot it refuses to start with other resources, and says with which it did', async () => {
  const lab = await AgentLab.start()
  await lab.world.crash(lab.agent)
  await lab.startAgent({ resources: 'cpus:8;mem:1024;disk:1000' }).then(
    () => assert.unreachable('it must not start'),
    ({ code, message }: { code: string; message: string }) => {
      assert.is(code, 'INCOMPATIBLE_AGENT')
      assert.match(message, /cpus:4.*cpus:8/)
    },
  )
  await lab.startAgent()
  assert.is(lab.report().agent_info.id?.value, 'A1')
  await lab.world.stop()
})

test('a work directory that another agent uses is left alone', async () => {
  const lab = await AgentLab.start()
  await lab.boot().then(
    () => assert.unreachable('it must not start'),
    ({ code, message }: { code: string; message: string }) => {
      assert.is(code, 'USAGE')
      assert.match(message, /another agent uses the work directory \/a/)
    },
  )
  await lab.run([forever('t1')])
  assert.is(lab.outcome('t1')[0], 'TASK_RUNNING')
  await lab.world.stop()
})

test('a store that fails is never trusted again: the agent gives up, and its next life goes on', async () => {
  const lab = await AgentLab.start()
  await lab.run([forever('t1')])
  lab.world.ports('a').storage.failNextCommit('/a/meta')
  await lab.run([forever('t2')])
  await lab.world.advance(120_000)
  assert.is(lab.agent.whereis('agent'), undefined)
  assert.equal(lab.alive, ['sleep infinity; t1'])
  await lab.restart()
  assert.equal(reported(lab), ['t1'])
  await lab.world.stop()
})

test.run()
