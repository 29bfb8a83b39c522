/** An agent whose disk does not hold what was written. Spec: simulation.md §5; agent.md §4. */
import { stream } from '../../src/runtime/ports/index.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: corruption')

test('whichever bit of its store was flipped, it says so and does not register', async () => {
  for (let seed = 0; seed < 10; seed++) {
    const lab = await AgentLab.start()
    await lab.run([commandTask('t1', 'sleep 1')])
    const { storage } = lab.world.ports('a')
    await lab.world.crash(lab.agent)
    assert.ok(storage.flipBit('/a/meta', stream(seed, 'flip')))
    const { length } = lab.master.heard
    const refusal = await lab.boot().then(
      async () => {
        await lab.world.advance(10_000)
        return lab.world.troubles('a').map(({ fields }) => `${fields.stack}`)
      },
      (error: Error) => [error.message],
    )
    assert.ok(
      refusal.some((text) => text.includes('does not match its checksum')),
      `seed ${seed}: ${refusal}`,
    )
    assert.is(lab.master.heard.length, length)
    await lab.world.advance(10_000)
    await lab.world.stop()
  }
})

test.run()
