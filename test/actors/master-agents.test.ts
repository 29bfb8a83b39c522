/** Agents as a master sees them. Spec: master.md §4-7, states.md §3. */
import {
  DiskAged,
  Ping,
  RegisterAgent,
  ReregisterAgent,
  ShutdownAgent,
  ShutdownFramework,
  UnregisterAgent,
  UpdateFrameworkInfo,
} from '../../protocol/agent.ts'
import { encode } from '../../protocol/codec.ts'
import { ApplyRegistry } from '../../protocol/registrar.ts'
import type { Task } from '../../protocol/v1/index.ts'
import {
  type Document,
  launch,
  MASTER,
  type MasterWorld,
  masterWorld,
  scalar,
  type TestAgent,
  type TestFramework,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: agents')
const CHECKPOINTING = { checkpoint: true } as const
const AWARE = { ...CHECKPOINTING, capabilities: [{ type: 'PARTITION_AWARE' as const }] }

/** A running task on an agent. */
async function running(m: MasterWorld, framework: TestFramework, agent: TestAgent, id = 't1') {
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task(id, offer))])
  await agent.update(framework, id, 'TASK_RUNNING')
  await m.world.settle()
}

function reported(framework: TestFramework, agent: TestAgent, id: string): Task {
  return {
    name: id,
    task_id: { value: id },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    state: 'TASK_RUNNING',
    resources: [{ ...scalar('cpus', 1), allocation_info: { role: '*' } }],
  }
}

async function silence(m: MasterWorld, ms = 80_000) {
  await m.world.advance(ms)
}

test('an agent is admitted with an id of this master, and told for how long it may miss pings', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const { get_master } = await m.operate({ type: 'GET_MASTER' })
  assert.is(agent.id, `${get_master.master_info.id}-S0`)
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  assert.equal(
    get_agents.agents.map((each: { active: boolean }) => each.active),
    [true],
  )
  await m.stop()
})

test('a repeated registration gets the same id', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const again = await agent.register()
  assert.is(again.ok && again.value.agent_id.value, agent.id)
  await m.stop()
})

test('agents that come together share few writes of the registry, and each has an id of its own', async () => {
  const m = await masterWorld()
  let writes = 0
  m.node.intercept(({ type }) => {
    if (type === ApplyRegistry.name) writes++
    return 'deliver'
  })
  const node = await m.world.start('crowd')
  const probes = await Promise.all(
    Array.from({ length: 300 }, (_, i) => m.world.probe(node, `agent-${i}`)),
  )
  const ids = probes.map(async (probe, i) => {
    const body = { agent_info: { hostname: `host-${i}`, resources: [] }, version: '1' }
    const asked = [1, 2].map(() => probe.ask(MASTER, RegisterAgent, body))
    const answers = await Promise.all(asked)
    const [first, repeated] = answers.map((each) => each.ok && each.value.agent_id.value)
    assert.is(repeated, first)
    return first
  })
  assert.is(new Set(await Promise.all(ids)).size, 300)
  assert.ok(writes < 30, `${writes} writes`)
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  assert.is(get_agents.agents.length, 300)
  await m.stop()
})

test('an agent that asks anew has not learnt the id under which it was given tasks: they are lost', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(CHECKPOINTING)
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer))])
  agent.resourceVersion = 'another'
  const again = await agent.register()
  assert.ok(again.ok && again.value.agent_id.value !== agent.id)
  await m.world.settle()
  assert.equal(framework.fates, ['TASK_LOST/REASON_AGENT_REMOVED'])
  await m.stop()
})

test('an agent is told in every ping whether it is connected', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  assert.equal(agent.got(Ping), [{ epoch: 1, connected: true }])
  await m.stop()
})

test('an agent that answers pings stays, however long', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  for (let i = 0; i < 10; i++) {
    await m.world.advance(15_000)
    await agent.pong()
  }
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  assert.is(get_agents.agents.length, 1)
  await m.stop()
})

test('agents that came at different times are pinged in their own time, whoever leaves', async () => {
  const m = await masterWorld()
  const first = await m.agent('a1')
  await m.world.advance(5000)
  const second = await m.agent('a2')
  const pings = () => [first, second].map((agent) => agent.got(Ping).length)
  assert.equal(pings(), [1, 1])
  await m.world.advance(10_000)
  assert.equal(pings(), [2, 1])
  await m.world.advance(5000)
  assert.equal(pings(), [2, 2])
  await first.probe.send(MASTER, UnregisterAgent, { agent_id: { value: first.id } })
  const left = first.got(Ping).length
  await m.world.advance(15_000)
  assert.equal(pings(), [left, 3])
  await m.stop()
})

test('five unanswered pings make an agent unreachable, 75 s after the first and not before', async () => {
  const m = await masterWorld()
  await m.agent('a1')
  await m.world.advance(74_000)
  assert.is((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents.length, 1)
  await m.world.advance(2_000)
  assert.is((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents.length, 0)
  await m.stop()
})

test('tasks of an unreachable agent are unreachable or lost, as the framework understands', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const aware = await m.framework(AWARE)
  await running(m, aware, agent, 't1')
  const unaware = await m.framework({ ...CHECKPOINTING, name: 'unaware' })
  await running(m, unaware, agent, 't2')
  await silence(m)
  assert.equal(aware.fates, ['TASK_RUNNING', 'TASK_UNREACHABLE/REASON_AGENT_REMOVED'])
  assert.equal(unaware.fates, ['TASK_RUNNING', 'TASK_LOST/REASON_AGENT_REMOVED'])
  assert.is(aware.updates[1].uuid, undefined)
  assert.type(aware.updates[1].unreachable_time.nanoseconds, 'number')
  assert.equal(
    aware.of('FAILURE').map(({ failure }) => failure),
    [{ agent_id: { value: agent.id } }],
  )
  await m.stop()
})

test('nobody hears of an unreachable agent before the registry has it (invariant 5)', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  m.node.intercept(({ type }) => (type === 'APPLY_REGISTRY' ? 'drop' : 'deliver'))
  await m.world.advance(76_000)
  assert.equal(framework.fates, ['TASK_RUNNING'])
  assert.is((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents.length, 1)
  await m.stop()
})

test('an unreachable agent comes back with its tasks, in the state that it reports', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await silence(m)
  const back = await agent.reregister([reported(framework, agent, 't1')], [framework.info])
  assert.ok(back.ok)
  await m.world.settle()
  assert.is(framework.fates.at(-1), 'TASK_RUNNING/REASON_AGENT_REREGISTERED')
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.is(get_tasks.tasks.length, 1)
  assert.equal([get_tasks.unreachable_tasks, get_tasks.completed_tasks], [[], []])
  const offer = await framework.offer()
  assert.equal(offer.resources[0].scalar.value, 3)
  await m.stop()
})

test('a registration that was long on its way does not make another agent of an unreachable one', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  await silence(m)
  const late = await agent.register()
  assert.is(late.ok && late.value.agent_id.value, agent.id)
  assert.is(agent.got(Ping).at(-1)?.connected, false, 'it is to come back with what it has')
  const admitted = async () => (await m.operate({ type: 'GET_AGENTS' })).get_agents.agents
  assert.is((await admitted()).length, 0)
  const back = await agent.reregister()
  assert.is(back.ok && back.value.agent_id.value, agent.id)
  assert.is((await admitted()).length, 1)
  await m.stop()
})

test('a broken link rescinds the offers of an agent at once', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework()
  await framework.offer()
  await agent.die()
  assert.is(framework.of('RESCIND').length, 1)
  const { get_agents, get_offers } = {
    ...(await m.operate({ type: 'GET_AGENTS' })),
    ...(await m.operate({ type: 'GET_OFFERS' })),
  }
  assert.is(get_agents.agents[0].active, false)
  assert.equal(get_offers.offers, [])
  await m.world.advance(5000)
  assert.equal(framework.offers, [])
  await m.stop()
})

test('a broken link ends tasks of frameworks that do not checkpoint, and only those', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const plain = await m.framework()
  await running(m, plain, agent, 't1')
  const lasting = await m.framework({ ...CHECKPOINTING, name: 'lasting' })
  await running(m, lasting, agent, 't2')
  await agent.die()
  assert.is(plain.fates.at(-1), 'TASK_LOST/REASON_AGENT_DISCONNECTED')
  assert.equal(lasting.fates, ['TASK_RUNNING'])
  await m.stop()
})

test('an agent that restarts within the time-outs goes on, and is offered again', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await agent.die()
  await agent.start()
  const back = await agent.reregister([reported(framework, agent, 't1')], [framework.info])
  assert.equal(back.ok && back.value.reconcile, [])
  await m.world.advance(3000)
  assert.equal(framework.fates, ['TASK_RUNNING'])
  assert.is((await framework.offer()).resources[0].scalar.value, 3)
  assert.is(agent.got(UpdateFrameworkInfo).length, 1)
  await m.stop()
})

test('tasks that a returning agent does not list are asked back, not declared lost', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await agent.die()
  await agent.start()
  const back = await agent.reregister([], [framework.info])
  assert.equal(back.ok && back.value.reconcile, [
    { framework_id: { value: framework.id }, task_id: { value: 't1' } },
  ])
  assert.equal(framework.fates, ['TASK_RUNNING'])
  await m.stop()
})

test('a disconnected agent that does not register again in time is unreachable, pings or not', async () => {
  const m = await masterWorld({ max_agent_ping_timeouts: 100, agent_reregister_timeout_ms: 60_000 })
  const agent = await m.agent('a1')
  await agent.die()
  await m.world.advance(59_000)
  assert.is((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents.length, 1)
  await m.world.advance(2_000)
  assert.is((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents.length, 0)
  await m.stop()
})

test('agents become unreachable one by one where that is limited, and one that answers is spared', async () => {
  const m = await masterWorld({ agent_removal_rate_limit: '2/20mins' })
  const agents = [await m.agent('a1'), await m.agent('a2'), await m.agent('a3')]
  const left = async () => {
    const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
    return get_agents.agents.map((each: Document) => each.agent_info.hostname)
  }
  await silence(m)
  assert.equal(await left(), ['a2', 'a3'], 'nobody waits for the first turn')
  await m.world.advance(500_000)
  assert.equal(await left(), ['a2', 'a3'])
  await agents[1]!.pong()
  await m.world.advance(60_000)
  assert.equal(await left(), ['a2', 'a3'], 'it is not ten minutes yet')
  await agents[1]!.pong()
  await m.world.advance(50_000)
  assert.equal(await left(), ['a2'], 'the turn of the one that answered is the next one')
  await m.stop()
})

test('after a failover those that do not return leave at the same rate, and one that returns stays', async () => {
  const limits = { agent_removal_rate_limit: '1/10mins', agent_reregister_timeout_ms: 60_000 }
  const m = await masterWorld(limits)
  const agents = [await m.agent('a1'), await m.agent('a2'), await m.agent('a3')]
  await m.failOver()
  const missing = async () => {
    const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
    return get_agents.recovered_agents.map((info: Document) => info.hostname)
  }
  await m.world.advance(70_000)
  assert.equal(await missing(), ['a2', 'a3'])
  await agents[1]!.start()
  await agents[1]!.reregister()
  await m.world.advance(600_000)
  assert.equal(await missing(), [])
  await m.stop()
})

test('a new leader that misses too many agents gives up leading, and marks nobody', async () => {
  const limits = { recovery_agent_removal_limit: '50%', agent_reregister_timeout_ms: 60_000 }
  const m = await masterWorld(limits)
  const agents = [await m.agent('a1'), await m.agent('a2'), await m.agent('a3')]
  await m.failOver()
  await agents[0]!.start()
  await agents[0]!.reregister()
  const missing = async () =>
    (await m.operate({ type: 'GET_AGENTS' })).get_agents.recovered_agents.length
  await m.world.advance(70_000)
  const errors = m.world.troubles('m').map(({ fields }) => String(fields.stack))
  assert.match(errors.join('\n'), '2 of 3 agents did not register again after the failover')
  assert.is(await missing(), 3, 'it was elected again and gives everybody time')
  for (const agent of agents) {
    await agent.start()
    await agent.reregister()
  }
  assert.is(await missing(), 0)
  await m.stop()
})

test('a limit of removals that is no percentage is refused by name', async () => {
  for (const limit of ['50', '101%', 'half']) {
    const refusal = await masterWorld({ recovery_agent_removal_limit: limit }).catch(
      ({ message }: Error) => message,
    )
    assert.match(String(refusal), `recovery_agent_removal_limit: '${limit}' must be 0% to 100%`)
  }
})

test('a rate that cannot be read is refused by name', async () => {
  for (const limit of ['10', '0/1mins', '1/0s', '1/2weeks', 'x/1s']) {
    const refusal = await masterWorld({ agent_removal_rate_limit: limit }).catch(
      ({ message }: Error) => message,
    )
    assert.match(String(refusal), `agent_removal_rate_limit: '${limit}' must be COUNT/TIME`)
  }
})

test('an agent that unregisters takes its tasks along, even those of partition-aware frameworks', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await agent.probe.send(MASTER, UnregisterAgent, { agent_id: { value: agent.id } })
  await m.world.advance(10)
  assert.is(framework.fates.at(-1), 'TASK_LOST/REASON_AGENT_REMOVED')
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.equal([get_tasks.tasks.length, get_tasks.completed_tasks.length], [0, 1])
  await m.stop()
})

test('a new agent at the address of a former one replaces it', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  await agent.die()
  const former = agent.id
  const again = await m.world.probe(agent.node, 'agent-1')
  agent.probe = again
  agent.id = ''
  const outcome = await agent.register()
  assert.ok(outcome.ok)
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  assert.is(get_agents.agents.length, 1)
  assert.is.not(get_agents.agents[0].agent_info.id.value, former)
  await m.stop()
})

test('an agent whose hostname has changed is refused and shut down', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const { probe, id } = agent
  const info = { hostname: 'elsewhere', id: { value: id } }
  const body = { agent_info: info, version: '0.1.0', tasks: [], executors: [], frameworks: [] }
  const outcome = await probe.ask(MASTER, ReregisterAgent, body)
  assert.is(outcome.ok ? '' : outcome.error.code, 'NOT_ACCEPTED')
  assert.is(agent.got(ShutdownAgent).length, 1)
  await m.stop()
})

test('an agent whose disk was set back to an older copy is not taken back, whoever leads', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const back = (disk_age: number) => agent.reregister([], [], [], { disk_age })
  for (const disk_age of [3, 2]) {
    await agent.probe.send(MASTER, DiskAged, { disk_age })
    await m.world.settle()
  }
  for (let leaders = 0; leaders < 2; leaders++) {
    const old = await back(2)
    if (old.ok) throw new Error('an older disk is taken for the agent')
    assert.is(old.error.code, 'OLD_COPY')
    assert.equal(old.error.details, { agent_id: agent.id, disk_age: 2, known: 3 })
    assert.ok((await back(3)).ok)
    await m.failOver()
  }
  await agent.reregister([], [], [], { disk_age: 3 })
  await m.operate({ type: 'MARK_AGENT_GONE', mark_agent_gone: { agent_id: { value: agent.id } } })
  const gone = await back(2)
  assert.is(gone.ok ? '' : gone.error.code, 'OLD_COPY')
  // It ends at its own judgement: what it said may be older than what else it has said.
  assert.is(agent.got(ShutdownAgent).length, 1)
  await m.stop()
})

test('the age of a disk is known of an agent that has left, until it is forgotten', async () => {
  const m = await masterWorld({ registry_max_agent_age_ms: 600_000 })
  const agent = await m.agent('a1')
  const back = (disk_age: number) => agent.reregister([], [], [], { disk_age })
  await agent.probe.send(MASTER, DiskAged, { disk_age: 3 })
  await agent.probe.send(MASTER, UnregisterAgent, { agent_id: { value: agent.id } })
  await m.world.settle()
  assert.equal((await m.operate({ type: 'GET_AGENTS' })).get_agents.agents, [])
  const old = await back(2)
  assert.is(old.ok ? '' : old.error.code, 'OLD_COPY')
  await m.world.advance(2_000_000)
  assert.ok((await back(2)).ok)
  await m.stop()
})

test('after a failover agents return with tasks and frameworks, and no resource counts twice', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await m.failOver()
  const back = await agent.reregister([reported(framework, agent, 't1')], [framework.info])
  assert.is(back.ok && back.value.epoch, 2)
  const { get_frameworks } = await m.operate({ type: 'GET_FRAMEWORKS' })
  assert.is(get_frameworks.frameworks[0].recovered, true)
  await framework.subscribe()
  assert.equal((await framework.offer()).resources[0].scalar.value, 3)
  await framework.call('RECONCILE', { reconcile: {} })
  assert.equal(framework.fates, ['TASK_RUNNING/REASON_RECONCILIATION'])
  await m.stop()
})

test('a leader tells agents to come back over a time that grows with their number', async () => {
  const m = await masterWorld()
  const spread = async () =>
    (await m.request('meseta.leader', encode({}))).registration_spread_ms as number
  assert.is(await spread(), 0)
  const agents = [await m.agent('a1'), await m.agent('a2')]
  const ofTwo = await spread()
  assert.ok(ofTwo > 0)
  await m.failOver()
  // Those of the registry count, wherever they are.
  assert.is(await spread(), ofTwo)
  await agents[0]!.reregister([], [])
  assert.is(await spread(), ofTwo)
  await m.stop()
})

test('after a failover agents that do not return are unreachable; nobody hears of their tasks', async () => {
  const m = await masterWorld({ agent_reregister_timeout_ms: 60_000 })
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await m.failOver()
  await framework.subscribe()
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  assert.equal(
    get_agents.recovered_agents.map((info: { hostname: string }) => info.hostname),
    ['a1'],
  )
  await m.world.advance(61_000)
  assert.equal(framework.updates, [])
  assert.is(framework.of('FAILURE').length, 1)
  const asked = { tasks: [{ task_id: { value: 't1' }, agent_id: { value: agent.id } }] }
  await framework.call('RECONCILE', { reconcile: asked })
  assert.equal(framework.fates, ['TASK_UNREACHABLE/REASON_RECONCILIATION'])
  await m.stop()
})

test('an agent that returns is told which frameworks ended meanwhile, and their tasks are not taken', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(AWARE)
  await running(m, framework, agent)
  await agent.die()
  await framework.call('TEARDOWN')
  await agent.start()
  await agent.reregister([reported(framework, agent, 't1')], [framework.info])
  assert.is(agent.got(ShutdownFramework).length, 1)
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.equal([get_tasks.tasks.length, get_tasks.completed_tasks.length], [0, 1])
  await m.stop()
})

test.run()
