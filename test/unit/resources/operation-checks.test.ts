import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { checkOperation, none, type OperationContext } from '../../../src/resources/index.ts'
import { suite } from '../../support/suite.ts'
import {
  accepted,
  allocated,
  collect,
  create,
  destroy,
  dynamic,
  engDisk,
  fixed,
  grow,
  mountDisk,
  refused,
  reserve,
  reserved,
  scalar,
  sharedVolume,
  shrink,
  unreserve,
  volume,
} from './support.ts'

const checking = suite('checking operations')

const capabilities = new Set(['HIERARCHICAL_ROLE', 'RESERVATION_REFINEMENT', 'RESIZE_VOLUME'])
const operator: OperationContext = { capabilities, checkpointed: none, used: none }
const framework: OperationContext = {
  ...operator,
  framework: { roles: ['eng', 'eng/prod'], sharedResources: true },
}
const without = (name: string, context = operator): OperationContext => ({
  ...context,
  capabilities: new Set([...capabilities].filter((other) => other !== name)),
})
const engCpu = reserved(scalar('cpus', 1), dynamic('eng', 'p'))
const refusedFor = (
  operation: OfferOperation,
  context: OperationContext,
  rule: string,
  place?: string,
) => refused(checkOperation(operation, context), rule, place)

checking('RESERVE wants dynamic reservations of one provider', () => {
  accepted(checkOperation(reserve([engCpu]), operator))
  refusedFor(reserve([]), operator, 'S4')
  refusedFor({ type: 'RESERVE' }, operator, 'RESERVE', 'reserve')
  refusedFor(reserve([scalar('cpus', 1)]), operator, 'RESERVE', 'reserve.resources[0].reservations')
  refusedFor(reserve([reserved(scalar('cpus', 1), fixed('eng'))]), operator, 'RESERVE')
  refusedFor(reserve([engCpu, { ...engCpu, provider_id: { value: 'x' } }]), operator, 'S4')
  refusedFor(reserve([{ ...engCpu, revocable: {} }]), operator, 'M5')
})

checking('RESERVE names the principal of its caller', () => {
  accepted(checkOperation(reserve([engCpu]), { ...operator, principal: 'p' }))
  refusedFor(reserve([engCpu]), { ...operator, principal: 'q' }, 'RESERVE')
  const anonymous = reserved(scalar('cpus', 1), dynamic('eng'))
  refusedFor(reserve([anonymous]), { ...operator, principal: 'p' }, 'RESERVE')
  accepted(checkOperation(reserve([anonymous]), operator))
})

checking('RESERVE and CREATE need an agent that knows hierarchies and refinement', () => {
  const refined = reserved(scalar('cpus', 1), fixed('eng'), dynamic('eng/prod'))
  const hierarchical = reserved(scalar('cpus', 1), dynamic('eng/prod'))
  accepted(checkOperation(reserve([refined]), operator))
  refusedFor(reserve([hierarchical]), without('HIERARCHICAL_ROLE'), 'RESERVE')
  refusedFor(reserve([refined]), without('RESERVATION_REFINEMENT'), 'RESERVE')
  accepted(checkOperation(reserve([hierarchical]), without('RESERVATION_REFINEMENT')))
  refusedFor(create(volume('v', 1, 'eng/prod')), without('HIERARCHICAL_ROLE'), 'CREATE')
})

checking('RESERVE by a framework is for the role that the offer is allocated to', () => {
  accepted(checkOperation(reserve([allocated(engCpu, 'eng')]), framework))
  refusedFor(reserve([engCpu]), framework, 'RESERVE', 'reserve.resources[0].allocation_info')
  refusedFor(reserve([allocated(engCpu, 'eng/prod')]), framework, 'RESERVE')
  const ops = reserved(scalar('cpus', 1), dynamic('ops'))
  refusedFor(reserve([allocated(ops, 'ops')]), framework, 'RESERVE')
  const prod = allocated(reserved(scalar('cpus', 1), dynamic('eng/prod')), 'eng/prod')
  refusedFor(reserve([allocated(engCpu, 'eng'), prod]), framework, 'S3')
  refusedFor(reserve([allocated(engCpu, 'eng')], [engCpu]), framework, 'RESERVE', 'reserve.source')
  refusedFor(reserve([allocated(engCpu, 'eng')]), operator, 'RESERVE')
})

checking('RESERVE with a source changes nothing but reservations, of one stack', () => {
  const ops = reserved(scalar('cpus', 1), dynamic('ops'))
  accepted(checkOperation(reserve([ops], [engCpu]), operator))
  refusedFor(
    reserve([ops], [reserved(scalar('cpus', 2), dynamic('eng'))]),
    operator,
    'RESERVE',
    'reserve.source',
  )
  const mem = reserved(scalar('mem', 1), dynamic('eng'))
  refusedFor(reserve([ops], [engCpu, mem]), operator, 'RESERVE', 'reserve.source')
  refusedFor(reserve([ops, mem], [engCpu]), operator, 'RESERVE', 'reserve.resources')
})

checking('UNRESERVE wants dynamic reservations without volumes', () => {
  accepted(checkOperation(unreserve(engCpu), operator))
  refusedFor(unreserve(reserved(scalar('cpus', 1), fixed('eng'))), operator, 'UNRESERVE')
  refusedFor(
    unreserve(volume('v', 1, 'eng')),
    operator,
    'UNRESERVE',
    'unreserve.resources[0].disk.persistence',
  )
  refusedFor(unreserve(), operator, 'S4')
  refusedFor({ type: 'UNRESERVE' }, operator, 'UNRESERVE')
})

checking('CREATE wants new ids, writable volumes and the principal', () => {
  const v = volume('v', 1, 'eng')
  accepted(checkOperation(create(v), operator))
  refusedFor(create(engDisk(1)), operator, 'CREATE', 'create.volumes[0].disk.persistence')
  const readOnly = {
    ...v,
    disk: { persistence: { id: 'v' }, volume: { mode: 'RO' as const, container_path: '/' } },
  }
  refusedFor(create(readOnly), operator, 'CREATE', 'create.volumes[0].disk.volume.mode')
  refusedFor(create(v), { ...operator, checkpointed: collect(volume('v', 9, 'eng')) }, 'S1')
  accepted(checkOperation(create(v), { ...operator, checkpointed: collect(volume('v', 9, 'ops')) }))
  const shared = sharedVolume('v', 1, 'eng')
  refusedFor(create(shared), { ...operator, checkpointed: collect(shared) }, 'S1')
  refusedFor(create(v, v), operator, 'S1')
  refusedFor(
    create(v),
    { ...operator, principal: 'p' },
    'CREATE',
    'create.volumes[0].disk.persistence.principal',
  )
  refusedFor(create(v), framework, 'S3')
  accepted(checkOperation(create(allocated(v, 'eng')), framework))
  refusedFor({ type: 'CREATE' }, operator, 'CREATE')
})

checking('CREATE of a shared volume needs a framework that shares', () => {
  const shared = allocated(sharedVolume('v', 1, 'eng'), 'eng')
  accepted(checkOperation(create(shared), framework))
  const selfish = { ...framework, framework: { roles: ['eng'], sharedResources: false } }
  refusedFor(create(shared), selfish, 'CREATE', 'create.volumes[0].shared')
})

checking('DESTROY wants a volume that the agent has and nobody uses', () => {
  const v = volume('v', 1, 'eng')
  const has = { ...operator, checkpointed: collect(v) }
  accepted(checkOperation(destroy(allocated(v, 'eng')), has))
  refusedFor(destroy(v), operator, 'DESTROY', 'destroy.volumes[0]')
  refusedFor(
    destroy(v),
    { ...has, used: collect(allocated(v, 'eng')) },
    'DESTROY',
    'destroy.volumes[0]',
  )
  refusedFor(destroy(engDisk(1)), has, 'DESTROY', 'destroy.volumes[0].disk.persistence')
  accepted(checkOperation(destroy({ ...v, provider_id: { value: 'rp' } }), operator))
  refusedFor({ type: 'DESTROY' }, operator, 'DESTROY')
})

checking('GROW_VOLUME adds space of the same kind to a volume of the agent', () => {
  const v = volume('v', 5, 'eng')
  accepted(checkOperation(grow(v, engDisk(1)), operator))
  const addition = 'grow_volume.addition'
  const target = 'grow_volume.volume'
  refusedFor(grow(v, engDisk(0)), operator, 'GROW_VOLUME', addition)
  refusedFor(grow(v, scalar('disk', 1)), operator, 'GROW_VOLUME', addition)
  refusedFor(
    grow(v, reserved(scalar('disk', 1), dynamic('ops'))),
    operator,
    'GROW_VOLUME',
    addition,
  )
  const source = { type: 'MOUNT' as const, mount: { root: '/mnt/a' } }
  const mount = reserved(mountDisk(1), dynamic('eng'))
  refusedFor(grow(volume('v', 5, 'eng', { source }), mount), operator, 'GROW_VOLUME', addition)
  refusedFor(grow(engDisk(5), engDisk(1)), operator, 'GROW_VOLUME', `${target}.disk`)
  refusedFor(
    grow(sharedVolume('v', 5, 'eng'), engDisk(1)),
    operator,
    'GROW_VOLUME',
    `${target}.shared`,
  )
  refusedFor(
    grow({ ...v, provider_id: { value: 'x' } }, engDisk(1)),
    operator,
    'GROW_VOLUME',
    `${target}.provider_id`,
  )
  refusedFor(grow(v, engDisk(1)), without('RESIZE_VOLUME'), 'GROW_VOLUME', target)
  refusedFor(grow(v, engDisk(-1)), operator, 'R3', `${addition}.scalar.value`)
  refusedFor({ type: 'GROW_VOLUME' }, operator, 'GROW_VOLUME')
})

checking('SHRINK_VOLUME leaves some of a divisible volume', () => {
  const v = volume('v', 5, 'eng')
  accepted(checkOperation(shrink(v, 4.999), operator))
  for (const amount of [0, -1, 5, 6, Number.NaN]) {
    refusedFor(shrink(v, amount), operator, 'SHRINK_VOLUME', 'shrink_volume.subtract')
  }
  const source = { type: 'MOUNT' as const }
  const target = 'shrink_volume.volume'
  refusedFor(shrink(volume('v', 5, 'eng', { source }), 1), operator, 'SHRINK_VOLUME', target)
  refusedFor(shrink(sharedVolume('v', 5, 'eng'), 1), operator, 'SHRINK_VOLUME', `${target}.shared`)
  refusedFor(shrink(v, 1), without('RESIZE_VOLUME'), 'SHRINK_VOLUME', target)
  refusedFor({ type: 'SHRINK_VOLUME' }, operator, 'SHRINK_VOLUME')
})

checking('CREATE_DISK makes a MOUNT or BLOCK disk of a RAW one, with one profile', () => {
  const raw = (profile?: string): Resource => ({
    ...scalar('disk', 5, { disk: { source: { type: 'RAW', ...(profile && { profile }) } } }),
    provider_id: { value: 'rp' },
  })
  const make = (
    source: Resource,
    target_profile?: string,
    target_type: 'MOUNT' | 'PATH' = 'MOUNT',
  ): OfferOperation => ({
    type: 'CREATE_DISK',
    create_disk: { source, target_type, ...(target_profile && { target_profile }) },
  })
  accepted(checkOperation(make(raw('fast')), operator))
  accepted(checkOperation(make(raw(), 'fast'), operator))
  refusedFor(make(raw()), operator, 'CREATE_DISK', 'create_disk.target_profile')
  refusedFor(make(raw('fast'), 'slow'), operator, 'CREATE_DISK', 'create_disk.target_profile')
  refusedFor(
    make(raw('fast'), undefined, 'PATH'),
    operator,
    'CREATE_DISK',
    'create_disk.target_type',
  )
  refusedFor(make(mountDisk(5)), operator, 'CREATE_DISK', 'create_disk.source')
  refusedFor(
    make({ ...mountDisk(5), provider_id: { value: 'rp' } }),
    operator,
    'CREATE_DISK',
    'create_disk.source',
  )
  refusedFor({ type: 'CREATE_DISK' }, operator, 'CREATE_DISK')
})

checking('DESTROY_DISK takes a disk with an id that carries no volume', () => {
  const disk = (id?: string): Resource => ({
    ...scalar('disk', 5, { disk: { source: { type: 'MOUNT', ...(id && { id }) } } }),
    provider_id: { value: 'rp' },
  })
  const remove = (source: Resource): OfferOperation => ({
    type: 'DESTROY_DISK',
    destroy_disk: { source },
  })
  accepted(checkOperation(remove(disk('d')), operator))
  refusedFor(remove(disk()), operator, 'DESTROY_DISK', 'destroy_disk.source.disk.source.id')
  refusedFor(remove(mountDisk(5)), operator, 'DESTROY_DISK', 'destroy_disk.source')
  const path = { type: 'PATH' as const, id: 'd' }
  refusedFor(
    remove({ ...scalar('disk', 5, { disk: { source: path } }), provider_id: { value: 'rp' } }),
    operator,
    'DESTROY_DISK',
    'destroy_disk.source',
  )
  const taken = volume('v', 5, 'eng', { source: { type: 'MOUNT', id: 'd' } })
  refusedFor(
    remove({ ...taken, provider_id: { value: 'rp' } }),
    operator,
    'DESTROY_DISK',
    'destroy_disk.source.disk.persistence',
  )
  refusedFor({ type: 'DESTROY_DISK' }, operator, 'DESTROY_DISK')
})

checking('other operations are not about resources', () => {
  refusedFor({ type: 'LAUNCH' }, operator, 'OPERATION', 'type')
  refusedFor({}, operator, 'OPERATION', 'type')
})

checking.run()
