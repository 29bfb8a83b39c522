/** The checks of a chaos run find what they are for. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { auditEpochs, auditRegistry, auditTasks } from '../../chaos/audit.ts'
import { faultNames, schedule } from '../../chaos/faults.ts'
import { compareReplicas } from '../../chaos/log-audit.ts'
import type { TaskRecord } from '../../chaos/workload.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('chaos audit')
const directory = temporaryDirectory('audit')

function tasks(ends: Record<string, readonly string[]>, uuids = 1): Map<string, TaskRecord> {
  const all = Array.from({ length: uuids }, (_, index) => `uuid ${index}`)
  return new Map(
    Object.entries(ends).map(([id, states]) => [
      id,
      { ends: new Set(states), uuids: new Set(states.length > 0 ? all : []) },
    ]),
  )
}

function ran(...ids: string[]): string {
  const file = join(directory, 'ran')
  writeFileSync(file, ids.map((id) => `${id}\n`).join(''))
  return file
}

test('tasks that ended once and ran at most once are in order', () => {
  const audit = auditTasks(tasks({ a: ['TASK_FINISHED'], b: ['TASK_DROPPED'] }), ran('a'))
  assert.equal(audit, {
    states: { TASK_FINISHED: 1, TASK_DROPPED: 1 },
    reasons: { none: 1 },
    doubles: [],
    endless: [],
    problems: [],
  })
})

test('a command that ran twice, or not at all, or though its task was dropped, is found', () => {
  const known = tasks({
    twice: ['TASK_FINISHED'],
    never: ['TASK_FINISHED'],
    dropped: ['TASK_DROPPED'],
  })
  const audit = auditTasks(known, ran('twice', 'dropped', 'twice', 'unknown'))
  assert.equal(audit.doubles, ['twice'])
  assert.equal(audit.problems, [
    'never finished and never ran',
    'dropped was dropped, and ran',
    'unknown ran and was not launched',
  ])
})

test('a task with no end, or with more than one, is found', () => {
  const audit = auditTasks(tasks({ a: [], b: ['TASK_FINISHED', 'TASK_LOST'] }), ran('a', 'b'))
  assert.equal(audit.endless, ['a'])
  assert.equal(audit.problems, ['b ended several times: TASK_FINISHED, TASK_LOST'])
  const twice = auditTasks(tasks({ c: ['TASK_FINISHED'] }, 2), ran('c'))
  assert.equal(twice.problems, ['c has 2 terminal statuses'])
})

const launch = (time: number, epoch: number, ...ids: string[]) =>
  JSON.stringify({ level: 20, time, epoch, tasks: ids, msg: 'launches' })

test('launches of two masters one after the other are in order, whatever agents they are on', () => {
  const logs = [
    [launch(1, 1, 'a', 'b'), launch(5, 2, 'c'), '{"time":6,"msg":"other"}', ''].join('\n'),
    [launch(4, 1, 'd'), launch(5, 2, 'e'), 'no JSON'].join('\n'),
  ]
  assert.equal(auditEpochs(logs), { launches: 5, epochs: [1, 2], refused: 0, problems: [] })
})

test('a launch for a master whose successor had launched already is found', () => {
  const { problems } = auditEpochs([launch(1, 2, 'a'), launch(2, 1, 'late')])
  assert.equal(problems, ['late launched under epoch 1 after epoch 2'])
})

test('logs that tell of no launch prove nothing', () => {
  assert.equal(auditEpochs(['']).problems, ['the logs of the agents tell of no launch'])
})

test('an agent that was forgotten, admitted again or added is found', () => {
  const before = new Map([
    ['one', 'S1'],
    ['two', 'S2'],
  ])
  assert.equal(auditRegistry(before, new Map(before)), [])
  const after = new Map([
    ['one', 'S3'],
    ['three', 'S4'],
  ])
  assert.equal(auditRegistry(before, after), [
    'one was S1, and is S3',
    'two was S2, and is not admitted',
    'three was admitted during the run',
  ])
})

test('replicas that differ are found; what one has truncated is not compared', () => {
  const learned = (begin: number, ...entries: ReadonlyArray<[number, string]>) => ({
    begin,
    appended: new Map(entries),
  })
  const first = ['r1', learned(0, [1, 'aa'], [2, 'bb'])] as const
  const same = ['r2', learned(2, [2, 'bb'])] as const
  assert.equal(compareReplicas([first, same], 3), { compared: 2, differences: [] })
  const other = ['r3', learned(0, [1, 'aa'], [2, 'cc'])] as const
  assert.equal(compareReplicas([first, other], 3).differences, [
    'position 2 differs between r1 and r3',
  ])
  const behind = ['r4', learned(0, [1, 'aa'])] as const
  assert.equal(compareReplicas([first, behind], 3).differences, [
    'position 2 differs between r1 and r4',
  ])
})

test('faults come in an order that the seed decides, all of them before any comes again', () => {
  const first = (seed: string) => {
    const order = schedule(stream(seed, 'faults'), faultNames)
    return Array.from({ length: 2 * faultNames.length }, () => order.next().value)
  }
  assert.equal(first('x'), first('x'))
  assert.not.equal(first('x'), first('y'))
  assert.is(new Set(first('x').slice(0, faultNames.length)).size, faultNames.length)
})

test.run()
