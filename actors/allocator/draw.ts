/** Drawing lots. Spec: allocator.md §4, "Random sorter". */
import type { Random } from '../../src/runtime/ports.ts'

/** Puts a list into random order: Fisher and Yates. */
export function shuffle<T>(list: T[], random: Random): void {
  for (let i = list.length - 1; i > 0; i--) {
    const other = random.int(i + 1)
    const item = list[i]!
    list[i] = list[other]!
    list[other] = item
  }
}

/**
 * An urn: draws the indices of weights without putting them back, each with the probability of its
 * weight among those that are left. A draw costs the logarithm of the number of weights.
 *
 * It is a binary tree in an array, whose leaves hold the weights and whose inner nodes the sum of the
 * two below: summed up anew along the path whenever a leaf changes, so that no error piles up.
 */
export class Urn {
  readonly #weights: Float64Array
  /** A power of 2: the number of the first leaf. */
  readonly #leaves: number
  readonly #sums: Float64Array
  readonly #drawn: number[] = []

  /** All weights are above 0. */
  constructor(weights: Float64Array) {
    this.#weights = weights
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, weights.length)))
    this.#sums = new Float64Array(2 * this.#leaves)
    this.#sums.set(weights, this.#leaves)
    for (let i = this.#leaves - 1; i > 0; i--) {
      this.#sums[i] = this.#sums[2 * i]! + this.#sums[2 * i + 1]!
    }
  }

  /** The next index, or -1 if all are drawn. */
  draw(random: Random): number {
    if (this.#drawn.length === this.#weights.length) return -1
    let at = 1
    let left = random.next() * this.#sums[1]!
    while (at < this.#leaves) {
      at *= 2
      const below = this.#sums[at]!
      // What rounding leaves over must not lead to where nothing is left.
      if (left >= below && this.#sums[at + 1]! > 0) {
        left -= below
        at++
      }
    }
    const index = at - this.#leaves
    this.#set(index, 0)
    this.#drawn.push(index)
    return index
  }

  /** Puts everything back. */
  refill(): void {
    for (const index of this.#drawn) this.#set(index, this.#weights[index]!)
    this.#drawn.length = 0
  }

  #set(index: number, weight: number): void {
    let at = this.#leaves + index
    this.#sums[at] = weight
    for (at >>= 1; at > 0; at >>= 1) this.#sums[at] = this.#sums[2 * at]! + this.#sums[2 * at + 1]!
  }
}
