/** What operators decide, in the registry. Spec: replicated-log.md §11, states.md §4.3, operator-api.md §B.1. */
import { settleCapabilities } from '../../../actors/registrar/capabilities.ts'
import { encodeEntry, readEntry } from '../../../actors/registrar/records.ts'
import {
  apply,
  type Change,
  type Contents,
  emptyContents,
  toRegistry,
} from '../../../actors/registrar/registry.ts'
import { encode } from '../../../protocol/codec.ts'
import type { RegistryOperation } from '../../../protocol/registrar.ts'
import { ok } from '../../../protocol/result.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('registry')

const agent_id = { value: 'S1' }
const timestamp = { nanoseconds: 1_795_000_000_000_000_000 }
const agent_info = { hostname: 'h1', id: agent_id }
const admit: RegistryOperation = { type: 'ADMIT_AGENT', agent_info }
const drain: RegistryOperation = { type: 'DRAIN_AGENT', agent_id, config: { mark_gone: false } }
const unavailability = { start: timestamp }
const h1 = { hostname: 'H1' }
const h2 = { hostname: 'h2' }

/** Applies operations one by one; what each wrote also rebuilds a second copy, which must be equal. */
function books(...operations: RegistryOperation[]) {
  const contents = emptyContents()
  contents.epoch = 1
  const copy = emptyContents()
  const applied = operations.map((operation) => {
    const changes: Change[] = apply(contents, operation)
    const read = readEntry(copy, encodeEntry(1, changes), new Map())
    assert.ok(read.ok, JSON.stringify(read))
    return changes.length > 0
  })
  assert.equal(toRegistry(copy), toRegistry(contents))
  return { contents, applied }
}

function schedule(...ids: Array<{ hostname: string }>): RegistryOperation {
  return { type: 'UPDATE_SCHEDULE', machines: ids.map((id) => ({ id, unavailability })) }
}

function modes({ machines }: Contents): string[] {
  return [...machines].map(([key, { mode }]) => `${key} ${mode}`)
}

test('an entry of a lower epoch behind one of a higher one is void', () => {
  const contents = emptyContents()
  const first: Change[] = [{ kind: 'weights', id: 'eng', value: 2 }]
  const late: Change[] = [{ kind: 'weights', id: 'eng', value: 3 }]
  assert.ok(readEntry(contents, encodeEntry(2, first), new Map()).ok)
  assert.equal(readEntry(contents, encodeEntry(1, late), new Map()), ok(0))
  assert.equal([contents.epoch, contents.weights.get('eng')], [2, 2])
})

test('an agent that drains is deactivated, and drained only after that', () => {
  const drained: RegistryOperation = { type: 'MARK_AGENT_DRAINED', agent_id }
  const { contents, applied } = books(drain, admit, drained, drain, drained, drained)
  assert.equal(applied, [false, true, false, true, true, false])
  assert.equal(toRegistry(contents).drains, [
    { agent_id, drain_info: { state: 'DRAINED', config: { mark_gone: false } } },
  ])
  assert.equal(toRegistry(contents).deactivated, [agent_id])
})

test('an agent is not reactivated while it drains', () => {
  const reactivate: RegistryOperation = { type: 'REACTIVATE_AGENT', agent_id }
  const drained: RegistryOperation = { type: 'MARK_AGENT_DRAINED', agent_id }
  const { contents, applied } = books(admit, reactivate, drain, reactivate, drained, reactivate)
  assert.equal(applied, [true, false, true, false, true, true])
  assert.is(contents.drains.size + contents.deactivated.size, 0)
})

test('the age of a disk only grows, of an agent that is known', () => {
  const aged = (disk_age: number): RegistryOperation => ({
    type: 'RECORD_DISK_AGE',
    agent_id,
    disk_age,
    timestamp,
  })
  const { contents, applied } = books(aged(1), admit, aged(2), aged(2), aged(1), aged(3))
  assert.equal(applied, [false, true, true, false, false, true])
  assert.equal(toRegistry(contents).disks, [{ agent_id, disk_age: 3, timestamp }])
})

test('the age of a disk is known until it is pruned, whatever becomes of the agent', () => {
  const aged: RegistryOperation = { type: 'RECORD_DISK_AGE', agent_id, disk_age: 3, timestamp }
  const prune: RegistryOperation = { type: 'PRUNE', unreachable: [], gone: [], left: [agent_id] }
  const ways: RegistryOperation[] = [
    { type: 'MARK_UNREACHABLE', agent_id, timestamp },
    { type: 'MARK_GONE', agent_id, timestamp },
    { type: 'REMOVE_AGENT', agent_id },
  ]
  for (const way of ways) {
    const { contents, applied } = books(admit, aged, prune, way, prune)
    const hasLeft = way.type === 'REMOVE_AGENT'
    assert.equal(applied, [true, true, false, true, hasLeft])
    assert.is(contents.disks.has('S1'), !hasLeft)
  }
})

test('what was decided about an agent outlives its absence, and ends with it', () => {
  const unreachable: RegistryOperation = { type: 'MARK_UNREACHABLE', agent_id, timestamp }
  const back: RegistryOperation = { type: 'MARK_REACHABLE', agent_info }
  const away = books(admit, drain, unreachable)
  assert.is(away.contents.drains.get('S1')?.state, 'DRAINING')
  assert.is(books(admit, drain, unreachable, back).contents.drains.size, 1)
  const ends: RegistryOperation[][] = [
    [{ type: 'REMOVE_AGENT', agent_id }],
    [{ type: 'MARK_GONE', agent_id, timestamp }],
    [unreachable, { type: 'PRUNE', unreachable: [agent_id], gone: [], left: [] }],
  ]
  for (const end of ends) {
    const { contents } = books(admit, drain, ...end)
    assert.is(contents.drains.size + contents.deactivated.size, 0)
  }
})

test('pruning takes those it names and no neighbours', () => {
  const ids = ['S1', 'S2', 'S3', 'S4'].map((value) => ({ value }))
  const operations = ids.flatMap((id): RegistryOperation[] => [
    { type: 'ADMIT_AGENT', agent_info: { hostname: 'h', id } },
    { type: 'MARK_UNREACHABLE', agent_id: id, timestamp },
  ])
  const prune: RegistryOperation = {
    type: 'PRUNE',
    unreachable: [ids[1]!, ids[2]!],
    gone: [],
    left: [],
  }
  const { contents } = books(...operations, prune)
  assert.equal([...contents.unreachable.keys()], ['S1', 'S4'])
})

test('machines go from the schedule to maintenance and out of both', () => {
  const start: RegistryOperation = { type: 'START_MAINTENANCE', machines: [h1] }
  const stop: RegistryOperation = { type: 'STOP_MAINTENANCE', machines: [h1] }
  const scheduled = books(stop, start, schedule(h1, h2), stop)
  assert.equal(scheduled.applied, [false, false, true, false])
  assert.equal(modes(scheduled.contents), ['h1 DRAINING', 'h2 DRAINING'])
  const down = books(schedule(h1, h2), start, start, schedule(h2), schedule(h1))
  assert.equal(down.applied, [true, true, false, false, true])
  assert.equal(modes(down.contents), ['h1 DOWN'])
  assert.equal(modes(books(schedule(h1, h2), start, stop).contents), ['h2 DRAINING'])
})

test('maintenance of several machines begins for all of them or for none', () => {
  const start: RegistryOperation = { type: 'START_MAINTENANCE', machines: [h1, h2] }
  const { contents, applied } = books(schedule(h1), start)
  assert.equal(applied, [true, false])
  assert.equal(modes(contents), ['h1 DRAINING'])
})

test('a quota without guarantees and limits is none', () => {
  const set = (limits: Record<string, { value: number }>): RegistryOperation => ({
    type: 'UPDATE_QUOTA',
    quota_configs: [{ role: 'web', limits }],
  })
  assert.equal(toRegistry(books(set({ cpus: { value: 2 } })).contents).quotas, [
    { role: 'web', limits: { cpus: { value: 2 } } },
  ])
  const { contents, applied } = books(set({ cpus: { value: 2 } }), set({}), set({}))
  assert.equal(applied, [true, true, false])
  assert.is(contents.quotas.size, 0)
})

/** Capabilities after each of the operations. */
function capabilitiesAfter(...operations: RegistryOperation[]): string[] {
  const contents = emptyContents()
  return operations.map((operation) => {
    apply(contents, operation)
    settleCapabilities(contents)
    return [...contents.capabilities.keys()].join()
  })
}

test('draining is a minimum capability from the first agent out of service to the last', () => {
  const other = { value: 'S2' }
  const needs = 'AGENT_DRAINING'
  const deactivate: RegistryOperation = { type: 'DEACTIVATE_AGENT', agent_id: other }
  const reactivate: RegistryOperation = { type: 'REACTIVATE_AGENT', agent_id: other }
  const admitOther: RegistryOperation = {
    type: 'ADMIT_AGENT',
    agent_info: { hostname: 'h2', id: other },
  }
  const gone: RegistryOperation = { type: 'MARK_GONE', agent_id, timestamp }
  const all = capabilitiesAfter(admit, admitOther, deactivate, drain, reactivate, gone)
  assert.equal(all, ['', '', needs, needs, needs, ''])
})

test('quotas are a minimum capability as long as a role has one', () => {
  const set = (role: string, limits: Record<string, { value: number }>): RegistryOperation => ({
    type: 'UPDATE_QUOTA',
    quota_configs: [{ role, limits }],
  })
  const some = { cpus: { value: 2 } }
  const all = capabilitiesAfter(set('a', some), set('b', some), set('a', {}), set('b', {}))
  assert.equal(all, ['QUOTA_V2', 'QUOTA_V2', 'QUOTA_V2', ''])
})

test('a record that is not understood counts until it is overwritten or deleted', () => {
  const contents = emptyContents()
  const problems = new Map<string, string>()
  const entry = (...changes: unknown[][]) =>
    readEntry(contents, encode({ epoch: 1, changes }), problems)
  assert.ok(entry(['moons', 'luna', 'full'], ['weights', 'eng', 'heavy']).ok)
  assert.equal([...problems.keys()], ['moons/luna', 'weights/eng'])
  assert.ok(entry(['moons', 'luna'], ['weights', 'eng', 2]).ok)
  assert.equal([problems.size, contents.weights.get('eng')], [0, 2])
})

test.run()
