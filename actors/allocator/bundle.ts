/**
 * Bundles: what an agent has or a framework holds, twice: as documents, which tell one reservation or
 * volume from another, and as a vector of integers, which is all that fair sharing looks at. A bundle
 * never changes, so that an agent which is offered whole passes on the documents it came with.
 * Spec: allocator.md §1, "Quantities".
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  distinct,
  hasRefinedReservations,
  isReserved,
  isRevocable,
  isShared,
  none,
  quantityMillis,
  type Resources,
} from '../../src/resources/index.ts'
import { deepFreeze } from '../../src/runtime/index.ts'

/** What a bundle holds that needs a second look: a set of bits. */
export const Trait = {
  REVOCABLE: 1,
  SHARED: 2,
  REFINED: 4,
  RESERVED: 8,
  /** Ranges or sets. */
  UNCOUNTED: 128,
} as const

export interface Bundle {
  /** Deeply frozen, so that messages carry it without a copy. */
  readonly resources: Resources
  /** Thousandths of each scalar by its name's number; names beyond the end are 0. */
  readonly millis: Float64Array
  /** The same of what is neither reserved nor revocable: what quotas are about. */
  readonly plain: Float64Array
  /** Bits of `Trait`. */
  readonly traits: number
}

/** Resource names that take part in fair sharing; more than any real cluster has. */
const NAMES_MAX = 1024

/** Numbers resource names in the order in which they turn up. */
export class ResourceNames {
  readonly #numbers = new Map<string, number>()

  /** The name of a number that was given out. */
  name(number: number): string | undefined {
    return [...this.#numbers.keys()][number]
  }

  /** How many names there are: the length of a vector that has them all. */
  get size(): number {
    return this.#numbers.size
  }

  /** The name's number; -1 for the names beyond `NAMES_MAX`, which are offered but not counted. */
  number(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#numbers.size === NAMES_MAX) return -1
    this.#numbers.set(name, this.#numbers.size)
    return this.#numbers.size - 1
  }
}

/** The bundle of nothing. */
export const EMPTY: Bundle = Object.freeze({
  resources: deepFreeze(none),
  millis: new Float64Array(0),
  plain: new Float64Array(0),
  traits: 0,
})

/** The bundle of a collection, which is frozen. */
export function bundleOf(collection: Resources, names: ResourceNames): Bundle {
  if (collection.length === 0) return EMPTY
  let traits = 0
  let length = 0
  for (const resource of collection) {
    traits |= traitsOf(resource)
    if (resource.type === 'SCALAR') length = Math.max(length, names.number(resource.name) + 1)
  }
  const millis = new Float64Array(length)
  const plain = (traits & NOT_PLAIN) === 0 ? millis : new Float64Array(length)
  const counted = (traits & Trait.SHARED) === 0 ? collection : distinct(collection)
  for (const resource of counted) {
    if (resource.type !== 'SCALAR') continue
    const number = names.number(resource.name)
    if (number < 0) continue
    const amount = quantityMillis(resource)
    millis[number]! += amount
    if (plain !== millis && isPlain(resource)) plain[number]! += amount
  }
  return { resources: deepFreeze(collection), millis, plain, traits }
}

/** Whether quotas are about it: a scalar that is neither reserved nor revocable. */
export function isPlain(resource: Resource): boolean {
  return resource.type === 'SCALAR' && !isReserved(resource) && !isRevocable(resource)
}

const NOT_PLAIN = Trait.RESERVED | Trait.REVOCABLE

function traitsOf(resource: Resource): number {
  return (
    (isRevocable(resource) ? Trait.REVOCABLE : 0) |
    (isShared(resource) ? Trait.SHARED : 0) |
    (hasRefinedReservations(resource) ? Trait.REFINED : 0) |
    (isReserved(resource) ? Trait.RESERVED : 0) |
    (resource.type === 'SCALAR' ? 0 : Trait.UNCOUNTED)
  )
}
