/** Resources as numbers that people read. */
import type { Resource, ValueScalar } from '../../protocol/v1/resources.ts'
import {
  addQuantities,
  filter,
  formatQuantities,
  formatScalar,
  isRevocable,
  type Quantities,
  quantitiesOf,
  resources,
} from '../resources/index.ts'

/** Thousandths by name over all roles, without what is only lent. */
export function amountsOf(list: readonly Resource[] = []): Quantities {
  return quantitiesOf(filter(resources(list), (resource) => !isRevocable(resource)))
}

/**
 * What can be said in one line: `cpus:2; mem:1024`, `cpus:1; lent: cpus:2`. Ports are counted; `-` for
 * nothing.
 */
export function amountsText(list: readonly Resource[] = []): string {
  const lent = formatQuantities(quantitiesOf(filter(resources(list), isRevocable)))
  const parts = [formatQuantities(amountsOf(list)), lent && `lent: ${lent}`]
  return parts.filter(Boolean).join('; ') || '-'
}

/** Scalars by name in one line: `cpus:2; mem:1024`; `-` for none. */
export function scalarsText(scalars: Readonly<Record<string, ValueScalar>> = {}): string {
  const parts = Object.entries(scalars).map(([name, { value }]) => `${name}:${formatScalar(value)}`)
  return parts.join('; ') || '-'
}

/** `0.3/2` of one name. */
export function share(used: Quantities, total: Quantities, name: string): string {
  return `${number(used.get(name) ?? 0)}/${number(total.get(name) ?? 0)}`
}

export function sumAmounts(all: Iterable<Quantities>): Quantities {
  let sum: Quantities = new Map()
  for (const each of all) sum = addQuantities(sum, each)
  return sum
}

/** Thousandths as a number with at most two digits behind the point. */
export function number(millis: number): string {
  return String(Math.round(millis / 10) / 100)
}
