import {
  additionalCopies,
  allocate,
  availableToLaunch,
  checkClaim,
  checkExecutorResources,
  checkLimits,
  checkTaskResources,
  executorMinimumFault,
  none,
  type Resources,
  sum,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  accepted,
  allocated,
  collect,
  must,
  parse,
  refused,
  same,
  scalar,
  sharedVolume,
  volume,
} from './support.ts'

const test = suite('resources of tasks and executors')

const eng = (text: string): Resources => allocate(parse(text), 'eng')
const cpu = allocated(scalar('cpus', 1), 'eng')
const shared = allocated(sharedVolume('s', 8, 'eng'), 'eng')

test('a task has resources, all allocated to one role', () => {
  same(must(checkTaskResources([cpu, cpu])), eng('cpus:2'))
  refused(checkTaskResources([]), 'TASK', 'resources')
  refused(checkTaskResources([scalar('cpus', 1)]), 'S3', 'resources[0].allocation_info.role')
  refused(
    checkTaskResources([scalar('cpus', -1)], 'task.resources'),
    'R3',
    'task.resources[0].scalar.value',
  )
  refused(checkTaskResources([cpu, { ...cpu, revocable: {} }]), 'S2')
  refused(checkTaskResources([allocated(scalar('gpus', 0.5), 'eng')]), 'M1')
  const persistent = allocated(volume('v', 1, 'eng'), 'eng')
  refused(checkTaskResources([persistent, persistent]), 'S1')
})

test('an executor may have none, and shares volumes only in a group', () => {
  assert.equal(must(checkExecutorResources([], false)), none)
  same(must(checkExecutorResources([cpu, shared], true)), collect(cpu, shared))
  refused(checkExecutorResources([cpu, shared], false), 'EXECUTOR', 'executor.resources')
  refused(checkExecutorResources([scalar('mem', 1)], false), 'S3')
})

test('task and executor fit the offer together, unless the executor already runs', () => {
  const claim = (executorRunning: boolean) => ({
    tasks: [eng('cpus:1;ports:[1-2]')],
    executor: eng('cpus:1;mem:32'),
    executorRunning,
  })
  accepted(checkClaim(claim(false), eng('cpus:2;mem:32;ports:[1-9]'), 'task'))
  refused(checkClaim(claim(false), eng('cpus:1;mem:32;ports:[1-9]'), 'task'), 'CLAIM', 'task')
  accepted(checkClaim(claim(true), eng('cpus:1;ports:[1-9]'), 'task'))
})

test('parts of a claim overlap neither in ports nor in volumes nor in revocability', () => {
  const all = sum([eng('cpus:9;ports:[1-9]'), collect(shared)])
  const refuse = (rule: string, ...tasks: Resources[]) =>
    refused(checkClaim({ tasks, executorRunning: false }, all, 'group'), rule, 'group')
  refuse('S5', eng('ports:[1-2]'), eng('ports:[2-3]'))
  refuse('S5', collect(shared), collect(shared))
  refuse('S2', collect(cpu), collect({ ...cpu, revocable: {} }))
  const persistent = collect(allocated(volume('v', 1, 'eng'), 'eng'))
  refuse('S1', persistent, persistent)
  const executor = eng('ports:[1-1]')
  const claim = { tasks: [eng('ports:[1-2]')], executor, executorRunning: true }
  refused(checkClaim(claim, all, 'task'), 'S5')
})

test('an executor of a group has a hundredth of a cpu, 32 MB and disk', () => {
  accepted(executorMinimumFault(eng('cpus:0.01;mem:32;disk:1'), true))
  accepted(executorMinimumFault(eng('cpus:0.01;mem:32'), false))
  refused(executorMinimumFault(eng('cpus:0.009;mem:32;disk:1'), true), 'EXECUTOR')
  refused(executorMinimumFault(eng('cpus:1;mem:31.9;disk:1'), true), 'EXECUTOR')
  refused(executorMinimumFault(eng('cpus:1;mem:32'), true), 'EXECUTOR')
  refused(executorMinimumFault(none, false), 'EXECUTOR')
})

test('limits are for what is requested, and not below it', () => {
  const where = { supported: true, sharesCgroups: false }
  const requested = eng('cpus:1;mem:32')
  accepted(checkLimits({}, requested, { supported: false, sharesCgroups: true }))
  accepted(checkLimits({ cpus: { value: 1 }, mem: { value: Infinity } }, requested, where))
  const refuse = (limits: Record<string, { value: number }>, place: string, context = where) =>
    refused(checkLimits(limits, requested, context), 'LIMITS', place)
  refuse({ cpus: { value: 0.999 } }, 'limits.cpus')
  refuse({ cpus: { value: Number.NaN } }, 'limits.cpus')
  refuse({ disk: { value: 9 } }, 'limits.disk')
  refuse({ cpus: { value: 2 } }, 'limits', { supported: false, sharesCgroups: false })
  refuse({ cpus: { value: 2 } }, 'limits', { supported: true, sharesCgroups: true })
  refused(checkLimits({ mem: { value: 9 } }, eng('cpus:1'), where), 'LIMITS', 'limits.mem')
})

test('shared volumes of the offer are there for every task, further copies are counted', () => {
  const offered = sum([eng('cpus:2'), collect(shared)])
  same(availableToLaunch(eng('cpus:1'), offered), sum([eng('cpus:1'), collect(shared)]))
  assert.equal(additionalCopies(offered, collect(cpu, shared)), none)
  same(additionalCopies(eng('cpus:1'), collect(cpu, shared)), collect(shared))
})

test.run()
