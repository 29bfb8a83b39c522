/** Faults and inhabitants of the simulated world are there: what they do is seen. */
import { virtualClock } from '../../src/runtime/ports/index.ts'
import { memoryBroker } from '../../src/transport/memory.ts'
import { assert, suite } from '../support/suite.ts'
import { Air } from './air.ts'
import { drawPlan } from './draw.ts'
import { SimulatedHost } from './host.ts'
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

test('a program that is being started, or runs, is not started twice, and one that was killed is', async () => {
  const clock = virtualClock()
  let lives = 0
  const host = new SimulatedHost({
    name: 'a',
    seed: 'lives',
    clock,
    broker: memoryBroker({ clock }),
    log: { write: () => undefined },
    restartMs: 1000,
    commitMs: () => 0,
    diskMs: () => 0,
    arrived: (_, data) => data,
    async program() {
      lives++
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 100))
      return []
    },
    onLife: () => undefined,
    onEvent: (_, what) => assert.unreachable(what),
  })
  const startTwice = async () => {
    host.start()
    await clock.advance(50)
    host.start()
    await clock.advance(1000)
    host.start()
    assert.ok(host.isUp)
  }
  await startTwice()
  assert.is(lives, 1)
  host.kill()
  await startTwice()
  assert.is(lives, 2)
  host.kill()
  await clock.advance(5000)
})

/** How long the tasks of a framework took from their launch to the first word of them, ms, in order. */
async function latenciesOf(framework: string, plan: Plan): Promise<number[]> {
  const launched = new Map<string, number>()
  const latencies: number[] = []
  const print = (line: string) => {
    const [seconds = '', , who, kind, task = ''] = line.trim().split(' ')
    if (who !== `${framework}-id`) return
    const ms = 1000 * Number(seconds)
    if (kind === 'launches') launched.set(task, ms)
    const sinceMs = kind === 'hears' ? launched.get(task) : undefined
    if (sinceMs === undefined) return
    launched.delete(task)
    latencies.push(ms - sinceMs)
  }
  const { failure } = await run(plan, { print })
  assert.is(failure, undefined)
  return latencies.sort((a, b) => a - b)
}

test('hostile frameworks beside it hardly slow another one (X1)', async () => {
  const { agents, frameworks, ...drawn } = calm('latency', 'steady')
  const [first] = frameworks
  const steady = { ...first!, name: 'framework-1', role: '*', tasks: 60, everyMs: 500, killed: 0 }
  const others = (habit: 'steady' | 'hostile') =>
    ['framework-2', 'framework-3', 'framework-4'].map((name) => ({
      ...steady,
      name,
      habit,
      tasks: 500,
    }))
  // Where turns take no time, nobody has to wait for anybody.
  const slow = { type: 'slow', node: 'master-1', at: 0, forMs: 60_000 } as const
  const weather = { tail: 0, drop: 0, duplicate: 0, reorder: 0, flip: 0, commitMs: 5, diskMs: 0 }
  const beside = (neighbours: Plan['frameworks']) =>
    latenciesOf('framework-1', {
      ...drawn,
      weather: { ...weather, latencyMs: 1 },
      masters: ['master-1'],
      agents: agents.map((agent) => ({ ...agent, cpus: 16, mem: 4096 })),
      frameworks: [steady, ...neighbours],
      faults: [slow],
    })
  const p99 = (all: readonly number[]) => all[Math.floor(0.99 * all.length)] ?? 0
  const calmMs = p99(await beside(others('steady')))
  const hurtMs = p99(await beside(others('hostile')))
  assert.ok(calmMs > 50, `${calmMs} ms when it is calm`)
  assert.ok(hurtMs <= 5 * calmMs, `${hurtMs} ms beside hostile ones, ${calmMs} ms when it is calm`)
})

test.run()
