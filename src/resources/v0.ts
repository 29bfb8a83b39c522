/** Resources as Mesos' v0 JSON prints them, which dashboards read. Spec: resources.md §2.4, §3.5. */
import type { Resources } from './collection.ts'
import { distinct } from './collection.ts'
import { type coalesce, formatRanges, unionRanges } from './ranges.ts'
import { isRevocable } from './resource.ts'
import { fromMillis } from './scalar.ts'
import { formatSet, unionSets } from './sets.ts'
import { itemsOf, quantityMillis, rangesOf } from './values.ts'

/**
 * One property a name: a number for scalars, text for ranges and sets. `cpus`, `mem`, `disk` and
 * `gpus` are always there; revocable resources have a name of their own, `cpus_revocable`.
 */
export function resourcesToV0(collection: Resources): Record<string, number | string> {
  const millis = new Map(['cpus', 'gpus', 'mem', 'disk'].map((name) => [name, 0]))
  const ranges = new Map<string, ReturnType<typeof coalesce>>()
  const items = new Map<string, readonly string[]>()
  for (const resource of distinct(collection)) {
    const name = isRevocable(resource) ? `${resource.name}_revocable` : resource.name
    if (resource.type === 'SCALAR') {
      millis.set(name, (millis.get(name) ?? 0) + quantityMillis(resource))
    } else if (resource.type === 'RANGES') {
      ranges.set(name, unionRanges(ranges.get(name) ?? [], rangesOf(resource)))
    } else {
      items.set(name, unionSets(items.get(name) ?? [], itemsOf(resource)))
    }
  }
  return Object.fromEntries([
    ...[...millis].map(([name, total]) => [name, fromMillis(total)] as const),
    ...[...ranges].map(([name, list]) => [name, formatRanges(list)] as const),
    ...[...items].map(([name, list]) => [name, formatSet(list)] as const),
  ])
}
