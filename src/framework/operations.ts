/**
 * Offer operations and the resources in them, for `driver.accept`:
 *
 * @example
 * const space = operations.reserved('disk', 512, 'eng')
 * const db = operations.volume('db', 512, 'eng', 'data')
 * driver.accept([offer], [operations.reserve([space]), operations.create([db], 'make db')])
 *
 * With an id, the callback `operation` is told how it ended. Spec: resources.md §3, §6.
 */
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'

/** An amount that is reserved for a role. `principal` must be the framework's, if it has one. */
export function reserved(name: string, value: number, role: string, principal?: string): Resource {
  const reservation = { type: 'DYNAMIC' as const, role, ...(principal && { principal }) }
  return { name, type: 'SCALAR', scalar: { value }, reservations: [reservation] }
}

/** A persistent volume of a role, MB; tasks see it at `path` below their sandbox. */
export function volume(
  id: string,
  megabytes: number,
  role: string,
  path: string,
  principal?: string,
): Resource {
  return {
    ...reserved('disk', megabytes, role, principal),
    disk: {
      persistence: { id, ...(principal && { principal }) },
      volume: { mode: 'RW', container_path: path },
    },
  }
}

/** `resources` with the reservation that they are to get. */
export function reserve(resources: readonly Resource[], id?: string): OfferOperation {
  return { ...named(id), type: 'RESERVE', reserve: { resources: [...resources] } }
}

export function unreserve(resources: readonly Resource[], id?: string): OfferOperation {
  return { ...named(id), type: 'UNRESERVE', unreserve: { resources: [...resources] } }
}

export function create(volumes: readonly Resource[], id?: string): OfferOperation {
  return { ...named(id), type: 'CREATE', create: { volumes: [...volumes] } }
}

/** Their data is gone. */
export function destroy(volumes: readonly Resource[], id?: string): OfferOperation {
  return { ...named(id), type: 'DESTROY', destroy: { volumes: [...volumes] } }
}

/** `addition` is reserved disk like that of the volume. */
export function grow(volume: Resource, addition: Resource, id?: string): OfferOperation {
  return { ...named(id), type: 'GROW_VOLUME', grow_volume: { volume, addition } }
}

export function shrink(volume: Resource, megabytes: number, id?: string): OfferOperation {
  const subtract = { value: megabytes }
  return { ...named(id), type: 'SHRINK_VOLUME', shrink_volume: { volume, subtract } }
}

function named(id: string | undefined): Pick<OfferOperation, 'id'> {
  return id === undefined ? {} : { id: { value: id } }
}
