/**
 * Uniform integer in [0, bound) from a source of 53-bit fractions. Draws again where a plain
 * multiplication would favour some values.
 * @throws RangeError unless `bound` is a positive safe integer
 */
export function uniformInt(next: () => number, bound: number): number {
  if (!Number.isSafeInteger(bound) || bound < 1)
    throw new RangeError(`bound of a random integer is ${bound}, not a positive safe integer`)
  const range = 2 ** 53
  const limit = range - (range % bound)
  for (;;) {
    const drawn = next() * range
    if (drawn < limit) return drawn % bound
  }
}
