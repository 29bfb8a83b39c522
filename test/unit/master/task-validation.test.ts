/** The rules of scheduler-api.md §6.1, by their numbers. */
import {
  judgeGroup,
  judgeTask,
  type LaunchContext,
  normaliseTask,
} from '../../../actors/master/task-validation.ts'
import type { ExecutorInfo, TaskInfo } from '../../../protocol/v1/index.ts'
import { resources } from '../../../src/resources/index.ts'
import { scalar } from '../../support/master-world.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('task validation')

const context: LaunchContext = {
  agentId: 'S0',
  frameworkId: 'F0',
  role: '*',
  isTaken: (id) => id === 'taken',
  runningExecutor: (id) =>
    id === 'running'
      ? {
          executor_id: { value: id },
          framework_id: { value: 'F0' },
          command: { value: 'x' },
          resources: [],
        }
      : undefined,
  supportsLimits: false,
}
const remaining = resources([scalar('cpus', 4), scalar('mem', 1024), scalar('disk', 100)])
const good: TaskInfo = {
  name: 't',
  task_id: { value: 't' },
  agent_id: { value: 'S0' },
  command: { value: 'true' },
  resources: [scalar('cpus', 1)],
}

function problem(change: Partial<TaskInfo>, without: readonly (keyof TaskInfo)[] = []): string {
  const task = { ...good, ...change }
  for (const name of without) delete task[name]
  const verdict = judgeTask(normaliseTask(task, context), context, remaining)
  return verdict.ok ? 'valid' : verdict.problem
}

test('a plain command is valid, and claims what it asks for', () => {
  const verdict = judgeTask(normaliseTask(good, context), context, remaining)
  assert.equal(verdict.ok && verdict.claimed.tasks, [[scalar('cpus', 1)]])
})

const custom = (executor: Partial<ExecutorInfo>): Partial<TaskInfo> => ({
  executor: { executor_id: { value: 'e' }, command: { value: 'x' }, ...executor },
})
const negative = { nanoseconds: -1 }

const rules: ReadonlyArray<[string, Partial<TaskInfo>, string, (keyof TaskInfo)[]?]> = [
  ['1', { task_id: { value: '' } }, 'task_id.value'],
  ['1', { task_id: { value: 'a/b' } }, 'task_id.value'],
  ['2', { task_id: { value: 'taken' } }, 'in use'],
  ['3', { agent_id: { value: 'S1' } }, 'agent_id'],
  ['4', { kill_policy: { grace_period: negative } }, 'kill_policy'],
  ['5', { max_completion_time: negative }, 'max_completion_time'],
  ['6', { check: { type: 'UNKNOWN' } }, 'check.type'],
  ['6', { check: { type: 'HTTP', http: { port: 80, path: 'x' } } }, 'check.http.path'],
  ['6', { check: { type: 'TCP', tcp: { port: 80 }, delay_seconds: -1 } }, 'delay_seconds'],
  ['7', { health_check: { type: 'HTTP', http: { port: 80, scheme: 'ftp' } } }, 'scheme'],
  ['7', { health_check: { type: 'TCP', tcp: { port: 1 }, grace_period_seconds: -1 } }, 'grace'],
  ['8', { resources: [] }, 'must not be empty'],
  ['8', { resources: [scalar('cpus', 5)] }, 'only'],
  ['8', { resources: [{ ...scalar('cpus', 1), allocation_info: { role: 'other' } }] }, 'allocated'],
  ['9', { command: { value: 'x', environment: { variables: [{ name: 'A' }] } } }, "'A'"],
  ['10', { container: { type: 'DOCKER' } }, 'container.docker'],
  [
    '10',
    { container: { type: 'MESOS', volumes: [{ mode: 'RW', container_path: '/x' }] } },
    'exactly one',
  ],
  ['11', { limits: { cpus: { value: 2 } } }, 'TASK_RESOURCE_LIMITS'],
  ['12', custom({}), 'exactly one of command and executor'],
  ['12', {}, 'exactly one of command and executor', ['command']],
  ['12', custom({ type: 'DEFAULT' }), 'CUSTOM', ['command']],
  ['12', custom({ executor_id: { value: '..' } }), 'executor_id', ['command']],
  ['12', custom({ framework_id: { value: 'F1' } }), 'framework_id', ['command']],
  ['12', custom({ shutdown_grace_period: negative }), 'grace', ['command']],
  ['12', custom({ executor_id: { value: 'running' }, name: 'other' }), 'differs', ['command']],
  ['13', { container: { type: 'MESOS', linux_info: { share_cgroups: false } } }, 'share_cgroups'],
]
for (const [rule, change, expected, without] of rules) {
  test(`rule ${rule} is broken by ${JSON.stringify(change)}`, () => {
    assert.match(problem(change, without), expected)
  })
}

test('an executor that runs already claims nothing more', () => {
  const task = { ...good, executor: { executor_id: { value: 'running' }, command: { value: 'x' } } }
  delete (task as Partial<TaskInfo>).command
  const verdict = judgeTask(normaliseTask(task, context), context, remaining)
  assert.equal(verdict.ok && verdict.claimed.executor, [])
})

const pod: ExecutorInfo = {
  type: 'DEFAULT',
  executor_id: { value: 'pod' },
  framework_id: { value: 'F0' },
  resources: ['cpus', 'mem', 'disk'].map((name) => ({
    ...scalar(name, name === 'cpus' ? 0.1 : 32),
    allocation_info: { role: '*' },
  })),
}

function groupVerdict(executor: ExecutorInfo, ...tasks: TaskInfo[]): string {
  const members = tasks.map((task) => normaliseTask(task, context))
  const verdict = judgeGroup(executor, members, context, remaining)
  return verdict.ok ? 'valid' : verdict.problem
}

test('rule 14: a group needs members with ids of their own, a typed executor, and enough for all', () => {
  const other = { ...good, task_id: { value: 'u' } }
  const { type: _, ...untyped } = pod
  const greedy = { ...other, resources: [scalar('cpus', 3)] }
  assert.is(groupVerdict(pod, good, other), 'valid')
  assert.match(groupVerdict(pod), 'must not be empty')
  assert.match(groupVerdict(pod, good, good), 'twice')
  assert.match(groupVerdict(untyped, good), 'executor.type')
  assert.match(groupVerdict({ ...pod, resources: [] }, good), 'at least 0.01 cpus')
  assert.match(
    groupVerdict(pod, good, { ...other, container: { type: 'DOCKER', docker: { image: 'x' } } }),
    'DOCKER',
  )
  assert.match(groupVerdict(pod, good, greedy), 'only')
})

test.run()
