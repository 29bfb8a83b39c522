/** An agent that is stopped in order, and its tasks. Spec: agent.md §2; docs/operating.md, "The agents". */
import { ShutdownAgent, ShutdownFramework } from '../../protocol/agent.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: stops')
const forever = (id: string, more: Partial<TaskInfo> = {}) =>
  commandTask(id, `sleep infinity; ${id}`, more)
const graceMs = 5000

function start(more: object = {}): Promise<AgentLab> {
  const options = { kill_tasks_on_stop: true, executor_shutdown_grace_ms: graceMs }
  return AgentLab.start({ ...options, ...more })
}

/** Commands that end in `deaf` do not mind SIGTERM. */
function deafen(lab: AgentLab): void {
  const isDeaf = ({ args }: { readonly args: readonly string[] }) =>
    args[1]?.endsWith('deaf') === true
  lab.world.ports('a').processes.script(isDeaf, { onTerminate: 'ignore' })
}

/** How long the agent takes to stop, ms. */
async function stopping(lab: AgentLab, meanwhile: () => unknown = () => undefined) {
  const { clock } = lab.world
  const begin = clock.monotonic()
  const stopped = lab.agent.stop().then(() => clock.monotonic() - begin)
  await lab.world.settle()
  await meanwhile()
  return lab.world.run(stopped)
}

test('unless told otherwise it leaves its tasks running, and finds them again', async () => {
  const lab = await start({ kill_tasks_on_stop: false })
  await lab.run([forever('t1')])
  assert.is(await stopping(lab), 0)
  assert.equal(lab.alive, ['sleep infinity; t1'])
  await lab.startAgent()
  assert.equal(lab.master.statusesOf('t1'), ['TASK_STARTING', 'TASK_RUNNING'])
  await lab.world.stop()
})

test('told to end its tasks it goes when all are acknowledged as killed', async () => {
  const lab = await start()
  await lab.run([forever('t1'), forever('t2')])
  assert.ok((await stopping(lab)) < 1000)
  assert.equal(lab.alive, [])
  for (const id of ['t1', 't2']) {
    const states = ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']
    assert.equal(lab.master.statusesOf(id), states)
  }
  await lab.startAgent()
  assert.equal(lab.report().tasks, [])
  await lab.world.stop()
})

test('without tasks it goes at once, known to a master or not', async () => {
  const lab = await start()
  assert.is(await stopping(lab), 0)
  await lab.world.crash(lab.node)
  await lab.boot()
  await lab.world.advance(5000)
  assert.is(await stopping(lab), 0)
  await lab.world.stop()
})

test('tasks have their own grace period, but none a longer one than the agent', async () => {
  const lab = await start()
  deafen(lab)
  const grace = (seconds: number) => ({ grace_period: { nanoseconds: seconds * 1e9 } })
  const short = forever('short-deaf', { kill_policy: grace(1) })
  await lab.run([short, forever('long-deaf', { kill_policy: grace(60) })])
  const took = await stopping(lab, async () => {
    await lab.world.advance(900)
    assert.is(lab.alive.length, 2)
    await lab.world.advance(200)
    assert.equal(lab.alive, ['sleep infinity; long-deaf'])
  })
  assert.ok(took >= graceMs && took < graceMs + 1000, `${took}`)
  assert.is(lab.outcome('short-deaf')[0], 'TASK_KILLED')
  assert.is(lab.outcome('long-deaf')[0], 'TASK_KILLED')
  await lab.world.stop()
})

test('a kill that is under way takes no longer for that, nor a shutdown of a framework', async () => {
  const lab = await start()
  deafen(lab)
  const executor = executorInfo('e1', { shutdown_grace_period: { nanoseconds: 60e9 } })
  await lab.run([forever('deaf')])
  lab.master.kill(lab.node, 'deaf', 60_000)
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  const framework_info = { user: 'root', name: 'other', id: { value: 'F2' }, checkpoint: true }
  await lab.run([executorTask('t1', executor)], { framework_info, executor })
  lab.master.send(lab.node, ShutdownFramework, { epoch: 1, framework_id: { value: 'F2' } })
  await lab.world.settle()
  assert.is(lab.alive.length, 2)
  const took = await stopping(lab)
  assert.ok(took >= graceMs && took < graceMs + 1000, `${took}`)
  assert.equal(lab.alive, [])
  assert.is(lab.outcome('deaf')[0], 'TASK_KILLED')
  assert.equal(program.take(), [])
  await lab.world.stop()
})

test('while its tasks end it takes no others', async () => {
  const lab = await start()
  deafen(lab)
  await lab.run([forever('deaf')])
  await stopping(lab, () => lab.run([forever('late')]))
  assert.equal(lab.outcome('late'), ['TASK_DROPPED', 'REASON_AGENT_DRAINING'])
  await lab.world.stop()
})

test('tasks that were about to start are killed before they do', async () => {
  const lab = await start()
  const latencyMs = (operation: string) => (operation === 'makeDirectory' ? 100 : 0)
  lab.world.ports('a').disk.setFaults({ latencyMs })
  await lab.run([forever('t1')])
  assert.ok((await stopping(lab)) < 1000)
  assert.equal(lab.outcome('t1'), ['TASK_KILLED', 'REASON_TASK_KILLED_DURING_LAUNCH'])
  await lab.world.advance(1000)
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('it waits for acknowledgements only so long, and delivers the rest at its next start', async () => {
  const lab = await start()
  await lab.run([forever('t1')])
  lab.master.acknowledges = false
  const took = await stopping(lab)
  assert.ok(took >= 2000 && took < 3000, `${took}`)
  // The first of those that are not acknowledged is all that the scheduler may see.
  assert.is(lab.outcome('t1')[0], 'TASK_KILLING')
  lab.master.acknowledges = true
  await lab.startAgent()
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_KILLED')
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('every acknowledgement gives it time for the next', async () => {
  const lab = await start()
  await lab.run([forever('t1'), forever('t2')])
  lab.master.acknowledges = false
  const acknowledgeNext = async (task: string) => {
    await lab.world.advance(1500)
    lab.master.acknowledge(lab.node, lab.master.lastStatus(task)!)
    await lab.world.settle()
  }
  const took = await stopping(lab, async () => {
    for (const task of ['t1', 't1', 't2', 't2']) await acknowledgeNext(task)
  })
  assert.ok(took >= 6000 && took < 7000, `${took}`)
  assert.is(lab.outcome('t2')[0], 'TASK_KILLED')
  await lab.world.stop()
})

test('without a leader it ends its tasks all the same, and tells the next one', async () => {
  const lab = await start()
  await lab.run([forever('t1')])
  lab.master.answers = false
  lab.master.ping(lab.node, false)
  lab.master.admits = false
  await lab.world.advance(1000)
  assert.ok((await stopping(lab)) < 3000)
  assert.equal(lab.alive, [])
  lab.master.answers = true
  lab.master.admits = true
  await lab.startAgent()
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_KILLED')
  await lab.world.stop()
})

test('an executor is told to shut down, and what it says of its tasks is delivered', async () => {
  const lab = await start()
  const executor = executorInfo('e1', { shutdown_grace_period: { nanoseconds: 60e9 } })
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor), executorTask('t2', executor)], { executor })
  await program.subscribe()
  const took = await stopping(lab, async () => {
    assert.is(program.take().at(-1), 'SHUTDOWN')
    await program.update('t1', 'TASK_KILLED')
  })
  assert.ok(took >= graceMs && took < graceMs + 1000, `${took}`)
  assert.is(lab.outcome('t1')[0], 'TASK_KILLED')
  assert.equal(lab.outcome('t2'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.equal(lab.alive, [])
  await lab.world.stop()
})

test('stopped before it knows what runs, it finds that first', async () => {
  const lab = await start()
  await lab.run([forever('t1')])
  await lab.world.crash(lab.agent)
  lab.world.ports('a').disk.setFaults({ latencyMs: () => 20 })
  await lab.boot()
  assert.ok((await stopping(lab)) < 5000)
  assert.equal(lab.alive, [])
  lab.world.ports('a').disk.setFaults({})
  await lab.startAgent()
  await lab.world.advance(1000)
  assert.is(lab.outcome('t1')[0], 'TASK_KILLED')
  await lab.world.stop()
})

test('one that ends at its master’s word is not hurried by being stopped as well', async () => {
  const lab = await start({ kill_tasks_on_stop: false })
  deafen(lab)
  await lab.run([forever('deaf')])
  const { length } = lab.master.updates
  lab.master.send(lab.node, ShutdownAgent, { epoch: 1, message: 'removed' })
  await lab.world.settle()
  const took = await stopping(lab)
  assert.ok(took >= 3000 && took < 4000, `${took}`)
  assert.equal(lab.alive, [])
  assert.is(lab.master.updates.length, length)
  await lab.world.stop()
})

test.run()
