/** How long an agent keeps the sandboxes of what has ended. Spec: agent.md §9, §15 invariant 7. */
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: sandboxes')
const FRAMEWORK = '/a/slaves/A1/frameworks/F1'
const SANDBOXES = `${FRAMEWORK}/executors`
const hour = 3_600_000
/** Nine tenths of the delay, as one tenth of an empty disk is to stay free. */
const keptMs = 0.9 * hour
/** The disk is looked at once a minute. */
const roundMs = 60_000

function start(more: object = {}): Promise<AgentLab> {
  return AgentLab.start({ gc_delay_ms: hour, ...more })
}

/** Runs tasks that end at once. */
async function runShort(lab: AgentLab, ...ids: string[]): Promise<void> {
  await lab.run(ids.map((id) => commandTask(id, 'true')))
  await lab.world.advance(1000)
  for (const id of ids) assert.is(lab.outcome(id)[0], 'TASK_FINISHED')
}

/** Lets time pass with a master that is heard of. */
async function pass(lab: AgentLab, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= roundMs) {
    lab.master.ping(lab.node)
    await lab.world.advance(Math.min(left, roundMs))
  }
}

test('what has ended is kept for a while, then goes with the directories around it', async () => {
  const lab = await start()
  await lab.run([commandTask('lives', 'sleep infinity')])
  await runShort(lab, 't1')
  await pass(lab, keptMs - roundMs)
  assert.ok(await lab.exists(`${SANDBOXES}/t1/runs/latest/stdout`))
  await pass(lab, 3 * roundMs)
  assert.not(await lab.exists(`${SANDBOXES}/t1`))
  assert.ok(await lab.exists(`${SANDBOXES}/lives/runs/latest/stdout`))
  lab.master.kill(lab.node, 'lives')
  await pass(lab, keptMs + 2 * roundMs)
  assert.not(await lab.exists(FRAMEWORK))
  await lab.world.stop()
})

test('the fuller the disk, the less is kept', async () => {
  const lab = await start()
  const { disk } = lab.world.ports('a')
  await runShort(lab, 't1')
  await pass(lab, 2 * roundMs)
  assert.ok(await lab.exists(`${SANDBOXES}/t1`))
  disk.setCapacity(1_000_000)
  await lab.world.run(disk.writeFile('/full', new Uint8Array(950_000)))
  await pass(lab, 2 * roundMs)
  assert.not(await lab.exists(FRAMEWORK))
  await lab.world.stop()
})

test('an executor keeps its place as long as it lives, idle or not', async () => {
  const lab = await start()
  const executor = executorInfo('e1')
  const program = await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([executorTask('t1', executor)], { executor })
  await program.subscribe()
  await program.update('t1', 'TASK_FINISHED')
  await pass(lab, 3 * hour)
  assert.ok(await lab.exists(`${SANDBOXES}/e1/runs/latest`))
  assert.equal(lab.alive, ['sleep infinity; e1'])
  await lab.world.stop()
})

test('an older run of the same name goes, the one that lives stays', async () => {
  const lab = await start()
  const { disk } = lab.world.ports('a')
  await runShort(lab, 't1')
  const older = await lab.world.run(disk.readlink(`${SANDBOXES}/t1/runs/latest`))
  await pass(lab, hour / 2)
  await lab.run([commandTask('t1', 'sleep infinity')])
  await pass(lab, hour)
  assert.not(await lab.exists(`${SANDBOXES}/t1/runs/${older}`))
  assert.ok(await lab.exists(`${SANDBOXES}/t1/runs/latest/stdout`))
  await lab.world.stop()
})

test('what former lives left is as old as it is', async () => {
  const lab = await start()
  await lab.run([commandTask('lives', 'sleep infinity')])
  await runShort(lab, 't1')
  await pass(lab, hour / 2)
  await lab.restart()
  await pass(lab, hour / 4)
  assert.ok(await lab.exists(`${SANDBOXES}/t1`))
  await pass(lab, hour / 4)
  assert.not(await lab.exists(`${SANDBOXES}/t1`))
  assert.ok(await lab.exists(`${SANDBOXES}/lives`))
  await lab.world.stop()
})

test('the directories of an agent that was here before go as well', async () => {
  const lab = await start()
  const { disk } = lab.world.ports('a')
  await lab.world.run(disk.makeDirectory('/a/slaves/A0/frameworks/F1/executors/t1'))
  await lab.restart()
  await pass(lab, keptMs - roundMs)
  assert.ok(await lab.exists('/a/slaves/A0'))
  await pass(lab, 3 * roundMs)
  assert.not(await lab.exists('/a/slaves/A0'))
  await lab.world.stop()
})

test('while the place of an executor is being removed, none of its name is started there', async () => {
  const lab = await start()
  await runShort(lab, 't1')
  const latencyMs = (operation: string) => (operation === 'removeTree' ? 10_000 : 0)
  lab.world.ports('a').disk.setFaults({ latencyMs })
  await pass(lab, keptMs - 5000)
  await lab.world.until(
    () => lab.world.ports('a').log.lines.some(({ message }) => /^removing/.test(message)),
    2 * roundMs,
  )
  await lab.run([commandTask('t1', 'sleep infinity')])
  assert.equal(lab.outcome('t1'), ['TASK_DROPPED', 'REASON_GC_ERROR'])
  await pass(lab, roundMs)
  await lab.run([commandTask('t1', 'sleep infinity')])
  assert.is(lab.outcome('t1')[0], 'TASK_RUNNING')
  await lab.world.stop()
})

test.run()
