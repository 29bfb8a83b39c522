/** The registrar's messages over a store that crashes as disks do. Spec: master.md §2-3, replicated-log.md §11. */
import { registrar } from '../../actors/registrar/index.ts'
import { ApplyRegistry, RecoverRegistry, type RegistryOperation } from '../../protocol/registrar.ts'
import { pid } from '../../src/runtime/index.ts'
import { type Probe, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('registrar')
const REGISTRAR = pid('registrar', 'm')
const agentInfo = (value: string) => ({ hostname: value, id: { value } })
const timestamp = { nanoseconds: 1_795_000_000_000_000_000 }

async function start() {
  const w = world()
  const node = await w.start('m', { children: [registrar({ path: '/registry' })] })
  return { w, node, probe: await w.probe(node) }
}

async function recover(probe: Probe) {
  const outcome = await probe.ask(REGISTRAR, RecoverRegistry, { master_id: 'x' })
  if (!outcome.ok) throw new Error(outcome.error.message)
  return outcome.value
}

async function apply(probe: Probe, ...operations: RegistryOperation[]) {
  const outcome = await probe.ask(REGISTRAR, ApplyRegistry, { operations })
  if (!outcome.ok) throw new Error(outcome.error.message)
  return outcome.value.applied
}

test('each recovery begins an epoch, which survives the process', async () => {
  const { w, node, probe } = await start()
  assert.equal(await recover(probe), {
    epoch: 1,
    admitted: [],
    unreachable: [],
    gone: [],
    weights: {},
  })
  assert.is((await recover(probe)).epoch, 2)
  await w.crash(node)
  const again = await w.start('m', { children: [registrar({ path: '/registry' })] })
  assert.is((await recover(await w.probe(again))).epoch, 3)
  await w.stop()
})

test('what was answered is there after a crash', async () => {
  const { w, node, probe } = await start()
  await recover(probe)
  const admit = (value: string) => ({
    type: 'ADMIT_AGENT' as const,
    agent_info: agentInfo(value),
  })
  assert.equal(await apply(probe, admit('S1'), admit('S2'), admit('S3')), [true, true, true])
  assert.equal(
    await apply(
      probe,
      { type: 'MARK_UNREACHABLE', agent_id: { value: 'S1' }, timestamp },
      { type: 'MARK_GONE', agent_id: { value: 'S2' }, timestamp },
      { type: 'UPDATE_WEIGHTS', weights: { web: 2 } },
    ),
    [true, true, true],
  )
  await w.crash(node)
  const again = await w.start('m', { children: [registrar({ path: '/registry' })] })
  assert.equal(await recover(await w.probe(again)), {
    epoch: 2,
    admitted: [agentInfo('S3')],
    unreachable: [{ agent_id: { value: 'S1' }, timestamp }],
    gone: [{ agent_id: { value: 'S2' }, timestamp }],
    weights: { web: 2 },
  })
  await w.stop()
})

test('an operation that does not apply is answered false and changes nothing', async () => {
  const { w, probe } = await start()
  await recover(probe)
  const admit = { type: 'ADMIT_AGENT' as const, agent_info: agentInfo('S1') }
  const stranger = { value: 'S9' }
  assert.equal(
    await apply(
      probe,
      admit,
      admit,
      { type: 'REMOVE_AGENT', agent_id: stranger },
      { type: 'MARK_UNREACHABLE', agent_id: stranger, timestamp },
      { type: 'MARK_GONE', agent_id: stranger, timestamp },
      { type: 'UPDATE_AGENT', agent_info: agentInfo('S9') },
    ),
    [true, false, false, false, false, false],
  )
  assert.equal((await recover(probe)).admitted, [agentInfo('S1')])
  await w.stop()
})

test('an unreachable agent is admitted again, a gone one never', async () => {
  const { w, probe } = await start()
  await recover(probe)
  await apply(probe, { type: 'ADMIT_AGENT', agent_info: agentInfo('S1') })
  await apply(probe, { type: 'MARK_UNREACHABLE', agent_id: { value: 'S1' }, timestamp })
  const back = { type: 'MARK_REACHABLE' as const, agent_info: agentInfo('S1') }
  assert.equal(await apply(probe, back), [true])
  await apply(probe, { type: 'MARK_GONE', agent_id: { value: 'S1' }, timestamp })
  assert.equal(await apply(probe, back), [false])
  const registry = await recover(probe)
  assert.equal([registry.admitted, registry.unreachable], [[], []])
  assert.is(registry.gone.length, 1)
  await w.stop()
})

test('pruning forgets who has been away for long', async () => {
  const { w, probe } = await start()
  await recover(probe)
  await apply(
    probe,
    { type: 'ADMIT_AGENT', agent_info: agentInfo('S1') },
    { type: 'MARK_UNREACHABLE', agent_id: { value: 'S1' }, timestamp },
  )
  assert.equal(await apply(probe, { type: 'PRUNE', unreachable: [{ value: 'S1' }], gone: [] }), [
    true,
  ])
  assert.equal((await recover(probe)).unreachable, [])
  await w.stop()
})

test('a master that did not recover last cannot write', async () => {
  const { w, node, probe } = await start()
  const former = probe
  await recover(former)
  await recover(await w.probe(node))
  const outcome = await former.ask(REGISTRAR, ApplyRegistry, {
    operations: [{ type: 'REMOVE_AGENT', agent_id: { value: 'S1' } }],
  })
  assert.is(outcome.ok, false)
  if (!outcome.ok) assert.is(outcome.error.code, 'NOT_LEADING')
  await w.stop()
})

test('contents that cannot be understood are refused with the name of the record', async () => {
  const w = world()
  const store = await w.ports('m').storage.open('/registry')
  await w.run(store.commit([{ type: 'put', key: 'admitted/S1', value: Uint8Array.of(0xc1, 0xff) }]))
  await w.run(store.close())
  const node = await w.start('m', { children: [registrar({ path: '/registry' })] })
  const probe = await w.probe(node)
  const outcome = await probe.ask(REGISTRAR, RecoverRegistry, { master_id: 'x' })
  assert.is(outcome.ok, false)
  if (!outcome.ok) assert.match(outcome.error.message, 'admitted/S1')
  await w.stop()
})

test.run()
