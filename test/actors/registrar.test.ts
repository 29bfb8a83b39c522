/** The registrar's messages over a log whose disk crashes as disks do. Spec: master.md §2-3, replicated-log.md §11. */
import { log } from '../../actors/log/index.ts'
import { registrar } from '../../actors/registrar/index.ts'
import { encode, unpack } from '../../protocol/codec.ts'
import { Append, Elect, Positions, Read } from '../../protocol/log.ts'
import { ApplyRegistry, RecoverRegistry, type RegistryOperation } from '../../protocol/registrar.ts'
import { pid } from '../../src/runtime/index.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('registrar')
const REGISTRAR = pid('registrar', 'm')
const WRITER = pid('log-writer', 'm')
const agentInfo = (value: string) => ({ hostname: value, id: { value } })
const timestamp = { nanoseconds: 1_795_000_000_000_000_000 }

async function start(w: World = world()) {
  const children = [log({ path: '/log', node: 'm', replicas: ['m'] }), registrar({ node: 'm' })]
  const node = await w.start('m', { children })
  return { w, node, probe: await w.probe(node) }
}

/** Has the probe elected, once the replica votes. */
async function elect(probe: Probe) {
  for (let i = 0; i < 50; i++) {
    const elected = await probe.ask(WRITER, Elect, {})
    if (elected.ok) return elected.value
  }
  throw new Error('the log has no writer')
}

/** Recovers as a master that has just been elected. */
async function recover(probe: Probe) {
  const { epoch, position } = await elect(probe)
  const body = { master_id: 'x', epoch, position }
  const outcome = await probe.ask(REGISTRAR, RecoverRegistry, body)
  if (!outcome.ok) throw new Error(outcome.error.message)
  return outcome.value
}

async function apply(probe: Probe, ...operations: RegistryOperation[]) {
  const outcome = await probe.ask(REGISTRAR, ApplyRegistry, { operations })
  if (!outcome.ok) throw new Error(outcome.error.message)
  return outcome.value.applied
}

test('a new registry is empty, and each leader has a higher epoch', async () => {
  const { w, node, probe } = await start()
  const { epoch, ...contents } = await recover(probe)
  for (const part of Object.values(contents)) assert.is(Object.keys(part).length, 0)
  const second = await recover(probe)
  assert.ok(second.epoch > epoch)
  await w.crash(node)
  const again = await start(w)
  assert.ok((await recover(again.probe)).epoch > second.epoch)
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
  const again = await start(w)
  const { admitted, unreachable, gone, weights } = await recover(again.probe)
  assert.equal(admitted, [agentInfo('S3')])
  assert.is(unreachable[0]?.agent_id.value, 'S1')
  assert.equal(unreachable[0]?.timestamp, timestamp)
  assert.equal(gone, [{ agent_id: { value: 'S2' }, timestamp }])
  assert.equal(weights, { web: 2 })
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
  assert.equal(
    await apply(probe, { type: 'PRUNE', unreachable: [{ value: 'S1' }], gone: [], left: [] }),
    [true],
  )
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

test('contents that cannot be understood stop the recovery with the name of the record', async () => {
  const { w, probe } = await start()
  const { epoch } = await elect(probe)
  const entry = { epoch, changes: [['admitted', 'S1', { hostname: 7 }]] }
  await probe.ask(WRITER, Append, { epoch, data: encode(entry) })
  const again = await elect(probe)
  const body = { master_id: 'x', epoch: again.epoch, position: again.position }
  const outcome = await probe.ask(REGISTRAR, RecoverRegistry, body)
  assert.is(outcome.ok, false)
  if (!outcome.ok) assert.match(outcome.error.message, 'admitted/S1')
  await w.stop()
})

/** Writes an entry as a master of another version would. */
async function write(probe: Probe, ...changes: unknown[][]) {
  const { epoch } = await elect(probe)
  const outcome = await probe.ask(WRITER, Append, { epoch, data: encode({ epoch, changes }) })
  if (!outcome.ok) throw new Error(outcome.error.message)
}

/** What the last entry of the log changes: kinds and ids, and the values of those that are set. */
async function lastChanges(probe: Probe): Promise<unknown[][]> {
  const { position } = await elect(probe)
  const outcome = await probe.ask(pid('log', 'm'), Read, { from: 0, to: position })
  if (!outcome.ok) throw new Error(outcome.error.message)
  return (unpack(outcome.value.entries.at(-1)!.data) as { changes: unknown[][] }).changes
}

test('a registry that needs an unknown capability is not recovered, until it needs it no more', async () => {
  const { w, probe } = await start()
  await recover(probe)
  await apply(probe, { type: 'ADMIT_AGENT', agent_info: agentInfo('S1') })
  await write(probe, ['capabilities', 'MOON_PHASES', true], ['moons', 'luna', 'full'])
  const { epoch, position } = await elect(probe)
  const body = { master_id: 'x', epoch, position }
  const refused = await probe.ask(REGISTRAR, RecoverRegistry, body)
  assert.is(refused.ok, false)
  if (!refused.ok) {
    assert.is(refused.error.code, 'MISSING_CAPABILITY')
    assert.match(refused.error.message, 'MOON_PHASES')
    assert.match(refused.error.message, 'AGENT_DRAINING, DISK_AGES, QUOTA_V2')
  }
  const operations = [{ type: 'ADMIT_AGENT' as const, agent_info: agentInfo('S2') }]
  const later = await probe.ask(REGISTRAR, ApplyRegistry, { operations })
  assert.equal(later.ok ? '' : later.error.code, 'NOT_LEADING')
  assert.equal((await elect(probe)).position, position, 'nothing was written')
  await write(probe, ['moons', 'luna'], ['capabilities', 'MOON_PHASES'])
  assert.equal((await recover(probe)).admitted, [agentInfo('S1')])
  await w.stop()
})

test('what first needs a capability records it in the same entry, what last needed it drops it', async () => {
  const { w, probe } = await start()
  await recover(probe)
  const agent_id = { value: 'S1' }
  await apply(probe, { type: 'ADMIT_AGENT', agent_info: agentInfo('S1') })
  assert.equal(await apply(probe, { type: 'DEACTIVATE_AGENT', agent_id }), [true])
  assert.equal(await lastChanges(probe), [
    ['deactivated', 'S1', true],
    ['capabilities', 'AGENT_DRAINING', true],
  ])
  await recover(probe)
  assert.equal(await apply(probe, { type: 'REACTIVATE_AGENT', agent_id }), [true])
  assert.equal(await lastChanges(probe), [
    ['deactivated', 'S1'],
    ['capabilities', 'AGENT_DRAINING'],
  ])
  await w.stop()
})

test('a registry from before there were capabilities gets those it needs', async () => {
  const { w, probe } = await start()
  await write(probe, ['quotas', 'web', { role: 'web', limits: { cpus: { value: 2 } } }])
  assert.is((await recover(probe)).quotas.length, 1)
  assert.equal(await lastChanges(probe), [['capabilities', 'QUOTA_V2', true]])
  await w.stop()
})

test('nothing is written once another was elected, and the registrar does not live on', async () => {
  const { w, node, probe } = await start()
  await recover(probe)
  const first = node.whereis('registrar')
  await elect(await w.probe(node))
  const operations = [{ type: 'ADMIT_AGENT' as const, agent_info: agentInfo('S1') }]
  const outcome = await probe.ask(REGISTRAR, ApplyRegistry, { operations })
  assert.is(outcome.ok, false)
  assert.is.not(node.whereis('registrar'), first)
  assert.equal((await recover(probe)).admitted, [])
  await w.stop()
})

test('the log is shortened to what counts, and nothing is forgotten', async () => {
  const { w, node, probe } = await start()
  await recover(probe)
  const names = Array.from({ length: 500 }, (_, i) => `S${i}`)
  await apply(
    probe,
    ...names.map((name) => ({ type: 'ADMIT_AGENT' as const, agent_info: agentInfo(name) })),
  )
  const update = (hostname: string) =>
    names.map((value) => ({
      type: 'UPDATE_AGENT' as const,
      agent_info: { hostname, id: { value } },
    }))
  for (const hostname of ['one', 'two', 'three']) await apply(probe, ...update(hostname))
  await apply(probe, { type: 'REMOVE_AGENT', agent_id: { value: 'S7' } })
  const positions = async () => {
    const outcome = await probe.ask(pid('log', 'm'), Positions, {})
    if (!outcome.ok) throw new Error(outcome.error.message)
    return outcome.value
  }
  for (let i = 0; i < 100 && (await positions()).begin === 0; i++) await w.advance(10)
  assert.ok((await positions()).begin > 0, 'the log was truncated')
  await w.crash(node)
  const { admitted } = await recover((await start(w)).probe)
  assert.is(admitted.length, 499)
  assert.ok(admitted.every(({ hostname, id }) => hostname === 'three' && id?.value !== 'S7'))
  await w.stop()
})

test.run()
