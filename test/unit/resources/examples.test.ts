/** The worked examples of resources.md §8, with their numbers. */
import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import {
  add,
  additionalCopies,
  allocate,
  applyOperation,
  availableToLaunch,
  checkClaim,
  checkOperation,
  checkPersistenceIds,
  checkResources,
  contains,
  filter,
  isShared,
  none,
  quantitiesOf,
  type Resources,
  resources,
  settleAccept,
  subtract,
  sum,
  toWire,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  accepted,
  allocated,
  collect,
  create,
  destroy,
  dynamic,
  fixed,
  mountDisk,
  must,
  parse,
  ports,
  refused,
  reserve,
  reserved,
  same,
  scalar,
  sharedVolume,
  unreserve,
  volume,
} from './support.ts'

const test = suite('worked examples')

const apply = (available: Resources, operation: OfferOperation) =>
  must(applyOperation(available, operation))
/** Disk reserved to `eng` by principal p. */
const ownDisk = (size: number) => reserved(scalar('disk', size), dynamic('eng', 'p'))
const engVolume = (size: number, path = '/data') =>
  ({ ...volume('v1', size, 'eng', { path }), reservations: [dynamic('eng', 'p')] }) as Resource

test('E1: reserve, create and launch in one ACCEPT', () => {
  const eng = (...list: Resource[]) => allocate(collect(...list), 'eng')
  const offered = eng(...parse('cpus:8;mem:16384;disk:10000;ports:[31000-31099]'))

  const afterReserve = apply(offered, reserve([allocated(ownDisk(2048), 'eng')]))
  same(afterReserve, eng(...parse('cpus:8;mem:16384;disk:7952;ports:[31000-31099]'), ownDisk(2048)))

  const afterCreate = apply(afterReserve, create(allocated(engVolume(512), 'eng')))
  same(
    afterCreate,
    eng(...parse('cpus:8;mem:16384;disk:7952;ports:[31000-31099]'), ownDisk(1536), engVolume(512)),
  )

  const task = eng(...parse('cpus:1.5;mem:1024;ports:[31000-31001]'), engVolume(512))
  assert.ok(contains(afterCreate, task))
  const remaining = subtract(afterCreate, task)
  const untouched = eng(...parse('cpus:6.5;mem:15360;disk:7952;ports:[31002-31099]'))
  same(remaining, add(untouched, eng(ownDisk(1536))))

  const { converted, declined } = settleAccept(offered, remaining)
  same(converted, eng(ownDisk(1536)))
  same(declined, untouched)
})

test('E2: a refined reservation is taken off again, a static one is not', () => {
  const start = parse('cpus(eng):4')
  const refined = reserved(scalar('cpus', 1), fixed('eng'), dynamic('eng/prod'))
  const after = apply(start, reserve([refined]))
  same(after, collect(reserved(scalar('cpus', 3), fixed('eng')), refined))
  same(apply(after, unreserve(refined)), start)
  refused(
    applyOperation(start, unreserve(reserved(scalar('cpus', 1), fixed('eng')))),
    'UNRESERVE',
    'unreserve.resources[0].reservations',
  )
})

test('E3: a volume grows and shrinks', () => {
  const start = collect(ownDisk(1536), engVolume(512))
  const grown = apply(start, {
    type: 'GROW_VOLUME',
    grow_volume: { volume: engVolume(512), addition: ownDisk(256) },
  })
  same(grown, collect(ownDisk(1280), engVolume(768)))
  const shrink = (from: number, amount: number): OfferOperation => ({
    type: 'SHRINK_VOLUME',
    shrink_volume: { volume: engVolume(from), subtract: { value: amount } },
  })
  const shrunk = apply(grown, shrink(768, 128))
  same(shrunk, collect(ownDisk(1408), engVolume(640)))
  refused(applyOperation(shrunk, shrink(640, 640)), 'SHRINK_VOLUME', 'shrink_volume.subtract')
})

test('E4: a MOUNT disk becomes a volume as a whole, and never merges', () => {
  const disk = reserved(mountDisk(1000), dynamic('eng'))
  const source = { type: 'MOUNT' as const, mount: { root: '/mnt/a' } }
  refused(applyOperation(collect(disk), create(volume('v', 400, 'eng', { source }))), 'OPERATION')
  const whole = volume('v', 1000, 'eng', { source })
  same(apply(collect(disk), create(whole)), collect(whole))
  assert.is(collect(mountDisk(1000), mountDisk(1000)).length, 2)
})

test('E5: ports are split and joined', () => {
  const left = subtract(
    subtract(parse('ports:[31000-32000]'), parse('ports:[31005-31005]')),
    parse('ports:[31007-31007]'),
  )
  assert.equal(left, [ports([31000, 31004], [31006, 31006], [31008, 32000])])
  assert.equal(add(left, parse('ports:[31005-31005]')), [ports([31000, 31006], [31008, 32000])])
})

test('E6: over-subtraction leaves nothing and takes nothing elsewhere', () => {
  assert.equal(subtract(parse('cpus:2'), parse('cpus:3')), none)
  same(subtract(parse('cpus:2;cpus(eng):2'), parse('cpus:3')), parse('cpus(eng):2'))
})

test('E7: containment does not add up over roles', () => {
  const all = parse('cpus:2;cpus(eng):2')
  assert.not(contains(all, parse('cpus:3')))
  assert.ok(contains(all, parse('cpus:2;cpus(eng):1')))
})

test('E8: what is allocated to one role is not for another, nor unallocated', () => {
  const eng = allocate(parse('cpus:1'), 'eng')
  const ops = allocate(parse('cpus:1'), 'ops')
  assert.not(contains(eng, ops))
  assert.not(contains(parse('cpus:1'), eng))
  assert.not(contains(parse('cpus:1'), ops))
})

test('E9: one offered copy of a shared volume serves three tasks', () => {
  const shared = allocated(sharedVolume('v', 64, 'eng'), 'eng')
  const offered = resources([allocated(scalar('cpus', 3), 'eng'), shared])
  const task = resources([allocated(scalar('cpus', 1), 'eng'), shared])
  let remaining = offered
  let used = none
  let extra = none
  for (let i = 0; i < 3; i++) {
    const available = availableToLaunch(remaining, offered)
    accepted(checkClaim({ tasks: [task], executorRunning: false }, available, 'task'))
    extra = add(extra, additionalCopies(remaining, task))
    remaining = subtract(remaining, task)
    used = add(used, task)
  }
  assert.equal(remaining, none)
  assert.is(extra.length, 2)
  assert.is(filter(used, isShared).length, 3)
  assert.is(must(toWire(used, 'post')).filter(isShared).length, 1)
  assert.is(quantitiesOf(used).get('disk'), 64_000)
  const context = {
    capabilities: new Set<string>(),
    checkpointed: collect(sharedVolume('v', 64, 'eng')),
    used,
  }
  refused(checkOperation(destroy(shared), context), 'DESTROY', 'destroy.volumes[0]')
  accepted(checkOperation(destroy(shared), { ...context, used: none }))
})

test('E10: a task may mount a volume elsewhere', () => {
  const offered = collect(engVolume(512, '/data'))
  const task = collect(engVolume(512, '/mnt'))
  assert.ok(contains(offered, task))
  assert.is(task[0]?.disk?.volume?.container_path, '/mnt')
  assert.equal(subtract(offered, task), none)
})

test('E11: persistence ids are unique in a role', () => {
  accepted(checkPersistenceIds([volume('v1', 1, 'eng'), volume('v1', 1, 'ops')], 'r'))
  refused(checkPersistenceIds([volume('v1', 1, 'eng'), volume('v1', 2, 'eng')], 'r'), 'S1')
})

test('E12: gpus are whole in the task and in the executor', () => {
  must(checkResources([scalar('gpus', 1)], 'task'))
  refused(checkResources([scalar('gpus', 0.5)], 'executor'), 'M1', 'executor')
})

test('an operation on an offer keeps the allocation, and a volume made of it can be destroyed', () => {
  const offered = allocate(parse('disk(eng):100'), 'eng')
  const made = allocated({ ...sharedVolume('v', 60, 'eng'), reservations: [fixed('eng')] }, 'eng')
  const after = apply(offered, create(made))
  same(after, sum([allocate(parse('disk(eng):40'), 'eng'), resources([made])]))
  same(apply(after, destroy(made)), offered)
  refused(applyOperation(add(after, resources([made])), destroy(made)), 'OPERATION')
})

test.run()
