import type { ReservationInfo, Resource } from '../../../protocol/v1/resources.ts'
import {
  allocate,
  checkAllocationRole,
  checkOverlap,
  checkPersistenceIds,
  checkProvider,
  checkResources,
  checkRevocableMix,
  formatFault,
  idError,
  validateResource,
  validateResources,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  accepted,
  allocated,
  collect,
  dynamic,
  fixed,
  must,
  parse,
  ports,
  refused,
  reserved,
  scalar,
  sharedVolume,
  volume,
} from './support.ts'

const single = suite('rules for each resource')

const cpu = scalar('cpus', 1)
const bad = (resource: object, rule: string, place: string) =>
  refused(validateResource(resource as Resource), rule, place)
const good = (resource: Resource) => accepted(validateResource(resource))

single('R1, R2, R6: a name, and a type that resources have', () => {
  bad(scalar('', 1), 'R1', 'name')
  bad({ name: 'cpus', type: 'FLOAT' }, 'R2', 'type')
  bad({ name: 'cpus', type: 'TEXT', text: { value: 'x' } }, 'R6', 'type')
})

single('R3: a scalar is a number with three decimals, not below 0', () => {
  good(scalar('cpus', 0))
  good(scalar('cpus', 0.0005))
  good(scalar('cpus', 2 ** 51 / 1000))
  for (const value of [-1, -0.0001, 0.0004, Number.NaN, Infinity, 1e15]) {
    bad(scalar('cpus', value), 'R3', 'scalar.value')
  }
  bad({ name: 'cpus', type: 'SCALAR' }, 'R3', 'scalar')
  bad({ ...cpu, ranges: {} }, 'R3', '')
  bad({ ...cpu, set: {} }, 'R3', '')
})

single('R4: ranges begin before they end, do not overlap, and are whole numbers', () => {
  good(ports([1, 3], [4, 6]))
  good(ports([4, 6], [1, 3]))
  good(ports([0, Number.MAX_SAFE_INTEGER]))
  good({ name: 'ports', type: 'RANGES', ranges: {} })
  bad(ports([1, 2], [5, 3]), 'R4', 'ranges.range[1]')
  bad(ports([1, 3], [3, 6]), 'R4', 'ranges.range')
  bad(ports([1, 9], [2, 3]), 'R4', 'ranges.range')
  bad(ports([5, 9], [1, 6]), 'R4', 'ranges.range')
  for (const bound of [-1, 1.5, 2 ** 53, Number.NaN]) {
    bad(ports([bound, 2 ** 53]), 'R4', 'ranges.range[0]')
  }
  bad({ name: 'ports', type: 'RANGES' }, 'R4', 'ranges')
  bad({ ...ports([1, 2]), scalar: { value: 1 } }, 'R4', '')
})

single('R5: a set names nothing twice', () => {
  good({ name: 'z', type: 'SET', set: { item: ['a', 'b'] } })
  bad({ name: 'z', type: 'SET', set: { item: ['a', 'b', 'a'] } }, 'R5', 'set.item')
  bad({ name: 'z', type: 'SET' }, 'R5', 'set')
  bad({ name: 'z', type: 'SET', set: {}, ranges: {} }, 'R5', '')
})

single('R7, R8: disks are called disk and have a known source', () => {
  good(scalar('disk', 1, { disk: {} }))
  bad(scalar('mem', 1, { disk: {} }), 'R7', 'disk')
  bad(scalar('disk', 1, { disk: { source: { type: 'UNKNOWN' } } }), 'R8', 'disk.source.type')
  for (const type of ['BLOCK', 'RAW'] as const) {
    good(scalar('disk', 1, { disk: { source: { type } } }))
    bad(scalar('disk', 1, { disk: { source: { type, mount: {} } } }), 'R8', 'disk.source')
    bad(scalar('disk', 1, { disk: { source: { type, path: {} } } }), 'R8', 'disk.source')
  }
})

single('R9: the old format has a valid role, and a reservation only for one', () => {
  good({ ...cpu, role: '*' })
  good({ ...cpu, role: 'eng', reservation: { principal: 'p' } })
  bad({ ...cpu, role: 'a b' }, 'R9', 'role')
  bad({ ...cpu, role: 'eng', reservation: { type: 'DYNAMIC' } }, 'R9', 'reservation')
  bad({ ...cpu, role: 'eng', reservation: { role: 'eng' } }, 'R9', 'reservation')
  bad({ ...cpu, role: '*', reservation: {} }, 'R9', 'reservation')
  bad({ ...cpu, reservation: {} }, 'R9', 'reservation')
})

single('R10: a stack goes down the tree of roles, static at most at the bottom', () => {
  good(reserved(cpu, fixed('a'), dynamic('a/b'), dynamic('a/b/c/d')))
  const stack = (rule: string, place: string, ...reservations: ReservationInfo[]) =>
    bad(reserved(cpu, ...reservations), rule, place)
  stack('R10', 'reservations[0].type', { role: 'a' })
  stack('R10', 'reservations[0].type', { type: 'UNKNOWN', role: 'a' })
  stack('R10', 'reservations[0].role', { type: 'STATIC' })
  stack('R10', 'reservations[0].role', fixed('*'))
  stack('R10', 'reservations[0].role', fixed('/a'))
  stack('R10', 'reservations[1].type', fixed('a'), fixed('a/b'))
  stack('R10', 'reservations[1].role', fixed('a'), dynamic('a'))
  stack('R10', 'reservations[1].role', fixed('eng'), dynamic('eng2'))
  stack('R10', 'reservations[2].role', fixed('a'), dynamic('a/b'), dynamic('a/c'))
})

single('R11: role and reservation beside a stack of one repeat it', () => {
  const labels = { labels: [{ key: 'k' }] }
  const top = { ...dynamic('eng', 'p'), labels }
  good({ ...reserved(cpu, fixed('eng')), role: 'eng' })
  good({ ...reserved(cpu, top), role: 'eng', reservation: { principal: 'p', labels } })
  bad({ ...reserved(cpu, fixed('eng')), role: 'ops' }, 'R11', 'role')
  bad({ ...reserved(cpu, fixed('eng')), role: 'eng', reservation: {} }, 'R11', 'reservation')
  bad({ ...reserved(cpu, top), role: 'eng' }, 'R11', '')
  bad({ ...reserved(cpu, top), reservation: { principal: 'p', labels } }, 'R11', '')
  bad(
    { ...reserved(cpu, top), role: 'eng', reservation: { labels } },
    'R11',
    'reservation.principal',
  )
  bad(
    { ...reserved(cpu, top), role: 'eng', reservation: { principal: 'p' } },
    'R11',
    'reservation.labels',
  )
})

single('R12: a refined stack stands alone', () => {
  const refined = reserved(cpu, fixed('a'), dynamic('a/b'))
  bad({ ...refined, role: 'a/b' }, 'R12', '')
  bad({ ...refined, reservation: {} }, 'R12', '')
})

single('R13: only persistent volumes are shared', () => {
  good(sharedVolume('v1', 1, 'eng'))
  bad(scalar('cpus', 1, { shared: {} }), 'R13', 'shared')
  bad(scalar('disk', 1, { shared: {} }), 'R13', 'shared')
})

single('a list names the element, and a fault reads as a sentence', () => {
  const found = validateResources([cpu, scalar('cpus', -1)], 'offer.resources')
  refused(found, 'R3', 'offer.resources[1].scalar.value')
  assert.is(formatFault(found!), 'offer.resources[1].scalar.value: must not be negative (R3)')
})

single.run()

const masters = suite('rules for tasks, executors and operations')

const checked = (...list: Resource[]) => checkResources(list, 'resources')

masters('M1: gpus are whole, over all elements', () => {
  must(checked(scalar('gpus', 2), cpu))
  must(checked(scalar('gpus', 0.5), reserved(scalar('gpus', 0.5), fixed('eng'))))
  refused(checked(scalar('gpus', 1.5)), 'M1', 'resources')
})

masters(
  'M2: a persistent volume is reserved, not revocable, and has a safe id and a volume',
  () => {
    must(checked(volume('v1', 1, 'eng')))
    const good = volume('v1', 1, 'eng')
    const { reservations: _, ...unreserved } = good
    refused(checked({ ...good, revocable: {} }), 'M2', 'resources[0].revocable')
    refused(checked(unreserved), 'M2', 'resources[0].reservations')
    refused(
      checked({ ...good, disk: { persistence: { id: 'v1' } } }),
      'M2',
      'resources[0].disk.volume',
    )
    const host = { mode: 'RW' as const, container_path: '/a', host_path: '/b' }
    refused(
      checked({ ...good, disk: { persistence: { id: 'v1' }, volume: host } }),
      'M2',
      'resources[0].disk.volume.host_path',
    )
    const ids = [
      '',
      '.',
      '..',
      'a/b',
      'a\\b',
      'a\nb',
      'a\0',
      'a\x7f',
      'x'.repeat(256),
      'ä'.repeat(128),
    ]
    for (const id of ids) {
      refused(checked(volume(id, 1, 'eng')), 'M2', 'resources[0].disk.persistence.id')
    }
    for (const id of ['a', '...', 'a b', 'x'.repeat(255)]) assert.is(idError(id), undefined)
  },
)

masters('M3, M4: a disk has persistence or a source, a volume only persistence', () => {
  const mounted = { mode: 'RW' as const, container_path: '/a' }
  refused(
    checked(scalar('disk', 1, { disk: { volume: mounted } })),
    'M3',
    'resources[0].disk.volume',
  )
  refused(checked(scalar('disk', 1, { disk: {} })), 'M4', 'resources[0].disk')
  must(checked(scalar('disk', 1, { disk: { source: { type: 'PATH' } } })))
})

masters('M5: what is dynamically reserved is not revocable', () => {
  const revocable = { ...cpu, revocable: {} }
  refused(checked(reserved(revocable, dynamic('eng'))), 'M5', 'resources[0].revocable')
  must(checked(reserved(revocable, fixed('eng'))))
})

masters('documents of any format come back canonical', () => {
  assert.equal(must(checked({ ...cpu, role: 'eng', reservation: {} })), [
    reserved(cpu, dynamic('eng')),
  ])
})

masters('lists and messages are bounded', () => {
  const distinct = (count: number) => Array.from({ length: count }, (_, i) => scalar(`r${i}`, 1))
  must(checked(...distinct(1000)))
  refused(checked(...distinct(1001)), 'LIMIT', 'resources')
  const found = validateResource({ ...cpu, role: `${'x'.repeat(100_000)}/` })
  refused(found, 'R9', 'role')
  assert.ok(found!.message.length < 1100)
})

masters('S1: an id occurs once per role', () => {
  const check = (...list: Resource[]) => checkPersistenceIds(list, 'r')
  accepted(check(volume('v1', 1, 'eng'), volume('v1', 1, 'ops'), volume('v2', 1, 'eng'), cpu))
  refused(check(volume('v1', 1, 'eng'), volume('v1', 2, 'eng')), 'S1', 'r')
})

masters('S2: revocable and non-revocable of one name do not mix', () => {
  const revocable = { ...cpu, revocable: {} }
  accepted(checkRevocableMix([revocable, scalar('mem', 1)], 'r'))
  refused(checkRevocableMix([revocable, cpu], 'r'), 'S2', 'r')
})

masters('S3: everything is allocated to one role', () => {
  accepted(checkAllocationRole([], 'r'))
  accepted(checkAllocationRole(allocate(parse('cpus:1;mem:2'), 'eng'), 'r'))
  refused(checkAllocationRole([allocated(cpu, 'eng'), cpu], 'r'), 'S3', 'r[1].allocation_info.role')
  refused(checkAllocationRole([cpu], 'r'), 'S3', 'r[0].allocation_info.role')
  const two = [allocated(cpu, 'eng'), allocated(cpu, 'ops')]
  refused(checkAllocationRole(two, 'r'), 'S3', 'r[1].allocation_info.role')
})

masters('S4: an operation has one provider, and resources at all', () => {
  const provided = { ...cpu, provider_id: { value: 'rp' } }
  accepted(checkProvider([provided, provided], 'r'))
  refused(checkProvider([provided, cpu], 'r'), 'S4', 'r[1].provider_id')
  refused(checkProvider([], 'r'), 'S4', 'r')
})

masters('S5: parts claim no port, item or shared volume twice', () => {
  accepted(checkOverlap([parse('cpus:1;ports:[1-2]'), parse('cpus:1;ports:[3-4]')], 'r'))
  refused(checkOverlap([parse('ports:[1-2]'), parse('ports:[2-3]')], 'r'), 'S5', 'r')
  refused(checkOverlap([parse('z:{a}'), parse('z:{a,b}')], 'r'), 'S5', 'r')
  const shared = collect(sharedVolume('v1', 1, 'eng'))
  refused(checkOverlap([shared, shared], 'r'), 'S5', 'r')
})

masters.run()
