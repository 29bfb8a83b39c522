/** Maintenance as operators and frameworks see it. Spec: operator-api.md §B.1, master.md §13, allocator.md §8. */
import { ShutdownAgent } from '../../protocol/agent.ts'
import {
  type Document,
  launch,
  type MasterWorld,
  masterWorld,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: maintenance')
const unavailability = { start: { nanoseconds: 1_795_000_000_000_000_000 } }

function schedule(m: MasterWorld, ...hostnames: string[]): Promise<Document> {
  const machine_ids = hostnames.map((hostname) => ({ hostname }))
  const windows = hostnames.length === 0 ? [] : [{ machine_ids, unavailability }]
  const update_maintenance_schedule = { schedule: { windows } }
  return m.operate({ type: 'UPDATE_MAINTENANCE_SCHEDULE', update_maintenance_schedule })
}

function machines(m: MasterWorld, type: string, ...hostnames: string[]): Promise<Document> {
  const body = { machines: hostnames.map((hostname) => ({ hostname })) }
  return m.operate({ type, [type.toLowerCase()]: body })
}

async function status(m: MasterWorld): Promise<Document> {
  const { get_maintenance_status } = await m.operate({ type: 'GET_MAINTENANCE_STATUS' })
  return get_maintenance_status.status
}

/** An agent, and a framework with a task on it that is asked to give it back. */
async function asked() {
  const m = await masterWorld()
  const agent = await m.agent('a1')
  const framework = await m.framework({ checkpoint: true })
  const offer = await framework.offer()
  await framework.accept(offer, [launch(task('t1', offer))])
  await agent.update(framework, 't1', 'TASK_RUNNING')
  await framework.offer()
  assert.equal(await schedule(m, 'A1'), {})
  await m.world.until(() => framework.of('INVERSE_OFFERS').length > 0, 3000)
  const [inverse] = framework.of('INVERSE_OFFERS')[0].inverse_offers.inverse_offers
  return { m, agent, framework, inverse }
}

test('planned maintenance withdraws offers, asks frameworks, and stands on later offers', async () => {
  const { m, agent, framework, inverse } = await asked()
  assert.equal(
    { ...inverse, id: undefined },
    {
      id: undefined,
      framework_id: { value: framework.id },
      agent_id: { value: agent.id },
      unavailability,
    },
  )
  assert.is(framework.of('RESCIND').length, 1)
  assert.equal((await framework.offer()).unavailability, unavailability)
  assert.equal(framework.fates, ['TASK_RUNNING'])
  await m.stop()
})

test('answers to inverse offers are kept, and whoever declines is left in peace for a while', async () => {
  const { m, framework, inverse } = await asked()
  const answer = { inverse_offer_ids: [inverse.id], filters: { refuse_seconds: 60 } }
  await framework.call('DECLINE_INVERSE_OFFERS', { decline_inverse_offers: answer })
  const [machine] = (await status(m)).draining_machines
  assert.equal(machine.id, { hostname: 'A1' })
  assert.equal(
    machine.statuses.map((each: Document) => [each.status, each.framework_id.value]),
    [['DECLINE', framework.id]],
  )
  await m.world.advance(30_000)
  assert.is(framework.of('INVERSE_OFFERS').length, 1)
  await m.stop()
})

test('maintenance that is not planned any more is not asked for', async () => {
  const { m, framework, inverse } = await asked()
  await schedule(m)
  assert.equal(
    framework.of('RESCIND_INVERSE_OFFER').map((each) => each.rescind_inverse_offer),
    [{ inverse_offer_id: inverse.id }],
  )
  assert.is((await framework.offer()).unavailability, undefined)
  assert.equal((await status(m)).draining_machines, [])
  await m.stop()
})

test('agents of a machine that is down are shut down, and refused until it is up', async () => {
  const { m, agent, framework } = await asked()
  assert.equal(await machines(m, 'START_MAINTENANCE', 'a1'), {})
  await m.world.settle()
  assert.is(agent.got(ShutdownAgent).length, 1)
  assert.is(framework.fates.at(-1), 'TASK_LOST/REASON_AGENT_REMOVED')
  const refused = await agent.reregister()
  assert.is(!refused.ok && refused.error.code, 'NOT_ACCEPTED')
  agent.id = ''
  const stranger = await agent.register()
  assert.is(!stranger.ok && stranger.error.code, 'NOT_ACCEPTED')
  assert.equal(await machines(m, 'STOP_MAINTENANCE', 'a1'), {})
  assert.ok((await agent.register()).ok)
  assert.equal(await status(m), { draining_machines: [], down_machines: [] })
  await m.stop()
})

test('the schedule outlives the master', async () => {
  const { m, agent } = await asked()
  await m.failOver()
  const { get_maintenance_schedule } = await m.operate({ type: 'GET_MAINTENANCE_SCHEDULE' })
  assert.equal(get_maintenance_schedule.schedule.windows, [
    { machine_ids: [{ hostname: 'A1' }], unavailability },
  ])
  await agent.reregister()
  const late = await m.framework()
  assert.equal((await late.offer()).unavailability, unavailability)
  await m.stop()
})

test('a schedule that cannot be is refused with the place, and changes nothing', async () => {
  const { m } = await asked()
  await machines(m, 'START_MAINTENANCE', 'a1')
  const window = (machine_ids: object[], duration = 1) => ({
    machine_ids,
    unavailability: { ...unavailability, duration: { nanoseconds: duration } },
  })
  const a1 = { hostname: 'a1' }
  const wrong: Array<[RegExp, object[]]> = [
    [/windows\[0\]\.machine_ids: must name/, [window([])]],
    [/windows\[0\]\.unavailability\.duration/, [window([a1], -1)]],
    [/windows\[0\]\.machine_ids\[0\]\.hostname/, [window([{ ip: '10.0.0.1' }])]],
    [/windows\[1\]\.machine_ids\[0\]: a1 stands twice/, [window([a1]), window([a1])]],
    [/must hold a1, which is down/, [window([{ hostname: 'b' }])]],
  ]
  for (const [pattern, windows] of wrong) {
    const update_maintenance_schedule = { schedule: { windows } }
    const type = 'UPDATE_MAINTENANCE_SCHEDULE'
    const { error } = await m.operate({ type, update_maintenance_schedule })
    assert.is(error.code, 'INVALID_MESSAGE')
    assert.match(error.message, pattern)
  }
  const { error } = await machines(m, 'START_MAINTENANCE', 'a1')
  assert.is(error.code, 'INVALID_MESSAGE')
  assert.equal((await status(m)).down_machines, [{ hostname: 'A1' }])
  await m.stop()
})

test.run()
