/**
 * Sets of unsigned integers as lists of inclusive ranges. Spec: resources.md §1.2.
 *
 * Canonical form: sorted by begin, overlapping and adjacent ranges merged. Every function takes any
 * list of valid ranges (begin <= end) and returns canonical ones; a list that already is canonical is
 * not copied. Bounds are safe integers: what arrives is checked by `validateResource` (R4).
 */
import type { ValueRange } from '../../protocol/v1/resources.ts'

export type RangeList = readonly ValueRange[]

/** The canonical form; the argument itself when it is canonical already. */
export function coalesce(ranges: RangeList): RangeList {
  return isCanonical(ranges) ? ranges : merge([...ranges])
}

export function unionRanges(left: RangeList, right: RangeList): RangeList {
  if (right.length === 0) return coalesce(left)
  if (left.length === 0) return coalesce(right)
  return merge([...left, ...right])
}

/** What is in `left` and not in `right`; `right` need not be contained. */
export function subtractRanges(left: RangeList, right: RangeList): RangeList {
  const minuend = coalesce(left)
  const subtrahend = coalesce(right)
  if (subtrahend.length === 0) return minuend
  const result: ValueRange[] = []
  let next = 0
  for (const range of minuend) {
    let begin = range.begin
    while (next < subtrahend.length && subtrahend[next]!.end < begin) next++
    // `next` stays on a hole that may reach into the following range.
    for (let i = next; i < subtrahend.length && subtrahend[i]!.begin <= range.end; i++) {
      const hole = subtrahend[i]!
      if (hole.begin > begin) result.push({ begin, end: hole.begin - 1 })
      begin = hole.end + 1
      next = i
    }
    if (begin <= range.end) result.push({ begin, end: range.end })
  }
  return result
}

/** Whether every integer of `inner` is in `outer`. */
export function containsRanges(outer: RangeList, inner: RangeList): boolean {
  const holders = coalesce(outer)
  let at = 0
  for (const range of coalesce(inner)) {
    while (at < holders.length && holders[at]!.end < range.begin) at++
    const holder = holders[at]
    if (holder === undefined || range.begin < holder.begin || range.end > holder.end) return false
  }
  return true
}

export function equalRanges(left: RangeList, right: RangeList): boolean {
  const a = coalesce(left)
  const b = coalesce(right)
  return (
    a.length === b.length &&
    a.every((range, i) => range.begin === b[i]!.begin && range.end === b[i]!.end)
  )
}

/** How many integers the ranges hold. */
export function countRanges(ranges: RangeList): number {
  let count = 0
  for (const range of coalesce(ranges)) count += range.end - range.begin + 1
  return count
}

/** `[31000-31004, 31006-31006]` */
export function formatRanges(ranges: RangeList): string {
  return `[${ranges.map((range) => `${range.begin}-${range.end}`).join(', ')}]`
}

function isCanonical(ranges: RangeList): boolean {
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i]!.begin <= ranges[i - 1]!.end + 1) return false
  }
  return true
}

/** Sorts `ranges` in place; the sort is linear on what it mostly gets, two sorted runs. */
function merge(ranges: ValueRange[]): RangeList {
  ranges.sort((a, b) => a.begin - b.begin)
  const result: ValueRange[] = []
  let current: ValueRange | undefined
  for (const range of ranges) {
    if (current === undefined || range.begin > current.end + 1) {
      current = range
      result.push(current)
    } else if (range.end > current.end) {
      current = { begin: current.begin, end: range.end }
      result[result.length - 1] = current
    }
  }
  return result
}
