import type { Resource } from '../../../protocol/v1/resources.ts'
import {
  add,
  agentResources,
  allocate,
  contains,
  containsResource,
  distinct,
  equalResources,
  equals,
  filter,
  find,
  isAddable,
  isAllocatableTo,
  isAllocatedToSubtree,
  isDynamicallyReserved,
  isReserved,
  isReservedToSubtree,
  isSubtractable,
  match,
  multiply,
  none,
  parseResources,
  popReservation,
  pushReservation,
  resources,
  shrink,
  subtract,
  sum,
  toUnreserved,
  toWire,
  transform,
  unallocate,
  upgrade,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  allocated,
  collect,
  dynamic,
  fixed,
  mountDisk,
  must,
  parse,
  ports,
  refused,
  reserved,
  same,
  scalar,
  sharedVolume,
  volume,
} from './support.ts'

const collections = suite('collections')

collections('invalid and empty resources are left out, the rest merges', () => {
  const list = [scalar('cpus', 1), scalar('cpus', -1), scalar('mem', 0), scalar('cpus', 2)]
  assert.equal(resources(list), [scalar('cpus', 3)])
  assert.equal(resources([ports()]), [])
})

collections('everything but the value must agree for two resources to merge', () => {
  const plain = scalar('disk', 1)
  const labels = (key: string) => ({ ...dynamic('eng'), labels: { labels: [{ key }] } })
  const different = [
    scalar('mem', 1),
    allocated(plain, 'eng'),
    reserved(plain, fixed('eng')),
    reserved(plain, dynamic('eng')),
    reserved(plain, dynamic('eng', 'p')),
    reserved(plain, labels('k')),
    reserved(plain, labels('l')),
    reserved(plain, fixed('eng'), dynamic('eng/a')),
    { ...plain, revocable: {} },
    { ...plain, provider_id: { value: 'rp' } },
    scalar('disk', 1, { disk: { source: { type: 'PATH' } } }),
    scalar('disk', 1, { disk: { source: { type: 'PATH', path: {} } } }),
    scalar('disk', 1, { disk: { source: { type: 'PATH', path: { root: '/a' } } } }),
    scalar('disk', 1, { disk: { source: { type: 'RAW' } } }),
    scalar('disk', 1, { disk: { source: { type: 'RAW', profile: 'fast' } } }),
  ]
  const all = resources([plain, ...different])
  assert.is(all.length, different.length + 1)
  for (const resource of different) {
    assert.not(isAddable(plain, resource))
    assert.not(isSubtractable(resource, plain))
    assert.ok(isAddable(resource, structuredClone(resource)))
  }
  assert.is(add(all, resources(different)).length, all.length, 'each merges with its like')
})

collections('labels are compared as multisets', () => {
  const labels = (...keys: string[]) =>
    reserved(scalar('cpus', 1), {
      ...dynamic('eng'),
      labels: { labels: keys.map((key) => ({ key })) },
    })
  assert.ok(equalResources(labels('a', 'b', 'a'), labels('a', 'a', 'b')))
  assert.not(equalResources(labels('a', 'b', 'b'), labels('a', 'a', 'b')))
  const value = (value?: string) => ({ key: 'k', ...(value !== undefined && { value }) })
  const one = (value: { key: string }) =>
    reserved(scalar('cpus', 1), { ...dynamic('eng'), labels: { labels: [value] } })
  assert.not(equalResources(one(value()), one(value(''))))
})

collections('indivisible disks never merge, and are taken out as a whole only', () => {
  const raw = scalar('disk', 10, { disk: { source: { type: 'RAW', id: 'r1' } } })
  const block = scalar('disk', 10, { disk: { source: { type: 'BLOCK' } } })
  for (const disk of [mountDisk(10), raw, block, volume('v1', 10, 'eng')]) {
    const two = collect(disk, disk)
    assert.is(two.length, 2)
    assert.equal(subtract(two, collect(disk)), [disk])
    assert.equal(subtract(two, collect({ ...disk, scalar: { value: 5 } })), two)
    assert.not(contains(two, collect({ ...disk, scalar: { value: 5 } })))
  }
})

collections('two equal indivisible disks are not contained in one', () => {
  for (const disk of [mountDisk(10), volume('v1', 10, 'eng'), sharedVolume('v1', 10, 'eng')]) {
    assert.ok(contains(collect(disk, disk), collect(disk, disk)))
    assert.not(contains(collect(disk), collect(disk, disk)))
    assert.not(equals(collect(disk), collect(disk, disk)))
  }
})

collections('the volume and the principal of a persistent volume do not identify it', () => {
  const a = volume('v1', 10, 'eng', { path: '/a' })
  const b = volume('v1', 10, 'eng', { path: '/b' })
  b.disk = { ...b.disk, persistence: { id: 'v1', principal: 'p' } }
  assert.ok(equalResources(a, b))
  assert.ok(contains(collect(a), collect(b)))
})

collections('taking out more than there is leaves nothing, and nothing else is touched', () => {
  assert.equal(subtract(parse('cpus:2'), parse('cpus:3')), none)
  same(subtract(parse('cpus:2;cpus(eng):2'), parse('cpus:3')), parse('cpus(eng):2'))
  same(subtract(parse('cpus:2'), parse('mem:3')), parse('cpus:2'))
  same(subtract(parse('ports:[1-5]'), parse('ports:[4-9]')), parse('ports:[1-3]'))
  same(subtract(parse('z:{a,b}'), parse('z:{b,c}')), parse('z:{a}'))
})

collections('copies of a shared resource are counted', () => {
  const one = collect(sharedVolume('v1', 64, 'eng'))
  const three = sum([one, one, one])
  assert.is(three.length, 3)
  assert.is(distinct(three).length, 1)
  assert.ok(contains(three, add(one, one)))
  assert.not(contains(one, add(one, one)))
  assert.equal(subtract(three, add(one, one)), one)
  assert.equal(subtract(one, three), none)
})

collections('a document that is not valid is contained in nothing', () => {
  assert.ok(containsResource(parse('cpus:2'), scalar('cpus', 1, { role: '*' })))
  assert.not(containsResource(parse('cpus:2'), scalar('cpus', -1)))
})

collections('neither adding nor subtracting changes its arguments', () => {
  const a = parse('cpus:2;ports:[1-9]')
  const b = parse('cpus:1;ports:[3-4,11-12]')
  const before = structuredClone([a, b])
  add(a, b)
  subtract(a, b)
  assert.equal([a, b], before)
})

collections('match ignores the value, filter keeps what it is asked to', () => {
  const collection = parse('cpus:2;cpus(eng):3;mem:4')
  assert.equal(match(collection, reserved(scalar('cpus', 9), fixed('eng'))), collection[1])
  assert.is(match(collection, scalar('disk', 9)), undefined)
  same(
    filter(collection, (resource) => isReserved(resource, 'eng')),
    parse('cpus(eng):3'),
  )
})

collections('transform merges what has become alike', () => {
  const renamed = transform(parse('cpus:2;mem:4'), (resource) => ({ ...resource, name: 'x' }))
  same(renamed, parse('x:6'))
})

collections('multiplied is added so many times', () => {
  const all = [
    scalar('cpus', 0.1),
    ports([1, 3], [7, 9]),
    reserved(scalar('mem', 5), fixed('eng')),
    mountDisk(10),
    sharedVolume('shared', 1, 'eng'),
  ]
  for (const count of [1, 2, 7]) {
    for (const list of [[], all]) {
      const expected = sum(Array.from({ length: count }, () => collect(...list)))
      same(multiply(collect(...list), count), expected)
    }
  }
})

collections.run()

const reservations = suite('reservations')

const stacked = reserved(scalar('cpus', 1), fixed('eng'), dynamic('eng/prod'))

reservations('the top of the stack says to whom and how it is reserved', () => {
  assert.ok(isReserved(stacked))
  assert.ok(isReserved(stacked, 'eng/prod'))
  assert.not(isReserved(stacked, 'eng'))
  assert.ok(isDynamicallyReserved(stacked))
  assert.not(isDynamicallyReserved(reserved(scalar('cpus', 1), fixed('eng'))))
})

reservations('a child role may consume what its ancestor has reserved', () => {
  const eng = reserved(scalar('cpus', 1), fixed('eng'))
  assert.ok(isAllocatableTo(scalar('cpus', 1), 'ops'))
  assert.ok(isAllocatableTo(eng, 'eng'))
  assert.ok(isAllocatableTo(eng, 'eng/prod'))
  assert.not(isAllocatableTo(eng, 'eng2'))
  assert.not(isAllocatableTo(stacked, 'eng'))
})

reservations('subtrees take in the role itself', () => {
  assert.ok(isReservedToSubtree(stacked, 'eng'))
  assert.ok(isReservedToSubtree(stacked, 'eng/prod'))
  assert.not(isReservedToSubtree(scalar('cpus', 1), 'eng'))
  assert.ok(isAllocatedToSubtree(allocated(stacked, 'eng/prod/x'), 'eng'))
  assert.not(isAllocatedToSubtree(stacked, 'eng'))
})

reservations('clearing reservations merges and keeps everything else', () => {
  const revocable = scalar('cpus', 1, { revocable: {} })
  same(
    toUnreserved(add(parse('cpus:1;cpus(eng):2;cpus(ops):3'), collect(revocable))),
    add(parse('cpus:6'), collect(revocable)),
  )
})

reservations('push refines and pop undoes it', () => {
  const eng = parse('cpus(eng):2')
  const pushed = must(pushReservation(eng, dynamic('eng/prod', 'p')))
  assert.equal(pushed[0]?.reservations, [fixed('eng'), dynamic('eng/prod', 'p')])
  same(must(popReservation(pushed)), eng)
  same(must(popReservation(eng)), parse('cpus:2'))
})

reservations('push refuses what would not be valid, pop what is unreserved', () => {
  refused(pushReservation(parse('cpus(eng):2'), dynamic('ops')), 'R10', '[0].reservations[1].role')
  refused(pushReservation(parse('cpus(eng):2'), fixed('eng/prod')), 'R10')
  refused(pushReservation(parse('cpus:2'), dynamic('*')), 'R10')
  refused(popReservation(parse('cpus(eng):1;cpus:2')), 'R10', '[1].reservations')
})

reservations('allocation is put on every element and taken off again', () => {
  const plain = parse('cpus:1;mem(eng):2')
  const given = allocate(plain, 'eng')
  assert.ok(given.every((resource) => resource.allocation_info?.role === 'eng'))
  assert.not(contains(given, plain))
  same(unallocate(given), plain)
  same(unallocate(add(given, allocate(plain, 'ops'))), add(plain, plain))
})

reservations.run()

const formats = suite('formats of reservations')

const labels = { labels: [{ key: 'k' }] }
const cpu = scalar('cpus', 1)
const dynamicEng = { ...dynamic('eng', 'p'), labels }

/** Canonical; pre-refinement; endpoint. */
const rows: [Resource, Resource, Resource][] = [
  [cpu, { ...cpu, role: '*' }, { ...cpu, role: '*' }],
  [
    reserved(cpu, fixed('eng')),
    { ...cpu, role: 'eng' },
    { ...cpu, role: 'eng', reservations: [fixed('eng')] },
  ],
  [
    reserved(cpu, dynamicEng),
    { ...cpu, role: 'eng', reservation: { principal: 'p', labels } },
    { ...cpu, role: 'eng', reservation: { principal: 'p', labels }, reservations: [dynamicEng] },
  ],
]

formats('each is written as the table says, and read back from all', () => {
  for (const [post, pre, endpoint] of rows) {
    assert.equal(must(toWire(resources([post]), 'post')), [post])
    assert.equal(must(toWire(resources([post]), 'pre')), [pre])
    assert.equal(must(toWire(resources([post]), 'endpoint')), [endpoint])
    for (const written of [post, pre, endpoint]) {
      assert.equal(upgrade(written), post)
      assert.equal(resources([written]), [post])
    }
  }
})

formats('a dynamic reservation without principal keeps an empty reservation', () => {
  const [written] = must(toWire(collect(reserved(cpu, dynamic('eng'))), 'pre'))
  assert.equal(written, { ...cpu, role: 'eng', reservation: {} })
})

formats('refined reservations need the new format', () => {
  const refined = collect(stacked)
  refused(toWire(refined, 'pre'), 'FORMAT', '[0].reservations')
  assert.equal(must(toWire(refined, 'endpoint')), [stacked])
  assert.equal(must(toWire(refined, 'post')), [stacked])
})

formats('empty stacks disappear, canonical resources are not copied', () => {
  assert.equal(upgrade({ ...cpu, reservations: [] }), cpu)
  assert.is(upgrade(stacked), stacked)
})

formats('a shared resource is written once', () => {
  const volume = collect(sharedVolume('v1', 64, 'eng'))
  assert.is(must(toWire(add(volume, volume), 'post')).length, 1)
})

formats.run()

const choosing = suite('choosing resources')

choosing('the target role comes first, then unreserved ones, then any', () => {
  const all = parse('cpus(eng):1;cpus:2;cpus(ops):4')
  const found = (text: string) => find(all, parse(text))
  same(found('cpus(eng):1')!, parse('cpus(eng):1'))
  same(found('cpus(eng):2')!, parse('cpus(eng):1;cpus:1'))
  same(found('cpus(eng):5')!, parse('cpus(eng):1;cpus:2;cpus(ops):2'))
  same(found('cpus:1')!, parse('cpus:1'))
  assert.is(found('cpus:8'), undefined)
  same(find(all, none)!, none)
})

choosing('ranges are taken piece by piece, and nothing is taken twice', () => {
  const all = parse('ports:[1-5];ports(eng):[6-9]')
  same(find(all, parse('ports:[4-7]'))!, parse('ports:[4-5];ports(eng):[6-7]'))
  assert.is(find(all, parse('ports:[9-10]')), undefined)
  assert.is(find(collect(mountDisk(5)), collect(mountDisk(5), mountDisk(5))), undefined)
  same(find(collect(mountDisk(5), mountDisk(5)), collect(mountDisk(5)))!, collect(mountDisk(5)))
})

choosing('only the divisible shrinks', () => {
  assert.equal(shrink(scalar('disk', 10), 4), scalar('disk', 4))
  assert.equal(shrink(mountDisk(10), 10), mountDisk(10))
  assert.is(shrink(mountDisk(10), 4), undefined)
})

choosing.run()

const detected = suite('resources of an agent')

detected('what the flags leave out is detected', () => {
  const host = { cpus: 8, memoryMb: 16_000, diskMb: 100_000 }
  const expected = parse('cpus:8;mem:14976;disk:94880;ports:[31000-32000]')
  same(agentResources([], host), expected)
  same(
    agentResources(must(parseResources('cpus:2;mem(eng):100')), host),
    parse('cpus:2;mem(eng):100;disk:94880;ports:[31000-32000]'),
  )
})

detected('a small host keeps half, an unknown one gets the fallbacks', () => {
  same(
    agentResources([], { cpus: 1, memoryMb: 2047, diskMb: 10_239 }),
    parse('cpus:1;mem:1023;disk:5119;ports:[31000-32000]'),
  )
  same(
    agentResources([], { cpus: 1, memoryMb: 2048, diskMb: 10_240 }),
    parse('cpus:1;mem:1024;disk:5120;ports:[31000-32000]'),
  )
  same(
    agentResources([], { cpus: 1, memoryMb: 3000, diskMb: 12_000.5 }),
    parse('cpus:1;mem:1976;disk:6880;ports:[31000-32000]'),
  )
  same(agentResources([], {}), parse('cpus:1;mem:1024;disk:10240;ports:[31000-32000]'))
})

detected('a name given with 0 is not detected, and gpus are only what was counted', () => {
  same(
    agentResources(must(parseResources('disk:0;ports:[];gpus:7')), { gpus: 2 }),
    parse('cpus:1;mem:1024;gpus:2'),
  )
})

detected.run()
