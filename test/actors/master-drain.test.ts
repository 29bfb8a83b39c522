/** Agents that operators take out of service. Spec: states.md §4.3, master.md §7, §13; operator-api.md §B.1. */
import { DrainAgent, ShutdownAgent } from '../../protocol/agent.ts'
import type { Task } from '../../protocol/v1/index.ts'
import {
  launch,
  type MasterWorld,
  masterWorld,
  scalar,
  type TestAgent,
  type TestFramework,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: draining')
const AWARE = { checkpoint: true, capabilities: [{ type: 'PARTITION_AWARE' as const }] }

/** One call about an agent. */
function administer(m: MasterWorld, type: string, agent: TestAgent, more: object = {}) {
  const payload = { agent_id: { value: agent.id }, ...more }
  return m.operate({ type, [type.toLowerCase()]: payload })
}

async function drain(m: MasterWorld, agent: TestAgent, more: object = {}) {
  assert.equal(await administer(m, 'DRAIN_AGENT', agent, more), {})
}

async function stateOf(m: MasterWorld, agent: TestAgent) {
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  const found = get_agents.agents.find(
    (each: { agent_info: { id: { value: string } } }) => each.agent_info.id.value === agent.id,
  )
  return found && [found.active, found.deactivated, found.drain_info?.state]
}

async function running(m: MasterWorld, framework: TestFramework, agent: TestAgent) {
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer))])
  await agent.update(framework, 't1', 'TASK_RUNNING')
  await m.world.settle()
}

/** The end of the task, with its acknowledgement. */
async function end(framework: TestFramework, agent: TestAgent) {
  await agent.update(framework, 't1', 'TASK_KILLED', { uuid: 2 })
  const uuid = new Uint8Array(16).fill(2)
  const ids = { agent_id: { value: agent.id }, task_id: { value: 't1' } }
  await framework.call('ACKNOWLEDGE', { acknowledge: { ...ids, uuid } })
}

function reported(framework: TestFramework, agent: TestAgent): Task {
  return {
    name: 't1',
    task_id: { value: 't1' },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    state: 'TASK_RUNNING',
    resources: [{ ...scalar('cpus', 1), allocation_info: { role: '*' } }],
  }
}

test('an agent drains until its last task is acknowledged, and is not offered', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  await running(m, framework, agent)
  await framework.offer()
  await drain(m, agent, { max_grace_period: { seconds: 5 } })
  assert.is(framework.offers.length, 0)
  const config = { max_grace_period: { nanoseconds: 5e9 }, mark_gone: false }
  assert.equal(agent.got(DrainAgent), [{ epoch: 1, config }])
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINING'])
  await agent.update(framework, 't1', 'TASK_KILLED', { uuid: 2 })
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINING'])
  await end(framework, agent)
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINED'])
  await m.world.advance(5000)
  assert.is(framework.offers.length, 0)
  await m.stop()
})

test('an agent without tasks is drained at once, and offered again after it is reactivated', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  await drain(m, agent)
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINED'])
  assert.equal(await administer(m, 'REACTIVATE_AGENT', agent), {})
  assert.equal(await stateOf(m, agent), [true, false, undefined])
  assert.equal(agent.got(DrainAgent).at(-1), { epoch: 1 })
  await framework.offer()
  await m.stop()
})

test('an agent that drains says since when, as far as this master has told it', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  await running(m, framework, agent)
  const since = async () => {
    const [found] = (await m.operate({ type: 'GET_AGENTS' })).get_agents.agents
    return found.estimated_drain_start_time?.nanoseconds
  }
  assert.is(await since(), undefined)
  await m.world.advance(1000)
  const nowMs = Math.round(m.world.clock.now())
  await drain(m, agent)
  await m.world.advance(5000)
  const told = await since()
  assert.ok(told >= nowMs * 1e6 && told < (nowMs + 1000) * 1e6, `${told} of ${nowMs} ms`)
  await end(framework, agent)
  assert.is(await since(), told)
  await administer(m, 'REACTIVATE_AGENT', agent)
  assert.is(await since(), undefined)
  await m.stop()
})

test('an agent that drains goes on with it after a failover of the master', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await drain(m, agent)
  await m.failOver()
  await agent.reregister([reported(framework, agent)], [framework.info])
  assert.is(agent.got(DrainAgent).length, 2)
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINING'])
  await framework.subscribe()
  await m.world.advance(5000)
  assert.is(framework.offers.length, 0)
  await end(framework, agent)
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINED'])
  await m.failOver()
  await agent.reregister([], [framework.info])
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINED'])
  await m.stop()
})

test('an agent that becomes unreachable while it drains is drained when it is back', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await drain(m, agent)
  await m.world.advance(80_000)
  assert.is(await stateOf(m, agent), undefined)
  assert.ok((await agent.reregister()).ok)
  await m.world.settle()
  assert.equal(await stateOf(m, agent), [false, true, 'DRAINED'])
  await m.stop()
})

test('an agent may be marked gone once it is drained', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  await running(m, framework, agent)
  await drain(m, agent, { mark_gone: true })
  await end(framework, agent)
  await m.world.settle()
  assert.is(await stateOf(m, agent), undefined)
  assert.is(agent.got(ShutdownAgent).length, 1)
  const again = await agent.reregister()
  assert.is(!again.ok && again.error.code, 'NOT_ACCEPTED')
  await m.stop()
})

test('tasks of an agent that an operator marks gone are gone, or lost, as frameworks understand', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const aware = await m.framework(AWARE)
  await running(m, aware, agent)
  const unaware = await m.framework({ checkpoint: true, name: 'unaware' })
  const offer = await unaware.offer()
  await unaware.accept(offer, [launch(task('t2', offer))])
  assert.equal(await administer(m, 'MARK_AGENT_GONE', agent), {})
  assert.is(aware.fates.at(-1), 'TASK_GONE_BY_OPERATOR/REASON_AGENT_REMOVED_BY_OPERATOR')
  assert.is(unaware.fates.at(-1), 'TASK_LOST/REASON_AGENT_REMOVED_BY_OPERATOR')
  assert.equal(await administer(m, 'MARK_AGENT_GONE', agent), {})
  await m.stop()
})

test('tasks of an unreachable agent end when it is marked gone', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await m.world.advance(80_000)
  assert.equal(await administer(m, 'MARK_AGENT_GONE', agent), {})
  assert.equal(framework.fates.slice(1), [
    'TASK_UNREACHABLE/REASON_AGENT_REMOVED',
    'TASK_GONE_BY_OPERATOR/REASON_AGENT_REMOVED_BY_OPERATOR',
  ])
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.equal([get_tasks.unreachable_tasks.length, get_tasks.completed_tasks.length], [0, 1])
  await m.stop()
})

test('a deactivated agent keeps its tasks and is not offered, also after a failover', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  assert.equal(await administer(m, 'DEACTIVATE_AGENT', agent), {})
  await m.world.advance(3000)
  assert.is(framework.offers.length, 0)
  assert.equal(framework.fates, ['TASK_RUNNING'])
  await m.failOver()
  await agent.reregister([reported(framework, agent)], [framework.info])
  await framework.subscribe()
  await m.world.advance(3000)
  assert.is(framework.offers.length, 0)
  assert.equal(await stateOf(m, agent), [false, true, undefined])
  assert.equal(await administer(m, 'REACTIVATE_AGENT', agent), {})
  await framework.offer()
  await m.stop()
})

test('what contradicts the state of an agent is refused', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  assert.is((await administer(m, 'REACTIVATE_AGENT', agent)).error.code, 'CONFLICT')
  await running(m, framework, agent)
  await drain(m, agent)
  assert.is((await administer(m, 'REACTIVATE_AGENT', agent)).error.code, 'CONFLICT')
  for (const type of ['DRAIN_AGENT', 'DEACTIVATE_AGENT', 'REACTIVATE_AGENT', 'MARK_AGENT_GONE']) {
    const payload = { agent_id: { value: 'nobody' } }
    const { error } = await m.operate({ type, [type.toLowerCase()]: payload })
    assert.is(error.code, 'NOT_FOUND', type)
  }
  await m.stop()
})

test('agents that left too long ago, and the oldest of too many, are forgotten', async () => {
  const limits = { registry_max_agent_count: 1, registry_max_agent_age_ms: 3_600_000 }
  const m = await masterWorld(limits)
  const [first, second] = [await m.agent('a1'), await m.agent('a2')]
  await administer(m, 'MARK_AGENT_GONE', first)
  await m.world.advance(1000)
  await administer(m, 'MARK_AGENT_GONE', second)
  const code = async (agent: TestAgent) => {
    const answer = await administer(m, 'MARK_AGENT_GONE', agent)
    return answer.error?.code
  }
  await m.world.advance(900_000)
  assert.equal([await code(first), await code(second)], ['NOT_FOUND', undefined])
  await m.world.advance(3_600_000)
  assert.is(await code(second), 'NOT_FOUND')
  await m.stop()
})

test.run()
