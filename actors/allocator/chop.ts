/** Cutting bundles down to what quotas allow. Spec: allocator.md §5, "shrink". */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  fromMillis,
  isIndivisible,
  merge,
  quantityMillis,
  withScalar,
} from '../../src/resources/index.ts'
import type { Random } from '../../src/runtime/ports.ts'
import { type Bundle, bundleOf, isPlain, type ResourceNames } from './bundle.ts'
import { shuffle } from './draw.ts'

/**
 * The bundle with at most `kept` thousandths of each name of its plain resources; whatever else is in
 * it stays. Whole disks fit or are left out. Which of several disks is left out is drawn, so that no
 * disk is left out for ever.
 */
export function chop(
  bundle: Bundle,
  kept: Float64Array,
  names: ResourceNames,
  random: Random,
): Bundle {
  const { resources } = bundle
  const left = Float64Array.from(kept)
  const parts: Array<Resource | undefined> = [...resources]
  const order = [...resources.keys()]
  shuffle(order, random)
  for (const index of order) {
    const resource = resources[index]!
    const number = isPlain(resource) ? names.number(resource.name) : -1
    if (number < 0) continue
    const millis = quantityMillis(resource)
    const part = Math.min(millis, left[number] ?? 0)
    if (part === millis) left[number]! -= part
    else if (part === 0 || isIndivisible(resource)) parts[index] = undefined
    else {
      left[number]! -= part
      parts[index] = withScalar(resource, fromMillis(part))
    }
  }
  return bundleOf(merge(parts.filter((part) => part !== undefined)), names)
}
