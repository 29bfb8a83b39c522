/** The SDK's operations, shorter still: of the role `eng`, and with an id only where a test wants one. */
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { operations } from '../../src/framework/index.ts'

export const { grow, shrink } = operations

export function reserved(name: string, value: number, role = 'eng'): Resource {
  return operations.reserved(name, value, role)
}

export function volume(id: string, megabytes: number, role = 'eng', path = 'data'): Resource {
  return operations.volume(id, megabytes, role, path)
}

export function reserve(...resources: Resource[]): OfferOperation {
  return operations.reserve(resources)
}

export function unreserve(...resources: Resource[]): OfferOperation {
  return operations.unreserve(resources)
}

export function create(...volumes: Resource[]): OfferOperation {
  return operations.create(volumes)
}

export function destroy(...volumes: Resource[]): OfferOperation {
  return operations.destroy(volumes)
}

export function withId(id: string, operation: OfferOperation): OfferOperation {
  return { ...operation, id: { value: id } }
}
