/** When an agent comes (back) to a leader. Spec: agent.md §2, failover.md §2.8. */
import { AgentLab } from '../support/agent-lab.ts'
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

test.run()
