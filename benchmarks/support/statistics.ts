/** What a handful of measurements says. */

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** The value below which `percent` of 100 lie (nearest rank). Not a number for an empty list. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** Half the distance of the extremes, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values)
}

/**
 * Reads a counter that grows while it is watched: its growth per second in each of `count` windows, after
 * one window that does not count.
 */
export async function inWindows(
  { count, ms }: { readonly count: number; readonly ms: number },
  counter: () => number,
): Promise<number[]> {
  const rates: number[] = []
  for (let window = 0; window <= count; window++) {
    const [begin, at] = [counter(), performance.now()]
    await new Promise((resolve) => setTimeout(resolve, ms))
    const rate = ((counter() - begin) / (performance.now() - at)) * 1000
    if (window > 0) rates.push(rate)
  }
  return rates
}
