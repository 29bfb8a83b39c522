/**
 * How far the heap of a node grows. V8 lets the old generation grow up to fourfold between two full collections,
 * and gives little of that back: a master that 50,000 agents come to at once would keep 700 MB for 180 MB of
 * books. A large heap is therefore held more tightly here, at the price of more collections; a small one is
 * left to V8, for which these would be the larger cost.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** What may be taken before it is held tightly, and by how much of itself it grows then. */
const FREE_MIB = 192
const GROWTH_PERCENT_MIN = 40
/** V8's own choice. */
const UNBOUNDED = 0

/**
 * How far a heap may grow beyond what is alive, in percent, after the next full collection. By then there may be
 * twice as much alive as now: agents come in crowds.
 */
export function growthPercent(aliveMiB: number): number {
  if (4 * aliveMiB <= FREE_MIB) return UNBOUNDED
  const expected = 2 * aliveMiB
  return Math.max(GROWTH_PERCENT_MIN, Math.round((100 * (FREE_MIB - expected)) / expected))
}

/** From now on, for as long as the process lives. */
export function boundHeap(): void {
  let percent = UNBOUNDED
  const observer = new PerformanceObserver((list) => {
    if (!list.getEntries().some(isFullCollection)) return
    const next = growthPercent(getHeapStatistics().used_heap_size / 2 ** 20)
    if (next === percent) return
    percent = next
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  })
  observer.observe({ entryTypes: ['gc'] })
}

function isFullCollection(entry: object): boolean {
  const { detail } = entry as { readonly detail?: { readonly kind?: number } }
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}
