/** An agent whose disk does not hold what was written. Spec: simulation.md §5; agent.md §4. */
import { stream } from '../../src/runtime/ports/index.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: corruption')

type Damage = 'flipBit' | 'readStale'

/** An agent with a task, and what it says when it is started again on a store that was damaged. */
async function damaged(damage: Damage, seed: number) {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep 1')])
  const { storage } = lab.world.ports('a')
  await lab.world.crash(lab.agent)
  assert.ok(storage[damage]('/a/meta', stream(seed, damage)))
  const { length } = lab.master.heard
  const refusal = await lab.boot().then(
    async () => {
      await lab.world.advance(10_000)
      return lab.world.troubles('a').map(({ fields }) => `${fields.stack}`)
    },
    (error: Error) => [error.message],
  )
  assert.is(lab.master.heard.length, length)
  return { lab, refusal }
}

for (const [damage, what] of [
  ['flipBit', 'whichever bit of its store was flipped'],
  ['readStale', 'whatever it reads as it was before it was replaced'],
] as const) {
  test(`${what}, it says so and does not register`, async () => {
    for (let seed = 0; seed < 10; seed++) {
      const { lab, refusal } = await damaged(damage, seed)
      assert.ok(
        refusal.some((text) => text.includes('store /a/meta is corrupt')),
        `seed ${seed}: ${refusal}`,
      )
      await lab.world.advance(10_000)
      await lab.world.stop()
    }
  })
}

test('an agent that has read what was there before goes on when it is started once more', async () => {
  const { lab } = await damaged('readStale', 1)
  const { length } = lab.master.heard
  await lab.boot()
  await lab.world.advance(5000)
  assert.ok(lab.master.heard.length > length)
  await lab.world.stop()
})

test.run()
