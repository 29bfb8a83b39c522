/** An agent that lends what is idle, and takes it back. Spec: agent.md §10. */
import type { UpdateOversubscribed } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { formatResources, resources } from '../../src/resources/index.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: lends and takes back')
const REVOCABLE = { name: 'cpus', type: 'SCALAR', scalar: { value: 0.5 }, revocable: {} } as const

/** Says how busy the host is from now on: ticks since its start, of one processor in two. */
async function busy(lab: AgentLab, busyTicks: number, idleTicks: number): Promise<void> {
  const { disk } = lab.world.ports('a')
  const write = (path: string, text: string) => disk.writeFile(path, new TextEncoder().encode(text))
  await lab.world.run(disk.makeDirectory('/proc'))
  const cpus = 'cpu0 0\ncpu1 0\ncpu2 0\ncpu3 0\n'
  await lab.world.run(
    write('/proc/stat', `cpu  ${busyTicks} 0 0 ${idleTicks} 0 0 0 0 0 0\n${cpus}`),
  )
  await lab.world.run(write('/proc/meminfo', 'MemTotal: 1024 kB\nMemAvailable: 1024 kB\n'))
}

/** Runs tasks that go on until they are killed. */
async function run(lab: AgentLab, ...tasks: TaskInfo[]): Promise<void> {
  lab.world.ports('a').processes.script(({ record }) => record !== undefined, {})
  lab.master.run(lab.node, tasks)
  await lab.world.settle()
}

function lent(lab: AgentLab): string[] {
  return lab
    .of<Payload<typeof UpdateOversubscribed>>('UPDATE_OVERSUBSCRIBED')
    .map((body) => formatResources(resources(body.resources)))
}

test('what is lent is part of each report, and told once more after it', async () => {
  const lab = await AgentLab.start({
    resource_estimator: 'fixed',
    oversubscribed_resources: 'cpus:2',
  })
  assert.match(lab.total, /cpus:4.*cpus\{REV\}:2/)
  await run(lab, commandTask('t1', 'sleep 1000', { resources: [REVOCABLE] }))
  await lab.world.advance(60_000)
  // Half a processor of the two is in use: two in all, as before.
  assert.equal(lent(lab), ['cpus{REV}:2'])
  lab.master.kill(lab.node, 't1', 0)
  await lab.world.advance(5_000)
  await lab.world.stop()
})

test('what is looked up while a report is on its way is told after it', async () => {
  const lab = await AgentLab.start({
    resource_estimator: 'fixed',
    oversubscribed_resources: 'cpus:2',
  })
  await lab.world.crash(lab.agent)
  const { disk } = lab.world.ports('a')
  const readFile = disk.readFile.bind(disk)
  let look = () => {}
  const held = new Promise<void>((resolve) => {
    look = resolve
  })
  disk.readFile = async (path) => {
    if (path.startsWith('/proc/')) await held
    return readFile(path)
  }
  lab.master.agents.clear()
  await lab.boot()
  await lab.world.until(() => lab.master.agents.size > 0, 10_000)
  assert.not.match(lab.total, 'REV')
  const before = lent(lab).length
  // The master has answered, and the answer is not there yet.
  look()
  await lab.world.advance(1_000)
  assert.equal(lent(lab).slice(before), ['cpus{REV}:2'])
  await lab.world.stop()
})

test('it lends what tasks hold and the host does not use', async () => {
  const lab = await AgentLab.start({ resource_estimator: 'usage' })
  assert.not.match(lab.total, 'REV')
  await busy(lab, 0, 0)
  const resources = [{ name: 'cpus', type: 'SCALAR' as const, scalar: { value: 3 } }]
  await run(lab, commandTask('t1', 'sleep 1000', { resources }))
  await lab.world.advance(15_000)
  await busy(lab, 100, 300)
  await lab.world.advance(15_000)
  // 3 are held, 1 is busy, 0.4 is headroom.
  assert.equal(lent(lab).slice(1), ['cpus{REV}:1.6'])
  lab.master.kill(lab.node, 't1', 0)
  await lab.world.advance(30_000)
  assert.equal(lent(lab).at(-1), 'nothing')
  await lab.world.stop()
})

test('when the host is busy a borrower is killed, and ends as preempted', async () => {
  const lab = await AgentLab.start({ qos_controller: 'usage' })
  await busy(lab, 0, 0)
  await run(
    lab,
    commandTask('borrower', 'sleep 1000', { resources: [REVOCABLE] }),
    commandTask('owner', 'sleep 1000'),
  )
  await lab.world.advance(15_000)
  await busy(lab, 10, 390)
  await lab.world.advance(15_000)
  assert.is(lab.master.statusesOf('borrower').at(-1), 'TASK_RUNNING')
  await busy(lab, 400, 400)
  await lab.world.advance(30_000)
  assert.is(lab.master.lastStatus('borrower')?.state, 'TASK_GONE')
  assert.is(lab.master.lastStatus('borrower')?.reason, 'REASON_CONTAINER_PREEMPTED')
  assert.is(lab.master.statusesOf('owner').at(-1), 'TASK_RUNNING')
  lab.master.kill(lab.node, 'owner', 0)
  await lab.world.advance(5_000)
  await lab.world.stop()
})

test.run()
