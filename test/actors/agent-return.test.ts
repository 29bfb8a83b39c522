/** When an agent comes (back) to a leader. Spec: agent.md §2, failover.md §2.8. */
import { ShutdownAgent } from '../../protocol/agent.ts'
import { failure } from '../../protocol/errors.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { ExecutorProgram, executorInfo, executorTask } from '../support/executor-program.ts'
import { create, reserve, reserved, volume } from '../support/operations.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: return')
const ownBackoffMs = 100

/** How long each of some starts of an agent takes to register, ms. */
async function registrations(lab: AgentLab, count: number): Promise<number[]> {
  const { clock } = lab.world
  const took: number[] = []
  for (let index = 0; index < count; index++) {
    const begin = clock.monotonic()
    await lab.restart()
    took.push(clock.monotonic() - begin)
  }
  return took
}

test('an agent takes its time when the leader has many to take back', async () => {
  const lab = await AgentLab.start({ registration_backoff_ms: ownBackoffMs })
  const few = await registrations(lab, 8)
  lab.master.spreadMs = 5000
  const many = await registrations(lab, 8)
  assert.ok(Math.max(...few) < 1000, `${few}`)
  assert.ok(Math.max(...many) > 2000, `${many}`)
  assert.ok(Math.max(...many) < 6000, `${many}`)
  await lab.world.stop()
})

/** How old the agent has said that its disk is. */
function ages(lab: AgentLab): number[] {
  return lab.master.heard.flatMap(({ type, body }) =>
    type === 'DISK_AGED' ? [(body as { disk_age: number }).disk_age] : [],
  )
}

test('a disk grows older at each registration and every five minutes, and this is on it when it is told', async () => {
  const lab = await AgentLab.start()
  assert.equal(ages(lab), [1])
  for (let minutes = 0; minutes < 10; minutes++) {
    await lab.world.advance(60_000)
    lab.master.ping(lab.node)
  }
  assert.equal(ages(lab), [1, 2, 3])
  await lab.restart()
  await lab.world.advance(5000)
  assert.is(lab.report().disk_age, 3)
  assert.equal(ages(lab), [1, 2, 3, 4])
  await lab.world.stop()
})

test('an agent whose disk was older once ends, leaves all as it is, and tells nobody anything', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity')])
  const copy = lab.world.ports('a').storage.backup()
  await lab.restart()
  await lab.world.advance(5000)
  const known = Math.max(...ages(lab))
  await lab.world.crash(lab.agent)
  copy.restore()
  lab.master.updates.length = 0
  lab.master.refusal = failure('OLD_COPY', { agent_id: 'A1', disk_age: known - 1, known })
  for (let starts = 0; starts < 2; starts++) {
    await lab.boot()
    await lab.world.advance(10_000)
    assert.is(lab.report().disk_age, known - 1)
    assert.is(lab.agent.whereis('agent'), undefined)
    assert.is(lab.alive.length, 1)
    await lab.world.crash(lab.agent)
  }
  assert.equal(lab.master.updates, [])
  await lab.world.stop()
})

test('an agent that is refused for what it has said itself registers again', async () => {
  const lab = await AgentLab.start()
  const known = Math.max(...ages(lab))
  lab.master.refusal = failure('OLD_COPY', { agent_id: 'A1', disk_age: known - 1, known })
  lab.master.ping(lab.node, false)
  await lab.world.advance(10_000)
  lab.master.refusal = undefined
  await lab.world.until(() => ages(lab).includes(known + 1), 10_000)
  await lab.world.stop()
})

/** An agent with all that it can have, whose task does not end soon when it is told to; and its end is ordered. */
async function leaving(): Promise<AgentLab> {
  const lab = await AgentLab.start()
  const { processes } = lab.world.ports('a')
  processes.script(({ args }) => args.at(-1) === 'deaf', { onTerminate: 'ignore' })
  lab.master.acknowledges = false
  const executor = executorInfo('e1')
  await ExecutorProgram.start(lab.world, lab.node, 'e1')
  await lab.run([commandTask('t1', 'deaf'), commandTask('t2', 'true')])
  await lab.run([executorTask('t3', executor)], { executor })
  await lab.done(reserve(reserved('disk', 100)))
  await lab.done(create(volume('v1', 40)))
  await lab.world.advance(5000)
  lab.master.send(lab.node, ShutdownAgent, { epoch: 1, message: 'you are gone' })
  await lab.world.settle()
  assert.is(lab.alive.length, 2)
  lab.master.heard.length = 0
  lab.master.updates.length = 0
  return lab
}

test('told to leave, it comes back as another agent, whenever it died and with whatever settings', async () => {
  const ways: Record<string, (lab: AgentLab) => Promise<void>> = {
    async 'when all had ended'(lab) {
      await lab.world.advance(10_000)
      assert.is(lab.agent.whereis('agent'), undefined)
      await lab.startAgent()
    },
    'while its tasks were ending': (lab) => lab.restart(),
    'by a power failure': (lab) => lab.reboot(),
    async 'with more resources'(lab) {
      await lab.world.crash(lab.agent)
      await lab.startAgent({ resources: 'cpus:8;mem:1024;disk:1000' })
    },
  }
  for (const [way, comeBack] of Object.entries(ways)) {
    const lab = await leaving()
    await comeBack(lab)
    assert.is(lab.master.heard[0]?.type, 'REGISTER_AGENT', way)
    assert.equal(lab.alive, [], way)
    await lab.world.advance(60_000)
    assert.equal(lab.master.updates, [], way)
    assert.equal(lab.updates(), [], way)
    assert.match(lab.total, /v1/, way)
    assert.equal(lab.kept, ['age', 'agent', 'boot', 'resources'], way)
    await lab.world.stop()
  }
})

test.run()
