/**
 * A set of positions as sorted, disjoint, non-adjacent ranges. A log is learned almost without gaps, so
 * that a million positions are one range, and adding at the end costs nothing.
 */

/** Both ends included. */
export type Range = readonly [from: number, to: number]

export class Intervals {
  #ranges: Range[]

  /** @param ranges sorted and disjoint, as `ranges` gives them */
  constructor(ranges: readonly Range[] = []) {
    this.#ranges = [...ranges]
  }

  get ranges(): readonly Range[] {
    return this.#ranges
  }

  has(position: number): boolean {
    const range = this.#ranges[this.#indexOf(position)]
    return range !== undefined && range[0] <= position
  }

  /** The last member of the run that begins at `position`; `position - 1` if it is no member. */
  runFrom(position: number): number {
    const range = this.#ranges[this.#indexOf(position)]
    return range !== undefined && range[0] <= position ? range[1] : position - 1
  }

  add(from: number, to: number = from): void {
    if (to < from) return
    // Ranges that touch [from, to] melt into one.
    const first = this.#indexOf(from - 1)
    let last = first
    let low = from
    let high = to
    for (; last < this.#ranges.length; last++) {
      const range = this.#ranges[last] as Range
      if (range[0] > to + 1) break
      low = Math.min(low, range[0])
      high = Math.max(high, range[1])
    }
    this.#ranges.splice(first, last - first, [low, high])
  }

  /** Removes all positions before `begin`. */
  cutBefore(begin: number): void {
    const kept = this.#ranges.slice(this.#indexOf(begin))
    const first = kept[0]
    if (first !== undefined && first[0] < begin) kept[0] = [begin, first[1]]
    this.#ranges = kept
  }

  /** The ranges of [from, to] that are not in the set. */
  gaps(from: number, to: number): Range[] {
    const gaps: Range[] = []
    let next = from
    for (let i = this.#indexOf(from); i < this.#ranges.length && next <= to; i++) {
      const [low, high] = this.#ranges[i] as Range
      if (low > to) break
      if (low > next) gaps.push([next, low - 1])
      next = high + 1
    }
    if (next <= to) gaps.push([next, to])
    return gaps
  }

  /** Index of the first range that ends at `position` or later. */
  #indexOf(position: number): number {
    let low = 0
    let high = this.#ranges.length
    if (high > 0 && (this.#ranges[high - 1] as Range)[1] < position) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle] as Range)[1] < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
