/** Short ways to write offer operations and the resources in them. */
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'

/** Reserved dynamically to a role. */
export function reserved(name: string, value: number, role = 'eng'): Resource {
  const reservations = [{ type: 'DYNAMIC' as const, role }]
  return { name, type: 'SCALAR', scalar: { value }, reservations }
}

/** A persistent volume of a role, MB. */
export function volume(id: string, value: number, role = 'eng', path = 'data'): Resource {
  return {
    ...reserved('disk', value, role),
    disk: { persistence: { id }, volume: { mode: 'RW', container_path: path } },
  }
}

export function reserve(...resources: Resource[]): OfferOperation {
  return { type: 'RESERVE', reserve: { resources } }
}

export function unreserve(...resources: Resource[]): OfferOperation {
  return { type: 'UNRESERVE', unreserve: { resources } }
}

export function create(...volumes: Resource[]): OfferOperation {
  return { type: 'CREATE', create: { volumes } }
}

export function destroy(...volumes: Resource[]): OfferOperation {
  return { type: 'DESTROY', destroy: { volumes } }
}

export function grow(volume: Resource, addition: Resource): OfferOperation {
  return { type: 'GROW_VOLUME', grow_volume: { volume, addition } }
}

export function shrink(volume: Resource, value: number): OfferOperation {
  return { type: 'SHRINK_VOLUME', shrink_volume: { volume, subtract: { value } } }
}

/** The operation with an id, so that its framework is told how it ended. */
export function withId(id: string, operation: OfferOperation): OfferOperation {
  return { ...operation, id: { value: id } }
}
