import type { AgentState } from '../../../protocol/v1/state.ts'
import type { TaskStatus } from '../../../protocol/v1/status.ts'
import { CommandError, describeError, exitCodeFor } from '../../../src/cli/errors.ts'
import { exitCodeOf, exitStatusOf } from '../../../src/cli/exit-status.ts'
import { judge } from '../../../src/cli/plan.ts'
import { age, parseDuration } from '../../../src/cli/times.ts'
import { agentShare } from '../../../src/cli/up/shares.ts'
import type { TaskProgress } from '../../../src/framework/index.ts'
import { parseResources } from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('run')

function ended(state: TaskStatus['state'], exit?: string): TaskProgress {
  const labels =
    exit === undefined ? {} : { labels: { labels: [{ key: 'exit_status', value: exit }] } }
  return {
    spec: { name: 't', command: 'true', cpus: 1, mem: 1 },
    taskId: 't',
    agentId: 'a',
    hostname: 'h',
    state,
    status: { task_id: { value: 't' }, state, ...labels },
    done: true,
  }
}

test('a single task gives its exit code, a signal 128 more', () => {
  assert.is(exitCodeOf([ended('TASK_FINISHED', '0')]), 0)
  assert.is(exitCodeOf([ended('TASK_FAILED', '3')]), 3)
  assert.is(exitCodeOf([ended('TASK_KILLED', '143')]), 143)
})

test('a task that did not finish never gives 0', () => {
  assert.is(exitCodeOf([ended('TASK_LOST')]), 1)
  assert.is(exitCodeOf([ended('TASK_KILLED', '0')]), 1)
})

test('one failure among several gives 1', () => {
  assert.is(exitCodeOf([ended('TASK_FINISHED', '0'), ended('TASK_FINISHED', '0')]), 0)
  assert.is(exitCodeOf([ended('TASK_FINISHED', '0'), ended('TASK_FAILED', '3')]), 1)
})

test('a label that is no exit code is none', () => {
  for (const text of ['', 'x', '-1', '256', '1.5']) {
    const { status } = ended('TASK_FAILED', text)
    assert.is(exitStatusOf(status), undefined, `'${text}'`)
  }
  assert.is(exitStatusOf(undefined), undefined)
})

const scalars = (text: string) => {
  const parsed = parseResources(text)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

function agent(fields: Partial<AgentState> = {}): AgentState {
  return {
    agent_info: { hostname: 'h', id: { value: 'A' } },
    active: true,
    version: '1',
    total_resources: scalars('cpus:4;mem:1024'),
    ...fields,
  }
}

test('a plan counts how many tasks fit', () => {
  const verdict = judge(agent(), { request: { cpus: 1, mem: 512 }, attributes: [] })
  assert.is(verdict.fits, 2)
  assert.equal(verdict.lacks, [])
})

test('a plan names every dimension that fails, and by how much', () => {
  const busy = agent({
    allocated_resources: scalars('cpus:3'),
    offered_resources: scalars('cpus:0.5;mem:100'),
  })
  const { fits, lacks } = judge(busy, {
    request: { cpus: 1, mem: 2000, disk: 5 },
    attributes: ['rack:r7'],
  })
  assert.is(fits, 0)
  assert.is(lacks.length, 4)
  assert.match(lacks[0] ?? '', /^cpus: wants 1, 0.5 of 4 free, 0.5 offered/)
  assert.match(lacks[1] ?? '', /^mem: wants 2000, 924 of 1024 free/)
  assert.match(lacks[2] ?? '', /^disk: wants 5, 0 of 0 free/)
  assert.match(lacks[3] ?? '', /rack:r7/)
})

test('a plan takes only active agents with the wanted attributes', () => {
  const wish = { request: { cpus: 1, mem: 1 }, attributes: ['rack:r7'] }
  const info = {
    hostname: 'h',
    attributes: [{ name: 'rack', type: 'TEXT' as const, text: { value: 'r7' } }],
  }
  assert.ok(judge(agent({ agent_info: info }), wish).fits > 0)
  assert.is(judge(agent({ agent_info: info, active: false }), wish).fits, 0)
})

test('durations are read with their units; a number alone is seconds', () => {
  const cases = { '30s': 30_000, '1.5m': 90_000, '500ms': 500, '2h': 7_200_000, '7': 7000 }
  for (const [text, ms] of Object.entries(cases)) assert.is(parseDuration(text, '--timeout'), ms)
  for (const text of ['', 's', '-1s', '5 d', '1e3']) {
    assert.throws(() => parseDuration(text, '--timeout'), /--timeout: must be a duration/)
  }
})

test('ages are told in the two units that matter', () => {
  assert.is(age(0, 42_000), '42s')
  assert.is(age(0, 192_000), '3m12s')
  assert.is(age(0, 3_720_000), '1h2m')
  assert.is(age(0, 86_400_000 * 3), '3d0h')
  assert.is(age(undefined), '-')
})

test('agents of one machine share it without promising a port twice', () => {
  const machine = { cpus: 8, memoryMb: 9 * 1024 }
  const texts = [0, 1, 2, 3].map((index) => agentShare(machine, index, 4, ''))
  assert.match(texts[0] ?? '', /^cpus:2;mem:2048;ports:\[31000-31249\]$/)
  const ports = texts.flatMap((text) => {
    const resource = scalars(text).find(({ name }) => name === 'ports')
    const [range] = resource?.ranges?.range ?? []
    return range === undefined ? [] : [range]
  })
  assert.is(ports.length, 4)
  for (const [index, range] of ports.entries()) {
    if (index > 0) assert.ok(range.begin > ports[index - 1]!.end)
  }
})

test('what is given for an agent is kept as it is', () => {
  const machine = { cpus: 8, memoryMb: 9 * 1024 }
  const text = agentShare(machine, 0, 1, 'cpus:0.5;mem(eng):128;ports:[1-2]')
  assert.is(text, 'cpus:0.5;mem(eng):128;ports:[1-2]')
})

test('an error is told with its code, its causes and what to do', () => {
  const cause = new Error('the disk is full')
  const error = new CommandError('STORAGE_FAILED', 'The storage failed', 'Free the disk.', {
    cause,
  })
  assert.equal(describeError(error).split('\n'), [
    'error: STORAGE_FAILED: The storage failed',
    '  because: the disk is full',
    '  Free the disk.',
  ])
  assert.match(
    describeError(new TypeError('x is not a function')),
    /^error: INTERNAL: TypeError.*\n +at /,
  )
})

test('exit codes are those of the documentation', () => {
  const cases = { USAGE: 2, NOT_FOUND: 3, NO_LEADER: 4, DENIED: 5, TIMEOUT: 1, INTERNAL: 1 }
  for (const [code, exit] of Object.entries(cases)) assert.is(exitCodeFor(code), exit, code)
})

test.run()
