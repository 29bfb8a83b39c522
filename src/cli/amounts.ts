/** Resources as numbers that people read. */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  addQuantities,
  formatQuantities,
  type Quantities,
  quantitiesOf,
  resources,
} from '../resources/index.ts'

/** Thousandths by name over all roles. */
export function amountsOf(list: readonly Resource[] = []): Quantities {
  return quantitiesOf(resources(list))
}

/** What can be said in one line: `cpus:2; mem:1024`. Ports are counted; `-` for nothing. */
export function amountsText(list: readonly Resource[] | undefined): string {
  return formatQuantities(amountsOf(list)) || '-'
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
