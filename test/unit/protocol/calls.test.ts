/** Validation of calls. scheduler-api.md §2, §3; executor-api.md §2; operator-api.md §B. */
import fc from 'fast-check'
import { decode, encode } from '../../../protocol/codec.ts'
import { clusterEvents, validateClusterEvent } from '../../../protocol/events.ts'
import * as executor from '../../../protocol/executor.ts'
import type { Message } from '../../../protocol/message.ts'
import {
  agentCalls,
  masterCalls,
  validateAgentCall,
  validateMasterCall,
} from '../../../protocol/operator.ts'
import * as scheduler from '../../../protocol/scheduler.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('protocol calls')

const id = (value: string) => ({ value })
const framework_id = id('F-0001')
const framework_info = { user: 'me', name: 'mine' }
const uuid = new Uint8Array(16)

function problemOf(result: ReturnType<typeof scheduler.validateCall> | { ok: boolean }): string {
  const refused = result as { ok: boolean; error?: { code: string; message: string } }
  if (refused.ok || !refused.error) throw new Error('the call was accepted')
  return `${refused.error.code} ${refused.error.message}`
}

const goodCalls: readonly object[] = [
  { type: 'SUBSCRIBE', subscribe: { framework_info } },
  {
    type: 'SUBSCRIBE',
    framework_id,
    subscribe: { framework_info: { ...framework_info, id: framework_id } },
  },
  { type: 'TEARDOWN', framework_id },
  { type: 'ACCEPT', framework_id, accept: { offer_ids: [id('O1')], operations: [] } },
  {
    type: 'DECLINE',
    framework_id,
    decline: { offer_ids: [id('O1')], filters: { refuse_seconds: 1 } },
  },
  { type: 'ACCEPT_INVERSE_OFFERS', framework_id, accept_inverse_offers: {} },
  { type: 'DECLINE_INVERSE_OFFERS', framework_id, decline_inverse_offers: {} },
  { type: 'REVIVE', framework_id },
  { type: 'SUPPRESS', framework_id, suppress: { roles: ['a'] } },
  { type: 'KILL', framework_id, kill: { task_id: id('t') } },
  { type: 'SHUTDOWN', framework_id, shutdown: { executor_id: id('e'), agent_id: id('a') } },
  { type: 'ACKNOWLEDGE', framework_id, acknowledge: { agent_id: id('a'), task_id: id('t'), uuid } },
  {
    type: 'ACKNOWLEDGE_OPERATION_STATUS',
    framework_id,
    acknowledge_operation_status: { operation_id: id('o'), uuid },
  },
  { type: 'RECONCILE', framework_id, reconcile: {} },
  { type: 'RECONCILE_OPERATIONS', framework_id, reconcile_operations: { operations: [] } },
  {
    type: 'MESSAGE',
    framework_id,
    message: { agent_id: id('a'), executor_id: id('e'), data: uuid },
  },
  { type: 'REQUEST', framework_id, request: {} },
  {
    type: 'UPDATE_FRAMEWORK',
    framework_id,
    update_framework: { framework_info: { ...framework_info, id: framework_id } },
  },
]

test('every call of the scheduler API is taken, in both formats', () => {
  const covered = new Set(goodCalls.map((call) => (call as { type: string }).type))
  assert.equal(
    [...covered],
    scheduler.schedulerCalls.map((call) => call.name),
  )
  for (const call of goodCalls) {
    for (const format of ['msgpack', 'json'] as const) {
      const decoded = decode(encode(call, format))
      assert.ok(decoded.ok)
      const result = scheduler.validateCall(decoded.value.value)
      assert.equal(result, { ok: true, value: call })
    }
  }
})

test('a call without its payload, or without its framework, is refused', () => {
  for (const call of goodCalls as ReadonlyArray<Record<string, unknown>>) {
    const type = String(call.type)
    const payload = type.toLowerCase()
    if (!['TEARDOWN', 'REVIVE', 'SUPPRESS'].includes(type)) {
      const { [payload]: _, ...rest } = call
      const sentence = `INVALID_MESSAGE ${type}.${payload}: is missing`
      assert.is(problemOf(scheduler.validateCall(rest)), sentence)
    }
    if (type !== 'SUBSCRIBE') {
      const { framework_id: _, ...rest } = call
      const sentence = `INVALID_MESSAGE ${type}.framework_id: is missing`
      assert.is(problemOf(scheduler.validateCall(rest)), sentence)
    }
  }
})

test('a wrong type is answered with the legal ones', () => {
  for (const value of [{}, { type: 'LAUNCH' }, { type: 3 }, { type: '__proto__' }]) {
    assert.match(
      problemOf(scheduler.validateCall(value)),
      /^INVALID_MESSAGE type: .*SUBSCRIBE, TEARDOWN, ACCEPT/,
    )
  }
  for (const value of [null, [], 'x', 1]) {
    assert.match(problemOf(scheduler.validateCall(value)), /the call must be an object/)
  }
  assert.match(problemOf(scheduler.validateCall({ type: 'UNKNOWN' })), /^UNSUPPORTED_CALL/)
  assert.match(problemOf(validateMasterCall({ type: 'GET_LOGGING_LEVEL' })), /^UNSUPPORTED_CALL/)
})

test('SUBSCRIBE and UPDATE_FRAMEWORK name one framework only', () => {
  const info = { ...framework_info, id: id('other') }
  const subscribe = { type: 'SUBSCRIBE', framework_id, subscribe: { framework_info: info } }
  const update = {
    type: 'UPDATE_FRAMEWORK',
    framework_id,
    update_framework: { framework_info: info },
  }
  const absent = { type: 'SUBSCRIBE', subscribe: { framework_info: info } }
  for (const call of [subscribe, update, absent]) {
    assert.match(
      problemOf(scheduler.validateCall(call)),
      /framework_info\.id: must be the same as framework_id/,
    )
  }
})

test('an acknowledgement names 16 bytes', () => {
  for (const [type, rest] of [
    ['ACKNOWLEDGE', { agent_id: id('a'), task_id: id('t') }],
    ['ACKNOWLEDGE_OPERATION_STATUS', { operation_id: id('o') }],
  ] as const) {
    const call = { type, framework_id, [type.toLowerCase()]: { ...rest, uuid: new Uint8Array(15) } }
    assert.match(problemOf(scheduler.validateCall(call)), /uuid: must have 16 bytes/)
  }
})

test('ids that would leave their directory or subject are refused', () => {
  const kill = (task: string) => ({ type: 'KILL', framework_id, kill: { task_id: id(task) } })
  assert.match(
    problemOf(scheduler.validateCall(kill('../x'))),
    /KILL\.kill\.task_id\.value: must not hold/,
  )
  for (const bad of ['a.b', '*', 'new', '', '..', 'a b']) {
    const call = { type: 'TEARDOWN', framework_id: id(bad) }
    assert.match(problemOf(scheduler.validateCall(call)), /TEARDOWN\.framework_id\.value: must /)
  }
})

test('a bad task id within ACCEPT does not refuse the call: the task alone will fail', () => {
  const task = { name: 't', task_id: id('../x'), agent_id: id('a') }
  const operations = [{ type: 'LAUNCH', launch: { task_infos: [task] } }]
  const call = { type: 'ACCEPT', framework_id, accept: { offer_ids: [id('O')], operations } }
  assert.ok(scheduler.validateCall(call).ok)
})

test('a wrong type deep within an operation is named', () => {
  const task = { name: 't', task_id: id('t'), agent_id: id('a'), command: { value: 7 } }
  const operations = [{ type: 'LAUNCH', launch: { task_infos: [task] } }]
  const call = { type: 'ACCEPT', framework_id, accept: { operations } }
  assert.is(
    problemOf(scheduler.validateCall(call)),
    'INVALID_MESSAGE ACCEPT.accept.operations.0.launch.task_infos.0.command.value: must be string',
  )
})

// --- Executor ---

const sender = { executor_id: id('e'), framework_id }
const status = { task_id: id('t'), state: 'TASK_RUNNING', source: 'SOURCE_EXECUTOR', uuid }
const update = (changes: object) => ({
  type: 'UPDATE',
  ...sender,
  update: { status: { ...status, ...changes } },
})

test('every call of the executor API is taken', () => {
  for (const call of [
    { type: 'SUBSCRIBE', ...sender, subscribe: {} },
    { type: 'SUBSCRIBE', ...sender, subscribe: { unacknowledged_updates: [{ status }] } },
    update({}),
    update({ executor_id: id('e'), check_status: { type: 'TCP', tcp: {} } }),
    { type: 'MESSAGE', ...sender, message: { data: uuid } },
    { type: 'HEARTBEAT', executor_id: id('unused'), framework_id: id('unused') },
  ]) {
    assert.equal(executor.validateCall(call), { ok: true, value: call })
  }
})

test('a status that an executor may not report is refused with the reason', () => {
  const cases: ReadonlyArray<readonly [object, string]> = [
    [{ uuid: undefined }, 'uuid: must have 16 bytes'],
    [{ uuid: new Uint8Array(3) }, 'uuid: must have 16 bytes'],
    [{ source: undefined }, 'source: must be SOURCE_EXECUTOR'],
    [{ source: 'SOURCE_AGENT' }, 'source: must be SOURCE_EXECUTOR'],
    [{ state: 'TASK_STAGING' }, 'state: must not be TASK_STAGING'],
    [{ executor_id: id('other') }, 'executor_id: must be the executor that sends this, or absent'],
    [{ task_id: id('a/b') }, 'task_id.value: must not hold'],
    [{ check_status: {} }, 'check_status.type: must be one of COMMAND, HTTP, TCP'],
    [{ check_status: { type: 'HTTP', tcp: {} } }, 'check_status.http: is missing'],
  ]
  for (const [change, sentence] of cases) {
    const place = 'INVALID_MESSAGE UPDATE.update.status.'
    assert.ok(
      problemOf(executor.validateCall(update(change))).startsWith(place + sentence),
      sentence,
    )
    const again = {
      type: 'SUBSCRIBE',
      ...sender,
      subscribe: { unacknowledged_updates: [{ status: { ...status, ...change } }] },
    }
    assert.ok(
      problemOf(executor.validateCall(again)).includes(
        `unacknowledged_updates.0.status.${sentence}`,
      ),
    )
  }
})

// --- Operator and events ---

test('operator calls are taken, those of ours too', () => {
  for (const type of ['GET_STATE', 'GET_OFFERS', 'GET_METRICS', 'GET_HEALTH', 'GET_MASTER']) {
    assert.equal(validateMasterCall({ type }), { ok: true, value: { type } })
  }
  const kill = { type: 'KILL_TASK', kill_task: { task_id: id('t') } }
  assert.equal(validateMasterCall(kill), { ok: true, value: kill })
  const read = { type: 'READ_FILE', read_file: { path: '/x', offset: 0 } }
  assert.equal(validateAgentCall(read), { ok: true, value: read })
  assert.match(
    problemOf(validateAgentCall({ ...read, read_file: { path: '/x', offset: -1 } })),
    /READ_FILE\.read_file\.offset: must be >= 0/,
  )
  assert.match(
    problemOf(validateMasterCall({ type: 'TEARDOWN', teardown: { framework_id: id('..') } })),
    /TEARDOWN/,
  )
})

const families: ReadonlyArray<
  readonly [string, readonly Message[], (value: unknown) => { ok: boolean }]
> = [
  ['scheduler calls', scheduler.schedulerCalls, scheduler.validateCall],
  ['scheduler events', scheduler.schedulerEvents, scheduler.validateEvent],
  ['executor calls', executor.executorCalls, executor.validateCall],
  ['executor events', executor.executorEvents, executor.validateEvent],
  ['master calls', masterCalls, validateMasterCall],
  ['agent calls', agentCalls, validateAgentCall],
  ['cluster events', clusterEvents, validateClusterEvent],
]

for (const [name, members, validate] of families) {
  test(`${name}: types are unique and documented`, () => {
    assert.is(new Set(members.map((each) => each.name)).size, members.length)
    for (const each of members) assert.match(each.doc, /^[A-Z].*[.?]$/)
  })

  test(`${name}: any value is answered with a verdict, never with a throw`, () => {
    const types = fc.constantFrom(...members.map((each) => each.name), 'UNKNOWN', 'x')
    const fields = fc.constantFrom(
      'framework_id',
      'executor_id',
      ...members.map((each) => each.name.toLowerCase()),
    )
    fc.assert(
      fc.property(types, fc.dictionary(fields, fc.anything({ maxDepth: 4 })), (type, rest) => {
        assert.type(validate({ ...rest, type }).ok, 'boolean')
      }),
    )
  })
}

test.run()
