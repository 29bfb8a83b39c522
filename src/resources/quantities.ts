/**
 * Amounts by name, without identity. Spec: resources.md §5, "Quantities", "Limits".
 *
 * Amounts are whole thousandths; the integers of a range and the items of a set count 1000 each. A name
 * that is absent means 0 in quantities and no limit in limits.
 */
import { err, ok } from '../../protocol/result.ts'
import type { ValueRange } from '../../protocol/v1/resources.ts'
import { distinct, merge, type Resources } from './collection.ts'
import { type Checked, fault } from './fault.ts'
import { coalesce, unionRanges } from './ranges.ts'
import { formatScalar, fromMillis } from './scalar.ts'
import { unionSets } from './sets.ts'
import { parseValue } from './value-text.ts'
import { itemsOf, quantityMillis, rangesOf } from './values.ts'

/** Thousandths by name. */
export type Quantities = ReadonlyMap<string, number>

/** What the collection amounts to over all roles; a shared resource counts once. */
export function quantitiesOf(collection: Resources): Quantities {
  const result = new Map<string, number>()
  for (const resource of distinct(collection)) {
    result.set(resource.name, (result.get(resource.name) ?? 0) + quantityMillis(resource))
  }
  return result
}

export function addQuantities(left: Quantities, right: Quantities): Quantities {
  const result = new Map(left)
  for (const [name, millis] of right) result.set(name, (result.get(name) ?? 0) + millis)
  return result
}

/** Stops at 0, where the name disappears. */
export function subtractQuantities(left: Quantities, right: Quantities): Quantities {
  const result = new Map(left)
  for (const [name, millis] of right) {
    const rest = (result.get(name) ?? 0) - millis
    if (rest > 0) result.set(name, rest)
    else result.delete(name)
  }
  return result
}

/** Whether `outer` has at least what `inner` names. */
export function containsQuantities(outer: Quantities, inner: Quantities): boolean {
  for (const [name, millis] of inner) {
    if ((outer.get(name) ?? 0) < millis) return false
  }
  return true
}

/** Whether nothing in `quantities` is above a limit; names without a limit are free. */
export function withinLimits(limits: Quantities, quantities: Quantities): boolean {
  for (const [name, millis] of quantities) {
    const limit = limits.get(name)
    if (limit !== undefined && millis > limit) return false
  }
  return true
}

/** `cpus:4;mem:8192` as quantities; only scalars, and amounts of the same name add up. */
export function parseQuantities(text: string): Checked<Quantities> {
  const result = new Map<string, number>()
  for (const item of text.split(';').filter((piece) => piece.trim() !== '')) {
    const [name, amount, ...rest] = item.split(':').map((piece) => piece.trim())
    if (!name || !amount || rest.length > 0) {
      return err(fault('PARSE', '', `'${item.trim()}' must be name:amount`))
    }
    const value = parseValue(amount)
    if (!value.ok) return value
    if (value.value.type !== 'SCALAR') {
      return err(
        fault('PARSE', '', `the amount of '${name}' must be a number that is not negative`),
      )
    }
    result.set(name, (result.get(name) ?? 0) + quantityMillis({ name, ...value.value }))
  }
  return ok(result)
}

/** `cpus:4; mem:8192` */
export function formatQuantities(quantities: Quantities): string {
  return [...quantities]
    .map(([name, millis]) => `${name}:${formatScalar(fromMillis(millis))}`)
    .join('; ')
}

// --- Values of a name over all elements ---

/** Thousandths of the scalars named so; nothing if there is none. A shared resource counts once. */
export function scalarMillis(collection: Resources, name: string): number | undefined {
  let total: number | undefined
  for (const resource of distinct(collection)) {
    if (resource.name === name && resource.type === 'SCALAR') {
      total = (total ?? 0) + quantityMillis(resource)
    }
  }
  return total
}

/** Whole MB of the scalar `name` (`mem`, `disk`), rounded down, as checks of minimum sizes want it. */
export function wholeMegabytes(collection: Resources, name: 'mem' | 'disk'): number | undefined {
  const millis = scalarMillis(collection, name)
  return millis === undefined ? undefined : Math.trunc(millis / 1000)
}

/** All integers of the ranges named so, coalesced; nothing if there are none. */
export function rangesNamed(
  collection: Resources,
  name: string,
): readonly ValueRange[] | undefined {
  let result: readonly ValueRange[] | undefined
  for (const resource of collection) {
    if (resource.name !== name || resource.type !== 'RANGES') continue
    const ranges = coalesce(rangesOf(resource))
    result = result === undefined ? ranges : unionRanges(result, ranges)
  }
  return result
}

/** All items of the sets named so; nothing if there are none. */
export function itemsNamed(collection: Resources, name: string): readonly string[] | undefined {
  let result: readonly string[] | undefined
  for (const resource of collection) {
    if (resource.name !== name || resource.type !== 'SET') continue
    result = unionSets(result ?? [], itemsOf(resource))
  }
  return result
}

/** Name, type and amount of the scalars, without any identity; a shared resource counts once. */
export function strippedScalars(collection: Resources): Resources {
  const scalars = distinct(collection).filter((resource) => resource.type === 'SCALAR')
  return merge(scalars.map(({ name, type, scalar }) => ({ name, type, ...(scalar && { scalar }) })))
}
