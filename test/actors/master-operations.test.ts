/** Operations on resources in the master. Spec: scheduler-api.md §6; resources.md §6-8; states.md §8. */
import {
  AcknowledgeOperation,
  ApplyOperation,
  RunTasks,
  UpdateOversubscribed,
  UpdateResources,
} from '../../protocol/agent.ts'
import type { Share } from '../../protocol/allocator.ts'
import type { Operation } from '../../protocol/v1/index.ts'
import { formatResources, resources } from '../../src/resources/index.ts'
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
import {
  create,
  destroy,
  grow,
  reserve,
  reserved,
  shrink,
  unreserve,
  volume,
  withId,
} from '../support/operations.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: operations')
const ENG = {
  role: 'eng',
  checkpoint: true,
  capabilities: [
    { type: 'PARTITION_AWARE' as const },
    { type: 'RESERVATION_REFINEMENT' as const },
    { type: 'SHARED_RESOURCES' as const },
  ],
}
const HOST = [scalar('cpus', 8), scalar('mem', 16_384), scalar('disk', 10_000)]

interface Scene {
  readonly m: MasterWorld
  readonly agent: TestAgent
  readonly framework: TestFramework
}

async function set(info: object = {}): Promise<Scene & { offer: Document }> {
  const m = await masterWorld()
  const agent = await m.agent('a1', HOST)
  const framework = await m.framework({ ...ENG, ...info })
  return { m, agent, framework, offer: await framework.offer() }
}

/** What the allocator got back: as text, with the filter. */
function returned({ told }: MasterWorld): string[] {
  return told
    .filter(({ type }) => type === 'RECOVER_RESOURCES')
    .map(({ body }) => {
      const { shares, refuse_seconds } = body as { shares: Share[]; refuse_seconds?: number }
      const text = formatResources(resources(shares.flatMap((share) => share.resources)))
      return `${text} / ${refuse_seconds ?? 'no filter'}`
    })
}

function statuses(framework: TestFramework): Document[] {
  return framework
    .of('UPDATE_OPERATION_STATUS')
    .map(({ update_operation_status }) => update_operation_status.status)
}

function told(framework: TestFramework): string[] {
  return statuses(framework).map(({ operation_id, state }) => `${operation_id.value} ${state}`)
}

function types(agent: TestAgent): Array<string | undefined> {
  return agent.got(ApplyOperation).map(({ info }) => info.type)
}

async function operations(m: MasterWorld): Promise<Operation[]> {
  return (await m.operate({ type: 'GET_OPERATIONS' })).get_operations.operations
}

async function total(m: MasterWorld): Promise<string> {
  const [agent] = (await m.operate({ type: 'GET_AGENTS' })).get_agents.agents
  return formatResources(resources(agent.total_resources))
}

test('reserve, create and launch in one ACCEPT (worked example E1)', async () => {
  const { m, agent, framework, offer } = await set()
  m.told.length = 0
  const launched = task('t1', offer, [scalar('cpus', 1.5), scalar('mem', 1024), volume('v1', 512)])
  await framework.accept(
    offer,
    [reserve(reserved('disk', 2048)), create(volume('v1', 512)), launch(launched)],
    7,
  )
  assert.equal(framework.fates, [])
  assert.equal(types(agent), ['RESERVE', 'CREATE'])
  assert.is(agent.got(RunTasks).length, 1)
  assert.equal(agent.commands.slice(-3), ['APPLY_OPERATION', 'APPLY_OPERATION', 'RUN_TASKS'])
  assert.equal(returned(m), [
    'disk(reservations: [(DYNAMIC,eng)]):1536 / no filter',
    'cpus:6.5; mem:15360; disk:7952 / 7',
  ])
  const next = await framework.offer()
  assert.match(formatResources(resources(next.resources)), /\(DYNAMIC,eng\)\]\):1536/)
  await m.stop()
})

test('operations that fail are told, if they have an id, and the rest goes on', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [
    withId('too much', reserve(reserved('cpus', 9))),
    reserve(reserved('cpus', 9)),
    withId('of others', reserve(reserved('cpus', 1, 'ops'))),
    withId('not there', destroy(volume('v1', 10))),
    withId('good', reserve(reserved('cpus', 2))),
    withId('too late', reserve(reserved('cpus', 7))),
  ])
  assert.equal(told(framework), [
    'too much OPERATION_ERROR',
    'of others OPERATION_ERROR',
    'not there OPERATION_ERROR',
    'too late OPERATION_ERROR',
  ])
  assert.ok(statuses(framework).every(({ uuid, agent_id }) => !uuid && !agent_id))
  assert.match(statuses(framework)[0].message, 'cpus')
  assert.equal(types(agent), ['RESERVE'])
  await m.stop()
})

test('what was reserved is offered to its role only', async () => {
  const { m, framework, offer } = await set()
  await framework.accept(offer, [reserve(reserved('cpus', 8))])
  const other = await m.framework({ name: 'other', role: 'ops' })
  await m.world.advance(3000)
  for (const { resources: offered } of other.offers) {
    assert.not(offered.some(({ name }: { name: string }) => name === 'cpus'))
  }
  assert.ok(framework.offers.length > 0)
  await m.stop()
})

test('the end of an operation is told until it is acknowledged, then it is forgotten', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [withId('op', reserve(reserved('cpus', 1)))])
  const [sent] = agent.got(ApplyOperation)
  assert.is(sent?.resource_version, 'v1')
  const [pending] = await operations(m)
  assert.is(pending?.latest_status.state, 'OPERATION_PENDING')
  await agent.finish(sent!)
  await agent.finish(sent!)
  assert.equal(told(framework), ['op OPERATION_FINISHED', 'op OPERATION_FINISHED'])
  const [status] = statuses(framework)
  assert.equal(status.agent_id, { value: agent.id })
  const acknowledge = (uuid: Uint8Array) =>
    framework.call('ACKNOWLEDGE_OPERATION_STATUS', {
      acknowledge_operation_status: {
        agent_id: status.agent_id,
        uuid,
        operation_id: { value: 'op' },
      },
    })
  const wrong = await acknowledge(new Uint8Array(16))
  assert.is(wrong.error.code, 'INVALID_MESSAGE')
  assert.equal(await acknowledge(status.uuid.value), {})
  const [acknowledged] = agent.got(AcknowledgeOperation)
  assert.equal([...acknowledged!.operation_uuid.value], [...sent!.operation_uuid.value])
  assert.equal(await operations(m), [])
  assert.is((await acknowledge(status.uuid.value)).error.code, 'NOT_FOUND')
  await m.stop()
})

test('nobody waits for an operation without id: the master acknowledges it', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [reserve(reserved('cpus', 1))])
  await agent.finish(agent.got(ApplyOperation)[0]!)
  assert.is(agent.got(AcknowledgeOperation).length, 1)
  assert.equal(told(framework), [])
  assert.equal(await operations(m), [])
  await m.stop()
})

test('an id is not used twice at a time', async () => {
  const { m, framework, offer } = await set()
  await framework.accept(offer, [
    withId('op', reserve(reserved('cpus', 1))),
    withId('op', reserve(reserved('cpus', 1))),
  ])
  assert.equal(told(framework), ['op OPERATION_ERROR'])
  assert.is((await operations(m)).length, 1)
  await m.stop()
})

test('volumes of another size are offered later, not used in the same ACCEPT', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [reserve(reserved('disk', 2048)), create(volume('v1', 512))])
  m.told.length = 0
  const next = await framework.offer()
  await framework.accept(next, [
    withId('grow', grow(volume('v1', 512), reserved('disk', 256))),
    withId('again', shrink(volume('v1', 768), 128)),
    launch(task('t1', next, [scalar('cpus', 1), volume('v1', 768)])),
  ])
  assert.equal(told(framework), ['again OPERATION_ERROR'])
  assert.equal(framework.fates, ['TASK_ERROR/REASON_TASK_INVALID'])
  assert.equal(types(agent).at(-1), 'GROW_VOLUME')
  assert.match(await total(m), /v1.*:768/)
  const grown = await framework.offer()
  assert.match(formatResources(resources(grown.resources)), /v1.*:768/)
  await framework.accept(grown, [shrink(volume('v1', 768), 128)])
  assert.match(await total(m), /v1.*:640/)
  await m.stop()
})

test('a volume in use is not destroyed; when its task has ended it is', async () => {
  const { m, agent, framework, offer } = await set()
  const shared = { ...volume('v1', 512), shared: {} }
  await framework.accept(offer, [
    reserve(reserved('disk', 512)),
    create(shared),
    launch(task('t1', offer, [scalar('cpus', 1), shared])),
    withId('early', destroy(shared)),
  ])
  assert.equal(told(framework), ['early OPERATION_ERROR'])
  await agent.update(framework, 't1', 'TASK_FINISHED')
  await m.world.advance(6000)
  const offers = framework.offers
  const holding = offers.find((each) => each.resources.some((r: Document) => r.shared))
  await framework.accept(holding, [withId('late', destroy(shared))])
  assert.equal(types(agent).at(-1), 'DESTROY')
  assert.equal(told(framework), ['early OPERATION_ERROR'])
  await m.stop()
})

test('a shared volume serves any number of tasks (worked example E9)', async () => {
  const { m, agent, framework, offer } = await set()
  const shared = { ...volume('v1', 512), shared: {} }
  const uses = (id: string) => task(id, offer, [scalar('cpus', 1), shared])
  await framework.accept(offer, [
    reserve(reserved('disk', 512)),
    create(shared),
    launch(uses('t1'), uses('t2'), uses('t3')),
  ])
  const next = await framework.offer()
  assert.ok(next.resources.some((each: Document) => each.shared))
  await framework.accept(next, [
    launch(...['t4', 't5', 't6'].map((id) => task(id, next, [scalar('cpus', 1), shared]))),
  ])
  assert.equal(framework.fates, [])
  assert.is(agent.got(RunTasks).flatMap(({ tasks }) => tasks).length, 6)
  await m.stop()
})

test('all questions about operations are answered', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [withId('op', reserve(reserved('cpus', 1)))])
  await agent.finish(agent.got(ApplyOperation)[0]!)
  framework.events.length = 0
  const ask = (list: Document[]) =>
    framework.call('RECONCILE_OPERATIONS', { reconcile_operations: { operations: list } })
  await ask([])
  await ask([
    { operation_id: { value: 'op' } },
    { operation_id: { value: 'x' }, agent_id: { value: agent.id } },
    { operation_id: { value: 'y' } },
    { operation_id: { value: 'z' }, agent_id: { value: 'nobody' } },
  ])
  assert.equal(told(framework), [
    'op OPERATION_FINISHED',
    'op OPERATION_FINISHED',
    'x OPERATION_UNKNOWN',
    'y OPERATION_UNKNOWN',
    'z OPERATION_UNKNOWN',
  ])
  assert.ok(statuses(framework).every(({ uuid }) => uuid === undefined))
  await m.stop()
})

test('operations of an unreachable agent are unreachable, told once', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [withId('op', reserve(reserved('cpus', 1)))])
  await m.world.advance(80_000)
  assert.equal(told(framework), ['op OPERATION_UNREACHABLE'])
  await framework.call('RECONCILE_OPERATIONS', {
    reconcile_operations: {
      operations: [{ operation_id: { value: 'op' }, agent_id: { value: agent.id } }],
    },
  })
  assert.is(told(framework).at(-1), 'op OPERATION_UNREACHABLE')
  await m.stop()
})

test('an agent that is back says what it has, and is asked for what it did not get', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [
    withId('lost', reserve(reserved('cpus', 1))),
    withId('kept', reserve(reserved('cpus', 2))),
  ])
  const [lost, kept] = agent.got(ApplyOperation)
  await agent.die()
  await agent.start()
  const latest_status = { operation_id: { value: 'kept' }, state: 'OPERATION_FINISHED' } as const
  const operation = {
    framework_id: { value: framework.id },
    info: kept!.info,
    latest_status,
    uuid: kept!.operation_uuid,
  }
  agent.resourceVersion = 'v2'
  const back = await agent.reregister([], [], [], {
    total_resources: [scalar('cpus', 6), reserved('cpus', 2), scalar('mem', 100)],
    operations: [operation],
  })
  assert.ok(back.ok)
  if (back.ok) {
    assert.equal(
      back.value.reconcile_operations?.map(({ operation_id }) => operation_id?.value),
      ['lost'],
    )
  }
  assert.is(await total(m), 'cpus:6; cpus(reservations: [(DYNAMIC,eng)]):2; mem:100')
  await agent.finish(lost!, 'OPERATION_DROPPED')
  assert.equal(told(framework), ['lost OPERATION_DROPPED'])
  const next = await framework.offer()
  await framework.accept(next, [unreserve(reserved('cpus', 2))])
  assert.is(agent.got(ApplyOperation).at(-1)?.resource_version, 'v2')
  await m.stop()
})

test('a repeated registration does not undo what was decided on the first', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [withId('op', reserve(reserved('cpus', 2)))])
  const back = await agent.reregister()
  assert.equal(back.ok && back.value.reconcile_operations, [])
  assert.ok((await agent.register()).ok)
  assert.match(await total(m), /\(DYNAMIC,eng\)\]\):2/)
  assert.is((await operations(m)).length, 1)
  await m.stop()
})

test('of reports that come before the registration is answered the last one counts', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1', HOST)
  // Another agent, whose link breaks before it has its answer.
  agent.id = ''
  await agent.start()
  const first = agent.register()
  agent.resourceVersion = 'v2'
  const [before, after] = await Promise.all([first, agent.register()])
  assert.ok(before.ok && after.ok)
  assert.equal(before.value, after.value)
  const framework = await m.framework(ENG)
  while (agent.got(ApplyOperation).length === 0)
    await framework.accept(await framework.offer(), [reserve(reserved('cpus', 2))])
  assert.equal(
    agent.got(ApplyOperation).map((each) => each.resource_version),
    ['v2'],
  )
  await m.stop()
})

test('after a failover reservations and operations come back with their agents', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [withId('op', reserve(reserved('cpus', 2)))])
  const [sent] = agent.got(ApplyOperation)
  await m.failOver()
  const latest_status = { operation_id: { value: 'op' }, state: 'OPERATION_FINISHED' } as const
  const operation = { framework_id: { value: framework.id }, info: sent!.info, latest_status }
  await agent.reregister([], [], [], {
    total_resources: [scalar('cpus', 6), reserved('cpus', 2)],
    operations: [{ ...operation, uuid: sent!.operation_uuid }],
  })
  // Its framework may still come: the master does not acknowledge in its place.
  await agent.finish(sent!)
  assert.is(agent.got(AcknowledgeOperation).length, 0)
  await framework.subscribe()
  await agent.finish(sent!)
  assert.equal(told(framework), ['op OPERATION_FINISHED'])
  assert.match(formatResources(resources((await framework.offer()).resources)), /DYNAMIC,eng/)
  await m.stop()
})

test('an agent that could not do what was reckoned with corrects the books', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [reserve(reserved('cpus', 2))])
  const stale = await framework.offer()
  await agent.probe.send(MASTER, UpdateResources, { total_resources: HOST, resource_version: 'v2' })
  await m.world.settle()
  assert.not(framework.offers.some(({ id }) => id.value === stale.id.value))
  assert.not.match(await total(m), /eng/)
  const next = await framework.offer()
  assert.is(formatResources(resources(next.resources)), 'cpus:8; mem:16384; disk:10000')
  await m.stop()
})

test('there is a limit to how different the resources of one agent can be', async () => {
  const { m, framework, offer } = await set()
  const labelled = (index: number) => {
    const { reservations = [], ...rest } = reserved('disk', 1)
    const labels = { labels: [{ key: String(index) }] }
    return { ...rest, reservations: reservations.map((each) => ({ ...each, labels })) }
  }
  const many = (from: number, count: number) =>
    reserve(...Array.from({ length: count }, (_, index) => labelled(from + index)))
  await framework.accept(offer, [
    withId('some', many(0, 900)),
    withId('too different', many(900, 900)),
    withId('few', many(900, 50)),
  ])
  assert.equal(told(framework), ['too different OPERATION_ERROR'])
  await m.stop()
})

test('one ACCEPT holds 100 operations at most, one agent 1000 that are not acknowledged', async () => {
  const { m, agent, framework, offer } = await set()
  const toggle = Array.from({ length: 100 }, (_, index) =>
    index % 2 === 0 ? reserve(reserved('cpus', 1)) : unreserve(reserved('cpus', 1)),
  )
  const more = withId('more', reserve(reserved('cpus', 1)))
  await framework.accept(offer, [...toggle, more])
  assert.match(statuses(framework)[0].message, '100 operations')
  for (let count = 1; count < 10; count++) await framework.accept(await framework.offer(), toggle)
  assert.is(agent.got(ApplyOperation).length, 1000)
  await framework.accept(await framework.offer(), [more])
  assert.match(statuses(framework)[1].message, 'not acknowledged')
  assert.is(agent.got(ApplyOperation).length, 1000)
  await m.stop()
})

test('what an agent lends is offered to those who want revocable resources, until it changes', async () => {
  const { m, agent, framework, offer } = await set({
    capabilities: [{ type: 'REVOCABLE_RESOURCES' }],
  })
  await framework.accept(offer, [launch(task('t1', offer, [scalar('cpus', 8)]))], 100)
  const lend = async (cpus: number) => {
    const lent = [{ ...scalar('cpus', cpus), revocable: {} }]
    await agent.probe.send(MASTER, UpdateOversubscribed, { resources: lent })
    await m.world.settle()
  }
  const text = (each: Document) => formatResources(resources(each.resources))
  await lend(2)
  const first = await framework.offer()
  assert.match(text(first), /cpus\{REV\}:2/)
  const other = await m.framework({ name: 'other' })
  await lend(1)
  assert.ok(
    framework.of('RESCIND').some(({ rescind }) => rescind.offer_id.value === first.id.value),
  )
  const second = await framework.offer()
  assert.match(text(second), /cpus\{REV\}:1/)
  const revocable = [{ ...scalar('cpus', 1), revocable: {} }]
  await framework.accept(second, [
    launch(task('mixed', second, [...revocable, scalar('cpus', 1)])),
    launch(task('t2', second, revocable)),
  ])
  assert.equal(framework.fates, ['TASK_ERROR/REASON_TASK_INVALID'])
  assert.not(other.offers.some((each) => text(each).includes('REV')))
  assert.is(agent.got(RunTasks).length, 2)
  const { get_metrics } = await m.operate({ type: 'GET_METRICS' })
  const metric = (name: string) =>
    get_metrics.metrics.find((each: { name: string }) => each.name === `master/${name}`)?.value
  assert.equal(
    ['cpus_total', 'cpus_used', 'cpus_revocable_total', 'cpus_revocable_used'].map(metric),
    [8, 8, 1, 1],
  )
  await m.stop()
})

// --- Operators ---

function call(type: string, agent: TestAgent, fields: object): object {
  return { type, [type.toLowerCase()]: { agent_id: { value: agent.id }, ...fields } }
}

test('an operator reserves what is offered: the offer is withdrawn', async () => {
  const { m, agent, framework, offer } = await set()
  const wanted = [reserved('cpus', 3, 'ops')]
  assert.equal(await m.operate(call('RESERVE_RESOURCES', agent, { resources: wanted })), {})
  assert.equal(
    framework.of('RESCIND').map(({ rescind }) => rescind.offer_id),
    [offer.id],
  )
  assert.equal(types(agent), ['RESERVE'])
  assert.is(agent.got(ApplyOperation)[0]?.framework_id, undefined)
  assert.match(await total(m), /\(DYNAMIC,ops\)\]\):3/)
  await agent.finish(agent.got(ApplyOperation)[0]!)
  assert.is(agent.got(AcknowledgeOperation).length, 1)
  // Not at once: it would be offered the same again.
  await m.world.advance(6000)
  const next = await framework.offer()
  assert.is(formatResources(resources(next.resources)), 'cpus:5; mem:16384; disk:10000')
  await m.stop()
})

test('an operator makes, changes and ends reservations and volumes', async () => {
  const m = await masterWorld()
  const agent = await m.agent('a1', HOST)
  const done = async (type: string, fields: object) =>
    assert.equal(await m.operate(call(type, agent, fields)), {}, type)
  await done('RESERVE_RESOURCES', { resources: [reserved('disk', 100)] })
  await done('CREATE_VOLUMES', { volumes: [volume('v1', 40)] })
  await done('GROW_VOLUME', { volume: volume('v1', 40), addition: reserved('disk', 10) })
  await done('SHRINK_VOLUME', { volume: volume('v1', 50), subtract: { value: 20 } })
  assert.match(await total(m), /v1.*:30/)
  await done('DESTROY_VOLUMES', { volumes: [volume('v1', 30)] })
  const ops = [reserved('disk', 100, 'ops')]
  await done('RESERVE_RESOURCES', { source: [reserved('disk', 100)], resources: ops })
  await done('UNRESERVE_RESOURCES', { resources: ops })
  assert.is(await total(m), 'cpus:8; mem:16384; disk:10000')
  await m.stop()
})

test('an operator is told why not, and nothing changes', async () => {
  const { m, agent, framework, offer } = await set()
  await framework.accept(offer, [launch(task('t1', offer, [scalar('cpus', 8)]))])
  const refused = async (code: string, type: string, fields: object) => {
    const { error } = await m.operate(call(type, agent, fields))
    assert.is(error?.code, code, type)
    return error.message
  }
  const one = [reserved('cpus', 1)]
  assert.match(await refused('NOT_AVAILABLE', 'RESERVE_RESOURCES', { resources: one }), 'cpus')
  await refused('NOT_AVAILABLE', 'UNRESERVE_RESOURCES', { resources: one })
  await refused('INVALID_RESOURCES', 'RESERVE_RESOURCES', { resources: [scalar('cpus', 1)] })
  await refused('INVALID_RESOURCES', 'DESTROY_VOLUMES', { volumes: [volume('v1', 1)] })
  await refused('INVALID_MESSAGE', 'CREATE_VOLUMES', {})
  const unknown = { reserve_resources: { agent_id: { value: 'x' }, resources: one } }
  const { error } = await m.operate({ type: 'RESERVE_RESOURCES', ...unknown })
  assert.is(error.code, 'UNKNOWN_AGENT')
  assert.equal(types(agent), [])
  assert.is(framework.of('RESCIND').length, 0)
  await m.stop()
})

test.run()
