/** When an agent comes (back) to a leader. Spec: agent.md §2, failover.md §2.8. */
import { ShutdownAgent } from '../../protocol/agent.ts'
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
  await lab.world.advance(1)
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
    assert.equal(lab.kept, ['agent', 'boot', 'resources'], way)
    await lab.world.stop()
  }
})

test.run()
