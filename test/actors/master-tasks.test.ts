/** Offers and tasks. Spec: master.md §9-11, §19; scheduler-api.md §5-7; states.md §1.1, §6, §7, §10. */
import { AcknowledgeUpdate, ExitedExecutor, KillTask, RunTasks } from '../../protocol/agent.ts'
import type { Share } from '../../protocol/allocator.ts'
import {
  type Document,
  launch,
  MASTER,
  type MasterWorld,
  masterWorld,
  scalar,
  type TestFramework,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: tasks')
const AWARE = { capabilities: [{ type: 'PARTITION_AWARE' as const }], checkpoint: true }

async function set(info = {}) {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework(info)
  return { m, agent, framework, offer: await framework.offer() }
}

/** Cpus that the allocator was told to be free again, filters included. */
function recovered(
  m: MasterWorld,
): Array<{ cpus: number; refuse: number | undefined; used: boolean }> {
  return m.told
    .filter(({ type }) => type === 'RECOVER_RESOURCES')
    .map(({ body }) => {
      const { shares, refuse_seconds, used } = body as Document
      const cpus = (shares as Share[])
        .flatMap(({ resources }) => resources)
        .filter(({ name }) => name === 'cpus')
        .reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0)
      return { cpus, refuse: refuse_seconds, used }
    })
}

async function acknowledge(framework: TestFramework, status: Document): Promise<Document> {
  const { agent_id, task_id, uuid } = status
  return framework.call('ACKNOWLEDGE', { acknowledge: { agent_id, task_id, uuid } })
}

test('an offer holds one agent for one framework', async () => {
  const { m, agent, framework, offer } = await set()
  assert.match(offer.id.value, /-O0$/)
  assert.equal(offer.agent_id, { value: agent.id })
  assert.is(offer.hostname, 'a1')
  assert.equal(offer.resources, [
    { ...scalar('cpus', 4), role: '*' },
    { ...scalar('mem', 1024), role: '*' },
  ])
  const { get_offers } = await m.operate({ type: 'GET_OFFERS' })
  assert.equal(get_offers.offers, [offer])
  assert.is(framework.of('OFFERS')[0].epoch, 1)
  await m.stop()
})

test('declined offers go back in one batch, with the filter', async () => {
  const { m, framework, offer } = await set()
  const offer_ids = [offer.id, offer.id, { value: 'nonsense' }]
  m.told.length = 0
  await framework.call('DECLINE', { decline: { offer_ids, filters: { refuse_seconds: 60 } } })
  assert.equal(recovered(m), [{ cpus: 4, refuse: 60, used: false }])
  await m.world.advance(10_000)
  assert.is(framework.of('OFFERS').length, 1)
  await m.stop()
})

test('filters: absent and negative are 5 s, 0 is none, a year is the most', async () => {
  const { refuseSeconds } = await import('../../actors/master/offers.ts')
  assert.is(refuseSeconds(undefined), 5)
  assert.is(refuseSeconds({}), 5)
  assert.is(refuseSeconds({ refuse_seconds: -1 }), 5)
  assert.is(refuseSeconds({ refuse_seconds: Number.NaN }), 5)
  assert.is(refuseSeconds({ refuse_seconds: 0 }), undefined)
  assert.is(refuseSeconds({ refuse_seconds: 1e12 }), 31_536_000)
})

test('offers that nobody answers are rescinded after the offer time-out', async () => {
  const m = await masterWorld({ offer_timeout_ms: 5000 })
  await m.agent('a1')
  const framework = await m.framework()
  const offer = await framework.offer()
  await m.world.advance(6000)
  assert.equal(framework.of('RESCIND')[0].rescind.offer_id, offer.id)
  await m.stop()
})

test('a launched task reaches its agent, and the rest of the offer comes back', async () => {
  const { m, agent, framework, offer } = await set()
  m.told.length = 0
  assert.equal(await framework.accept(offer, [launch(task('t1', offer))]), {})
  const [order] = agent.got(RunTasks)
  assert.equal(
    order?.tasks.map(({ task_id }) => task_id.value),
    ['t1'],
  )
  assert.equal([order?.epoch, order?.group, order?.executor], [1, false, undefined])
  assert.equal(recovered(m), [{ cpus: 3, refuse: undefined, used: false }])
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.is(get_tasks.tasks[0].state, 'TASK_STAGING')
  await m.stop()
})

test('one bad task among good ones fails alone', async () => {
  const { m, agent, framework, offer } = await set()
  const good = task('good', offer)
  const bad = task('../bad', offer)
  const huge = task('huge', offer, [scalar('cpus', 100)])
  await framework.accept(offer, [launch(bad, good, huge)])
  assert.equal(framework.fates, [
    'TASK_ERROR/REASON_TASK_INVALID',
    'TASK_ERROR/REASON_TASK_INVALID',
  ])
  assert.match(framework.updates[1].message, 'needs cpus')
  assert.is(framework.updates[0].uuid, undefined)
  assert.equal(
    agent.got(RunTasks).map(({ tasks }) => tasks.length),
    [1],
  )
  await m.stop()
})

test('a task group is launched whole or not at all', async () => {
  const { m, agent, framework, offer } = await set()
  const executor = {
    type: 'DEFAULT',
    executor_id: { value: 'pod' },
    framework_id: { value: framework.id },
    resources: [scalar('cpus', 0.1), scalar('mem', 32), scalar('disk', 0)],
  }
  const group = (...tasks: Document[]) => ({
    type: 'LAUNCH_GROUP',
    launch_group: { executor, task_group: { tasks } },
  })
  await framework.accept(offer, [group(task('a', offer), task('..', offer))])
  assert.equal(framework.fates, [
    'TASK_ERROR/REASON_TASK_GROUP_INVALID',
    'TASK_ERROR/REASON_TASK_GROUP_INVALID',
  ])
  assert.equal(agent.commands.includes('RUN_TASKS'), false)
  await m.stop()
})

test('a custom executor is launched once, used again, and its end is told and accounted', async () => {
  const { m, agent, framework, offer } = await set({ checkpoint: true })
  const executor = {
    executor_id: { value: 'e' },
    command: { value: './executor' },
    resources: [scalar('cpus', 1), scalar('mem', 64)],
  }
  const custom = (id: string, from: Document) => {
    const { command: _, ...rest } = task(id, from)
    return { ...rest, executor }
  }
  await framework.accept(offer, [launch(custom('t1', offer) as never)])
  const next = await framework.offer()
  assert.equal(next.executor_ids, [{ value: 'e' }])
  await framework.accept(next, [launch(custom('t2', next) as never)])
  assert.equal(
    agent.got(RunTasks).map(({ launch_executor }) => launch_executor),
    [true, false],
  )
  m.told.length = 0
  const exit = { framework_id: { value: framework.id }, executor_id: { value: 'e' }, status: 1 }
  await agent.probe.send(MASTER, ExitedExecutor, exit)
  await m.world.settle()
  assert.equal(recovered(m), [{ cpus: 1, refuse: undefined, used: true }])
  assert.is(framework.of('FAILURE')[0].failure.status, 1)
  await m.stop()
})

test('two offers of one agent are used together', async () => {
  const { m, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer))])
  const left = await framework.offer()
  assert.is.not(left.id.value, offer.id.value)
  await framework.accept(left, [launch(task('t2', left, [scalar('cpus', 3)]))])
  assert.equal(framework.fates, [])
  await m.stop()
})

test('an acceptance that comes twice does not say that its tasks were dropped', async () => {
  const { m, framework, offer } = await set(AWARE)
  const tasks = [launch(task('t1', offer)), launch(task('t2', offer))]
  await framework.accept(offer, tasks)
  const again = await framework.accept(offer, [...tasks, launch(task('t3', offer))])
  assert.is(again.error.code, 'OFFER_STALE')
  assert.equal(
    framework.updates.map(({ task_id, state }) => `${task_id.value} ${state}`),
    ['t3 TASK_DROPPED'],
  )
  await m.stop()
})

test('invalid offers: own ones are void, tasks are dropped, those of others are not touched', async () => {
  const { m, framework, offer } = await set(AWARE)
  const thief = await m.framework({ name: 'thief' })
  const stolen = await thief.call('ACCEPT', {
    accept: { offer_ids: [offer.id], operations: [launch(task('t1', offer))] },
  })
  assert.is(stolen.error.code, 'OFFER_STALE')
  assert.equal(thief.fates, ['TASK_LOST/REASON_INVALID_OFFERS'])
  assert.equal((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers.length, 1)
  await thief.call('DECLINE', { decline: { offer_ids: [offer.id] } })
  assert.equal((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers.length, 1)
  const accept = {
    offer_ids: [offer.id, { value: 'unknown' }],
    operations: [launch(task('t1', offer))],
  }
  await framework.call('ACCEPT', { accept })
  assert.equal(framework.fates, ['TASK_DROPPED/REASON_INVALID_OFFERS'])
  assert.equal((await m.operate({ type: 'GET_OFFERS' })).get_offers.offers, [])
  await m.stop()
})

test('operations that this master does not know are refused by name, if they have an id', async () => {
  const { m, framework, offer } = await set()
  const createDisk = { type: 'CREATE_DISK', id: { value: 'op' } }
  await framework.accept(offer, [createDisk, launch(task('t1', offer))])
  const [{ update_operation_status }] = framework.of('UPDATE_OPERATION_STATUS')
  assert.is(update_operation_status.status.state, 'OPERATION_ERROR')
  assert.match(update_operation_status.status.message, 'CREATE_DISK')
  assert.is((await m.operate({ type: 'GET_TASKS' })).get_tasks.tasks.length, 1)
  await m.stop()
})

test('an update is relayed with its uuid, and acknowledged to the agent', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer))])
  await agent.update(framework, 't1', 'TASK_RUNNING', { uuid: 7 })
  const [status] = framework.updates
  assert.equal([...status.uuid], new Array(16).fill(7))
  assert.equal(status.agent_id, { value: agent.id })
  assert.equal(await acknowledge(framework, status), {})
  assert.equal(
    agent.got(AcknowledgeUpdate).map(({ uuid }) => uuid[0]),
    [7],
  )
  await m.stop()
})

test('resources are free at the first word of the end, once; the task stays until it is acknowledged (T1)', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer))])
  m.told.length = 0
  await agent.update(framework, 't1', 'TASK_STARTING', { latest: 'TASK_FINISHED', uuid: 1 })
  assert.equal(recovered(m), [{ cpus: 1, refuse: undefined, used: true }])
  await framework.call('RECONCILE', { reconcile: {} })
  assert.is(framework.fates.at(-1), 'TASK_STARTING/REASON_RECONCILIATION')
  await agent.update(framework, 't1', 'TASK_FINISHED', { uuid: 2 })
  assert.is(recovered(m).length, 1)
  assert.is((await m.operate({ type: 'GET_TASKS' })).get_tasks.tasks.length, 1)
  const finished = framework.updates.find(({ state }) => state === 'TASK_FINISHED')
  await acknowledge(framework, { ...finished, uuid: new Uint8Array(16).fill(9) })
  assert.is((await m.operate({ type: 'GET_TASKS' })).get_tasks.tasks.length, 1)
  await acknowledge(framework, finished)
  const { get_tasks } = await m.operate({ type: 'GET_TASKS' })
  assert.equal([get_tasks.tasks.length, get_tasks.completed_tasks.length], [0, 1])
  await m.stop()
})

test('an id may be used again once its task is over and acknowledged, not before', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer))])
  await agent.update(framework, 't1', 'TASK_FINISHED')
  const next = await framework.offer()
  await framework.accept(next, [launch(task('t1', next))])
  assert.is(framework.fates.at(-1), 'TASK_ERROR/REASON_TASK_INVALID')
  await acknowledge(framework, framework.updates[0])
  const third = await framework.offer()
  await framework.accept(third, [launch(task('t1', third))])
  assert.is(agent.got(RunTasks).length, 2)
  await m.stop()
})

test('a kill is sent, repeated when asked again, and sent once more to an agent that returns', async () => {
  const { m, agent, framework, offer } = await set(AWARE)
  await framework.accept(offer, [launch(task('t1', offer))])
  const kill_policy = { grace_period: { nanoseconds: 1e9 } }
  await framework.call('KILL', { kill: { task_id: { value: 't1' }, kill_policy } })
  await framework.call('KILL', { kill: { task_id: { value: 't1' } } })
  await framework.call('KILL', { kill: { task_id: { value: 't1' }, agent_id: { value: 'other' } } })
  assert.equal(
    agent.got(KillTask).map((kill) => kill.kill_policy),
    [kill_policy, undefined],
  )
  await agent.die()
  await agent.start()
  await agent.reregister([], [framework.info])
  assert.is(agent.got(KillTask).length, 1)
  await m.stop()
})

test('an operator kills a task by its id', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer))])
  const kill = (value: string) =>
    m.operate({ type: 'KILL_TASK', kill_task: { task_id: { value } } })
  assert.equal(await kill('t1'), {})
  assert.is(agent.got(KillTask).length, 1)
  assert.is((await kill('t2')).error.code, 'NOT_FOUND')
  await m.stop()
})

const explicit: ReadonlyArray<[string, object, string | undefined]> = [
  ['AWARE', AWARE, 'TASK_GONE'],
  ['others', {}, 'TASK_LOST'],
]
for (const [who, info, gone] of explicit) {
  test(`reconciling a task that a registered agent does not know is ${gone} for ${who}`, async () => {
    const { m, agent, framework } = await set(info)
    const tasks = [{ task_id: { value: 'x' }, agent_id: { value: agent.id } }]
    await framework.call('RECONCILE', { reconcile: { tasks } })
    assert.equal(framework.fates, [`${gone}/REASON_RECONCILIATION`])
    await m.stop()
  })
}

test('a task that nobody can know is unknown; killing it answers the same', async () => {
  const { m, framework } = await set(AWARE)
  await framework.call('RECONCILE', { reconcile: { tasks: [{ task_id: { value: 'x' } }] } })
  const kill = { task_id: { value: 'y' }, agent_id: { value: 'nowhere' } }
  await framework.call('KILL', { kill })
  assert.equal(framework.fates, [
    'TASK_UNKNOWN/REASON_RECONCILIATION',
    'TASK_UNKNOWN/REASON_RECONCILIATION',
  ])
  await m.stop()
})

test('while agents have yet to return there is no answer about tasks that they may have (T4)', async () => {
  const { m, agent, framework } = await set(AWARE)
  await m.failOver()
  await framework.subscribe()
  const tasks = [
    { task_id: { value: 'x' } },
    { task_id: { value: 'y' }, agent_id: { value: agent.id } },
  ]
  await framework.call('RECONCILE', { reconcile: { tasks } })
  assert.equal(framework.fates, [])
  await m.stop()
})

test('what is offered and used never exceeds what there is (invariant 2)', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer), task('t2', offer))])
  const rest = await framework.offer()
  assert.is(rest.resources[0].scalar.value, 2)
  const { get_agents } = await m.operate({ type: 'GET_AGENTS' })
  const [{ allocated_resources, offered_resources }] = get_agents.agents
  assert.is(allocated_resources[0].scalar.value + offered_resources[0].scalar.value, 4)
  await agent.update(framework, 't1', 'TASK_FAILED')
  await framework.call('DECLINE', {
    decline: { offer_ids: [rest.id], filters: { refuse_seconds: 0 } },
  })
  assert.is((await framework.offer()).resources[0].scalar.value, 3)
  await m.stop()
})

test.run()
