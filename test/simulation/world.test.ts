/** Faults and inhabitants of the simulated world are there: what they do is seen. */
import { virtualClock } from '../../src/runtime/ports/index.ts'
import { assert, suite } from '../support/suite.ts'
import { Air } from './air.ts'
import { drawPlan } from './draw.ts'
import type { Plan } from './plan.ts'
import { run } from './run.ts'

const test = suite('the simulated world')

/** A drawn world without faults or orders, whose frameworks have one habit. */
function calm(seed: string, habit: Plan['frameworks'][number]['habit']): Plan {
  const plan = drawPlan(seed)
  const frameworks = plan.frameworks.map((each) => ({ ...each, habit, killed: 0.5 }))
  return { ...plan, pace: 'brisk', chaosMs: 60_000, frameworks, faults: [], orders: [], lost: [] }
}

test('one bit of a message between nodes is turned, and of no other', () => {
  const plan = calm('flip', 'steady')
  const air = new Air({ ...plan, weather: { ...plan.weather, flip: 1 } }, virtualClock())
  const data = new Uint8Array(100)
  const bits = (subject: string) => {
    const arrived = air.arrived('agent-1', subject, data)
    return [...arrived].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  }
  assert.is(bits('meseta.pid.agent-1.agent'), 0)
  air.isBad = true
  assert.is(bits('meseta.pid.agent-1.agent'), 1)
  assert.is(bits('meseta.framework.f.event'), 0)
  assert.equal(data, new Uint8Array(100))
})

test('a frame that was changed on its way is refused', async () => {
  const plan = calm('flip', 'steady')
  const weather = { ...plan.weather, flip: 0.01 }
  const { failure, situations } = await run({ ...plan, weather })
  assert.is(failure, undefined)
  assert.ok((situations.get('a frame was refused') ?? 0) > 0)
})

test('executors of frameworks run tasks and groups, and come and go', async () => {
  const plan = calm('executors', 'executing')
  const kill = { type: 'kill', forMs: 500 } as const
  const faults = plan.agents.map(({ name }, index) => ({ ...kill, node: name, at: 10_000 * index }))
  const { failure, situations } = await run({ ...plan, faults })
  assert.is(failure, undefined)
  for (const situation of [
    'an executor is subscribed',
    'an executor is asked to subscribe again',
    'an executor is told to shut down',
    'an executor is told something by its framework',
    'an executor is said to have ended',
    'a group comes to its executor',
    'TASK_FINISHED',
    'TASK_KILLED',
  ])
    assert.ok((situations.get(situation) ?? 0) > 0, `never: ${situation}`)
})

test.run()
