/** Short ways to write resources, and the generators of the property tests. */
import fc from 'fast-check'
import type { Result } from '../../../protocol/result.ts'
import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import type { DiskInfo, ReservationInfo, Resource } from '../../../protocol/v1/resources.ts'
import {
  type Fault,
  formatFault,
  formatResources,
  parseResources,
  type Resources,
  resources,
} from '../../../src/resources/index.ts'
import { assert } from '../../support/suite.ts'

/** The value, or a failed test with the fault's own words. */
export function must<T>(result: Result<T, Fault>): T {
  if (!result.ok) throw new Error(formatFault(result.error))
  return result.value
}

/** A failed test unless `found` is a fault of `rule` at `place`. */
export function refused(
  found: Result<unknown, Fault> | Fault | undefined,
  rule: string,
  place?: string,
): void {
  const error = found === undefined || 'rule' in found ? found : found.ok ? undefined : found.error
  assert.ok(error !== undefined, `expected a fault of ${rule}`)
  assert.is(error.rule, rule, formatFault(error))
  if (place !== undefined) assert.is(error.place, place, formatFault(error))
  assert.ok(error.message.length > 0)
}

/** The fault of a check that must find none, as text for the failure. */
export function accepted(found: Fault | undefined): void {
  assert.is(found === undefined ? '' : formatFault(found), '')
}

/** A collection from the simple text grammar. */
export function parse(text: string): Resources {
  return resources(must(parseResources(text)))
}

export function collect(...list: Resource[]): Resources {
  const collection = resources(list)
  const dropped = list.length > 0 && collection.length === 0
  assert.not(dropped, 'the resources of a test must be valid')
  return collection
}

/** Elements as sorted text: order means nothing in a collection. */
export function shown(collection: Resources): string[] {
  return formatResources(collection).split('; ').sort()
}

export function same(actual: Resources, expected: Resources): void {
  assert.equal(shown(actual), shown(expected))
}

export function scalar(name: string, value: number, more: Partial<Resource> = {}): Resource {
  return { name, type: 'SCALAR', scalar: { value }, ...more }
}

export function ports(...pairs: [number, number][]): Resource {
  return {
    name: 'ports',
    type: 'RANGES',
    ranges: { range: pairs.map(([begin, end]) => ({ begin, end })) },
  }
}

export function fixed(role: string): ReservationInfo {
  return { type: 'STATIC', role }
}

export function dynamic(role: string, principal?: string): ReservationInfo {
  return { type: 'DYNAMIC', role, ...(principal !== undefined && { principal }) }
}

export function reserved(resource: Resource, ...stack: ReservationInfo[]): Resource {
  return { ...resource, reservations: stack }
}

export function allocated(resource: Resource, role: string): Resource {
  return { ...resource, allocation_info: { role } }
}

/** A persistent volume of `size` MB, mounted at `path`. */
export function volume(
  id: string,
  size: number,
  role: string,
  { path = '/data', source }: { path?: string; source?: DiskInfo['source'] } = {},
): Resource {
  const disk: DiskInfo = {
    persistence: { id },
    volume: { mode: 'RW', container_path: path },
    ...(source !== undefined && { source }),
  }
  return reserved(scalar('disk', size, { disk }), dynamic(role))
}

export function sharedVolume(id: string, size: number, role: string): Resource {
  return { ...volume(id, size, role), shared: {} }
}

export function mountDisk(size: number, root = '/mnt/a'): Resource {
  return scalar('disk', size, { disk: { source: { type: 'MOUNT', mount: { root } } } })
}

// --- Operations ---

export const reserve = (resources: Resource[], source?: Resource[]): OfferOperation => ({
  type: 'RESERVE',
  reserve: { resources, ...(source && { source }) },
})
export const unreserve = (...resources: Resource[]): OfferOperation => ({
  type: 'UNRESERVE',
  unreserve: { resources },
})
export const create = (...volumes: Resource[]): OfferOperation => ({
  type: 'CREATE',
  create: { volumes },
})
export const destroy = (...volumes: Resource[]): OfferOperation => ({
  type: 'DESTROY',
  destroy: { volumes },
})
export const grow = (volume: Resource, addition: Resource): OfferOperation => ({
  type: 'GROW_VOLUME',
  grow_volume: { volume, addition },
})
export const shrink = (volume: Resource, value: number): OfferOperation => ({
  type: 'SHRINK_VOLUME',
  shrink_volume: { volume, subtract: { value } },
})

/** Disk dynamically reserved to `eng`. */
export const engDisk = (size: number) => reserved(scalar('disk', size), dynamic('eng'))

// --- Generators ---

/** Thousandths up to a few thousand, as a scalar. */
export const anyScalar = fc.integer({ min: 1, max: 5_000_000 }).map((millis) => millis / 1000)

/** Valid ranges, neither sorted nor disjoint. */
export const anyRanges = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 8 }))
    .map(([begin, length]) => ({ begin, end: begin + length })),
  { maxLength: 8 },
)

const anyStack = fc.constantFrom<ReservationInfo[][]>(
  [],
  [],
  [fixed('eng')],
  [dynamic('eng', 'p')],
  [fixed('eng'), dynamic('eng/prod')],
)

/** Divisible resources of a few names and stacks, so that many of them merge. */
export const anyDivisible: fc.Arbitrary<Resource> = fc
  .oneof(
    fc
      .tuple(fc.constantFrom('cpus', 'mem', 'disk'), anyScalar)
      .map(([name, value]) => scalar(name, value)),
    fc
      .uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 10 })
      .map((points) => ports(...points.map((point): [number, number] => [point, point]))),
    fc
      .subarray(['a', 'b', 'c', 'd'], { minLength: 1 })
      .map((item): Resource => ({ name: 'zones', type: 'SET', set: { item } })),
  )
  .chain((resource) =>
    fc.tuple(anyStack, fc.boolean()).map(([stack, revocable]) => ({
      ...(stack.length > 0 ? reserved(resource, ...stack) : resource),
      ...(revocable && resource.name === 'cpus' && stack.length === 0 && { revocable: {} }),
    })),
  )

const anyIndivisible: fc.Arbitrary<Resource> = fc.oneof(
  fc.constantFrom(100, 200).map((size) => mountDisk(size)),
  fc.constantFrom('v1', 'v2', 'v3').map((id) => volume(id, 64, 'eng')),
  fc.constantFrom('s1', 's2').map((id) => sharedVolume(id, 32, 'eng')),
)

/** Any collection, with duplicates of indivisible and shared resources among its elements. */
export const anyCollection = fc
  .array(
    fc.oneof({ weight: 4, arbitrary: anyDivisible }, { weight: 1, arbitrary: anyIndivisible }),
    {
      maxLength: 10,
    },
  )
  .map(resources)

/** A collection of scalars and ranges only, where ranges and sets do not overlap with anything. */
export const anyScalars = fc
  .array(
    anyDivisible.filter((resource) => resource.type === 'SCALAR'),
    { maxLength: 8 },
  )
  .map(resources)
