/** What an agent does with operations, and what of it survives. Spec: agent.md §8, resources.md §6. */
import type { ReregisterAgent, UpdateResources } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import { formatResources, resources } from '../../src/resources/index.ts'
import { AgentLab } from '../support/agent-lab.ts'
import {
  create,
  destroy,
  grow,
  reserve,
  reserved,
  unreserve,
  volume,
} from '../support/operations.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: operations')
const VOLUMES = '/a/volumes/roles'

async function withVolume(): Promise<AgentLab> {
  const lab = await AgentLab.start()
  await lab.done(reserve(reserved('disk', 100)))
  await lab.done(create(volume('v1', 40)))
  return lab
}

test('operations are applied in order, told when durable, and survive kill -9', async () => {
  const lab = await withVolume()
  assert.equal(lab.states, ['op-1 OPERATION_FINISHED', 'op-2 OPERATION_FINISHED'])
  assert.ok(await lab.exists(`${VOLUMES}/eng/v1`))
  await lab.restart()
  assert.match(lab.total, /disk:900;/)
  assert.match(lab.total, /eng.*:60/)
  assert.is(lab.report().operations?.length, 2)
  await lab.world.stop()
})

test('a status is sent again until it is acknowledged, also by a new life of the agent', async () => {
  const lab = await AgentLab.start()
  await lab.done(reserve(reserved('cpus', 1)))
  await lab.world.advance(10_000)
  assert.equal(lab.states, ['op-1 OPERATION_FINISHED', 'op-1 OPERATION_FINISHED'])
  await lab.restart()
  await lab.world.until(() => lab.updates().length === 3, 1000)
  const [first, , again] = lab.updates()
  assert.equal(again?.status.uuid, first?.status.uuid)
  lab.acknowledge(again!)
  await lab.world.advance(60_000)
  assert.is(lab.updates().length, 3)
  await lab.restart()
  assert.equal(lab.report().operations, [])
  assert.match(lab.total, /eng/)
  await lab.world.stop()
})

test('an acknowledgement of another status changes nothing', async () => {
  const lab = await AgentLab.start()
  await lab.done(reserve(reserved('cpus', 1)))
  const [update] = lab.updates()
  const uuid = { value: new Uint8Array(16) }
  lab.acknowledge({ ...update!, status: { ...update!.status, uuid } })
  await lab.world.advance(10_000)
  assert.is(lab.updates().length, 2)
  await lab.world.stop()
})

test('what was decided on an older report is dropped and changes nothing', async () => {
  const lab = await AgentLab.start()
  lab.apply(reserve(reserved('cpus', 1)), 'another version')
  await lab.world.settle()
  assert.equal(lab.states, ['op-1 OPERATION_DROPPED'])
  await lab.restart()
  assert.not.match(lab.total, /eng/)
  await lab.world.stop()
})

test('attempts to register are one report, however often they are repeated', async () => {
  const lab = await AgentLab.start()
  lab.master.admits = false
  await lab.world.crash(lab.agent)
  lab.world.clock.setTimeout(() => {
    lab.master.admits = true
  }, 5000)
  await lab.startAgent()
  const versions = lab
    .of<Payload<typeof ReregisterAgent>>('REREGISTER_AGENT')
    .map(({ resource_version }) => resource_version)
  assert.ok(versions.length > 2)
  assert.is(new Set(versions.slice(-3)).size, 1)
  await lab.done(reserve(reserved('cpus', 1)))
  assert.equal(lab.states, ['op-1 OPERATION_FINISHED'])
  await lab.world.stop()
})

test('what does not apply is an error, and the master is told what there really is', async () => {
  const lab = await AgentLab.start()
  const version = lab.version
  await lab.done(reserve(reserved('cpus', 5)))
  assert.equal(lab.states, ['op-1 OPERATION_ERROR'])
  const [correction] = lab.of<Payload<typeof UpdateResources>>('UPDATE_RESOURCES')
  assert.match(formatResources(resources(correction!.total_resources)), /cpus:4/)
  // What the master had decided in the meantime on the strength of it falls with it.
  lab.apply(unreserve(reserved('cpus', 5)), version)
  await lab.world.settle()
  assert.is(lab.states.at(-1), 'op-2 OPERATION_DROPPED')
  await lab.world.stop()
})

test('whenever the agent dies during CREATE, the volume is there exactly if its resources say so', async () => {
  const outcomes = new Set<boolean>()
  for (let ms = 0; ms <= 60; ms += 5) {
    const lab = await AgentLab.start()
    await lab.done(reserve(reserved('disk', 100)))
    lab.world.ports('a').disk.setFaults({ latencyMs: () => 10 })
    lab.apply(create(volume('v1', 40)))
    await lab.world.advance(ms)
    await lab.world.crash(lab.agent)
    lab.world.ports('a').disk.setFaults({})
    await lab.startAgent()
    const there = await lab.exists(`${VOLUMES}/eng/v1`)
    const known = lab.total.includes('v1')
    assert.is(there, known, `after ${ms} ms`)
    const told = lab.report().operations?.length === 2
    assert.is(told, known, `the outcome after ${ms} ms`)
    outcomes.add(known)
    await lab.world.stop()
  }
  assert.ok(outcomes.has(true))
})

test('whenever the agent dies during DESTROY, the data is there exactly if its resources say so', async () => {
  for (let ms = 0; ms <= 30; ms += 5) {
    const lab = await withVolume()
    const { disk } = lab.world.ports('a')
    await lab.world.run(disk.writeFile(`${VOLUMES}/eng/v1/data`, new Uint8Array(3)))
    disk.setFaults({ latencyMs: () => 10 })
    lab.apply(destroy(volume('v1', 40)))
    await lab.world.advance(ms)
    await lab.world.crash(lab.agent)
    disk.setFaults({})
    await lab.startAgent()
    assert.is(await lab.exists(`${VOLUMES}/eng/v1/data`), lab.total.includes('v1'), `${ms} ms`)
    await lab.world.stop()
  }
})

test('a volume that is made again at once is empty', async () => {
  const lab = await withVolume()
  const { disk } = lab.world.ports('a')
  await lab.world.run(disk.writeFile(`${VOLUMES}/eng/v1/data`, new Uint8Array(3)))
  disk.setFaults({ latencyMs: () => 10 })
  lab.apply(reserve(reserved('cpus', 1)))
  lab.apply(destroy(volume('v1', 40)))
  lab.apply(create(volume('v1', 60)))
  await lab.world.advance(1000)
  assert.is(lab.states.at(-1), 'op-5 OPERATION_FINISHED')
  assert.ok(await lab.exists(`${VOLUMES}/eng/v1`))
  assert.not(await lab.exists(`${VOLUMES}/eng/v1/data`))
  await lab.world.stop()
})

test('a task finds its volume in its sandbox, though both were ordered at once', async () => {
  const lab = await AgentLab.start()
  lab.world.ports('a').disk.setFaults({ latencyMs: () => 10 })
  lab.apply(reserve(reserved('disk', 100)))
  lab.apply(create(volume('v1', 40)))
  lab.master.run(lab.node, [commandTask('t1', 'true', { resources: [volume('v1', 40)] })])
  await lab.world.advance(5000)
  const link = '/a/slaves/A1/frameworks/F1/executors/t1/runs/latest/data'
  assert.is(await lab.world.run(lab.world.ports('a').disk.readlink(link)), `${VOLUMES}/eng/v1`)
  assert.ok(lab.master.statusesOf('t1').includes('TASK_STARTING'))
  await lab.world.stop()
})

test('a task that is killed while it waits for its volume is forgotten when that is told', async () => {
  const lab = await withVolume()
  await lab.done(create(volume('v2', 40)))
  const latencyMs = (operation: string) => (operation === 'removeTree' ? 60_000 : 0)
  lab.world.ports('a').disk.setFaults({ latencyMs })
  lab.apply(destroy(volume('v2', 40)))
  await lab.run([commandTask('t1', 'true', { resources: [volume('v1', 40)] })])
  await lab.run([commandTask('t2', 'sleep infinity')])
  lab.master.kill(lab.node, 't1')
  await lab.world.advance(100_000)
  await lab.restart()
  await lab.world.advance(1000)
  assert.equal(lab.master.statusesOf('t1'), ['TASK_KILLED'])
  await lab.world.stop()
})

test('other tasks do not wait until the data of a volume is removed', async () => {
  const lab = await withVolume()
  const isRemoval = (operation: string) => operation === 'removeTree'
  lab.world
    .ports('a')
    .disk.setFaults({ latencyMs: (operation) => (isRemoval(operation) ? 60_000 : 0) })
  lab.apply(destroy(volume('v1', 40)))
  lab.master.run(lab.node, [commandTask('t1', 'true')])
  await lab.world.advance(5000)
  assert.ok(lab.master.statusesOf('t1').includes('TASK_STARTING'))
  assert.is(lab.states.length, 2)
  await lab.world.advance(60_000)
  assert.is(lab.states.includes('op-3 OPERATION_FINISHED'), true)
  await lab.world.stop()
})

test('a task on a volume that is not there is dropped', async () => {
  const lab = await AgentLab.start()
  lab.master.run(lab.node, [commandTask('t1', 'true', { resources: [volume('v1', 40)] })])
  await lab.world.settle()
  assert.is(lab.master.lastStatus('t1')?.reason, 'REASON_RESOURCES_UNKNOWN')
  assert.is(lab.master.lastStatus('t1')?.state, 'TASK_DROPPED')
  await lab.world.stop()
})

test('a volume cannot be shown outside the sandbox', async () => {
  const lab = await withVolume()
  for (const [id, path] of [
    ['t1', '/data'],
    ['t2', '../data'],
  ] as const) {
    const resources = [volume('v1', 40, 'eng', path)]
    lab.master.run(lab.node, [commandTask(id, 'true', { resources })])
    await lab.world.settle()
    assert.is(lab.master.lastStatus(id)?.state, 'TASK_ERROR')
  }
  await lab.world.stop()
})

test('a volume in use is not destroyed', async () => {
  const lab = await withVolume()
  lab.master.run(lab.node, [commandTask('t1', 'true', { resources: [volume('v1', 40)] })])
  await lab.world.settle()
  await lab.done(destroy(volume('v1', 40)))
  assert.is(lab.states.at(-1), 'op-3 OPERATION_ERROR')
  assert.ok(await lab.exists(`${VOLUMES}/eng/v1`))
  await lab.world.advance(5000)
  await lab.done(destroy(volume('v1', 40)))
  assert.is(lab.states.at(-1), 'op-4 OPERATION_FINISHED')
  await lab.world.stop()
})

test('a volume grows by what is free, and keeps what is in it', async () => {
  const lab = await withVolume()
  const { disk } = lab.world.ports('a')
  await lab.world.run(disk.writeFile(`${VOLUMES}/eng/v1/data`, new Uint8Array(3)))
  await lab.done(grow(volume('v1', 40), reserved('disk', 10)))
  assert.is(lab.states.at(-1), 'op-3 OPERATION_FINISHED')
  await lab.restart()
  assert.match(lab.total, /v1.*:50/)
  assert.ok(await lab.exists(`${VOLUMES}/eng/v1/data`))
  await lab.world.stop()
})

test('an agent whose flags do not hold its volumes any more refuses to start', async () => {
  const lab = await withVolume()
  await lab.world.crash(lab.agent)
  const start = () => lab.startAgent({ resources: 'cpus:4;mem:1024;disk:10' })
  await start().then(
    () => assert.unreachable('it must not start'),
    (error: { code: string; message: string }) => {
      assert.is(error.code, 'INCOMPATIBLE_AGENT')
      assert.match(error.message, /does not fit/)
    },
  )
  await lab.startAgent()
  assert.match(lab.total, /v1/)
  await lab.world.stop()
})

test.run()
