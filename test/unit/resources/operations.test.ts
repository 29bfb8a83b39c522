import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import {
  add,
  applyCheckpointed,
  applyOperation,
  conversionsOf,
  filter,
  isSpeculative,
  needsCheckpoint,
  operationResources,
  settleAccept,
  stripToFlags,
  stripVolume,
  unallocatedOperation,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  allocated,
  collect,
  create,
  destroy,
  dynamic,
  engDisk,
  fixed,
  grow,
  must,
  parse,
  refused,
  reserve,
  reserved,
  same,
  scalar,
  sharedVolume,
  shrink,
  unreserve,
  volume,
} from './support.ts'

const applying = suite('applying operations')

applying('what is not there is not converted, and an operation is all or nothing', () => {
  const have = parse('cpus:1')
  refused(applyOperation(have, reserve([reserved(scalar('cpus', 2), dynamic('eng'))])), 'OPERATION')
  const two = create(volume('v1', 5, 'eng'), volume('v2', 6, 'eng'))
  refused(applyOperation(collect(engDisk(10)), two), 'OPERATION')
  same(
    must(applyOperation(collect(engDisk(11)), two)),
    collect(volume('v1', 5, 'eng'), volume('v2', 6, 'eng')),
  )
})

applying('an operator moves resources from one stack to another', () => {
  const source = reserved(scalar('cpus', 1), dynamic('eng'))
  const wanted = reserved(scalar('cpus', 1), dynamic('ops'))
  same(must(applyOperation(collect(source), reserve([wanted], [source]))), collect(wanted))
})

applying('the old format is understood', () => {
  const old = scalar('cpus', 1, { role: 'eng', reservation: {} })
  same(
    must(applyOperation(parse('cpus:3'), reserve([old]))),
    collect(scalar('cpus', 2), reserved(scalar('cpus', 1), dynamic('eng'))),
  )
})

applying('missing payloads, invalid resources and other types are refused', () => {
  for (const type of [
    'RESERVE',
    'UNRESERVE',
    'CREATE',
    'DESTROY',
    'GROW_VOLUME',
    'SHRINK_VOLUME',
  ] as const) {
    refused(conversionsOf({ type }), 'OPERATION')
  }
  refused(conversionsOf({ type: 'LAUNCH' }), 'OPERATION', 'type')
  refused(conversionsOf({}), 'OPERATION', 'type')
  refused(conversionsOf(reserve([scalar('cpus', -1)])), 'R3', 'reserve.resources[0].scalar.value')
  refused(
    conversionsOf(reserve([scalar('cpus', 1)])),
    'OPERATION',
    'reserve.resources[0].reservations',
  )
  refused(
    conversionsOf(grow(scalar('disk', -1), engDisk(1))),
    'R3',
    'grow_volume.volume.scalar.value',
  )
  refused(conversionsOf(shrink(volume('v', 5, 'eng'), Number.NaN)), 'SHRINK_VOLUME')
})

applying('stripping a volume keeps the source of the disk', () => {
  const source = { type: 'PATH' as const, path: { root: '/d' } }
  assert.equal(stripVolume(sharedVolume('v', 1, 'eng')), engDisk(1))
  assert.equal(
    stripVolume(volume('v', 1, 'eng', { source })),
    reserved(scalar('disk', 1, { disk: { source } }), dynamic('eng')),
  )
})

applying('totals are unallocated, so allocation is taken out of the operation', () => {
  const eng = (resource: Resource) => allocated(resource, 'eng')
  const v = volume('v', 5, 'eng')
  const pairs: [OfferOperation, OfferOperation][] = [
    [reserve([eng(engDisk(1))], [eng(engDisk(1))]), reserve([engDisk(1)], [engDisk(1)])],
    [unreserve(eng(engDisk(1))), unreserve(engDisk(1))],
    [create(eng(v)), create(v)],
    [destroy(eng(v)), destroy(v)],
    [grow(eng(v), eng(engDisk(1))), grow(v, engDisk(1))],
    [shrink(eng(v), 1), shrink(v, 1)],
  ]
  for (const [given, plain] of pairs) assert.equal(unallocatedOperation(given), plain)
})

applying('the resources of an operation are listed with their places', () => {
  const listed = (operation: OfferOperation) =>
    operationResources(operation).map(({ place }) => place)
  assert.equal(listed(reserve([engDisk(1)], [engDisk(1)])), ['reserve.source', 'reserve.resources'])
  assert.equal(listed(grow(engDisk(1), engDisk(1))), ['grow_volume.volume', 'grow_volume.addition'])
  assert.equal(listed({ type: 'LAUNCH' }), [])
  const old = scalar('cpus', 1, { role: 'eng' })
  assert.equal(operationResources(unreserve(old))[0]?.resources, [
    reserved(scalar('cpus', 1), fixed('eng')),
  ])
})

applying('only what the agent cannot refuse later is speculative', () => {
  for (const type of [
    'RESERVE',
    'UNRESERVE',
    'CREATE',
    'DESTROY',
    'GROW_VOLUME',
    'SHRINK_VOLUME',
  ]) {
    assert.ok(isSpeculative(type))
  }
  for (const type of ['CREATE_DISK', 'DESTROY_DISK', 'LAUNCH', 'LAUNCH_GROUP', undefined]) {
    assert.not(isSpeculative(type))
  }
})

applying('resized volumes are set aside and go back without a filter', () => {
  const offered = collect(engDisk(100), volume('v', 50, 'eng'), scalar('cpus', 1))
  const remaining = collect(engDisk(90), scalar('cpus', 1))
  const grown = collect(volume('v', 60, 'eng'))
  const { converted, declined } = settleAccept(offered, remaining, grown)
  same(converted, grown)
  same(declined, remaining)
})

applying.run()

const engCpu = reserved(scalar('cpus', 1), dynamic('eng', 'p'))

const checkpoints = suite('checkpointed resources')

checkpoints('dynamic reservations and volumes of the agent itself are kept', () => {
  assert.ok(needsCheckpoint(engCpu))
  assert.ok(needsCheckpoint({ ...volume('v', 1, 'eng'), reservations: [fixed('eng')] }))
  assert.not(needsCheckpoint(scalar('cpus', 1)))
  assert.not(needsCheckpoint(reserved(scalar('cpus', 1), fixed('eng'))))
  assert.not(needsCheckpoint({ ...engCpu, provider_id: { value: 'rp' } }))
})

checkpoints('after a restart they take the place of what the flags say', () => {
  const flags = parse('cpus:4;disk:100;disk(eng):50')
  const refined = reserved(scalar('disk', 20), fixed('eng'), dynamic('eng/prod'))
  const kept = collect(
    reserved(scalar('cpus', 1), dynamic('ops')),
    sharedVolume('v', 30, 'eng'),
    refined,
  )
  const totals = must(applyCheckpointed(flags, kept))
  same(totals, add(parse('cpus:3;disk:70;disk(eng):30'), kept))
  same(filter(totals, needsCheckpoint), kept)
  assert.equal(stripToFlags(refined), reserved(scalar('disk', 20), fixed('eng')))
})

checkpoints('flags that no longer hold them are incompatible', () => {
  refused(
    applyCheckpointed(
      parse('cpus:1;mem:4'),
      collect(reserved(scalar('mem', 1), dynamic('a')), reserved(scalar('cpus', 2), dynamic('a'))),
    ),
    'CHECKPOINT',
    '[1]',
  )
})

checkpoints.run()
