/**
 * Small-scope enumeration: a run that leaves decisions open is repeated until every combination of them has
 * been had. Published bugs of crash recovery need three operations or fewer, so small histories, looked at
 * from all sides, find most of them. Spec: simulation.md §5.
 */

/** Decides between 0 and `count - 1`; `what` says between which, for whoever reads about a failure. */
export type Choose = (count: number, what: string) => number

interface Decision {
  readonly count: number
  readonly what: string
  chosen: number
}

/**
 * Performs the run for all combinations of its decisions, depth first, and returns how many there were. All
 * else in a run must be the same each time.
 * @throws Error telling the decisions of the first run that fails, or that a run differs from the one before,
 * or that there are more than `runsMax`
 */
export async function explore(
  run: (choose: Choose) => Promise<void>,
  runsMax = 100_000,
): Promise<number> {
  const decisions: Decision[] = []
  for (let runs = 1; runs <= runsMax; runs++) {
    let made = 0
    const choose: Choose = (count, what) => {
      const known = decisions[made++]
      if (known === undefined) {
        decisions.push({ count, what, chosen: 0 })
        return 0
      }
      if (known.count !== count || known.what !== what)
        throw new Error(`runs differ: ${known.what} of ${known.count} is now ${what} of ${count}`)
      return known.chosen
    }
    try {
      await run(choose)
      if (made < decisions.length) throw new Error(`runs differ: ${made} decisions are left`)
    } catch (cause) {
      throw new Error(`after ${told(decisions.slice(0, made))}: ${(cause as Error).message}`, {
        cause,
      })
    }
    if (!advance(decisions)) return runs
  }
  throw new Error(`there are more than ${runsMax} combinations`)
}

/** Goes on to the next combination; false after the last. */
function advance(decisions: Decision[]): boolean {
  for (let last = decisions.pop(); last !== undefined; last = decisions.pop()) {
    if (last.chosen + 1 < last.count) {
      decisions.push({ ...last, chosen: last.chosen + 1 })
      return true
    }
  }
  return false
}

/** What was decided otherwise than usual. */
function told(decisions: readonly Decision[]): string {
  const unusual = decisions.flatMap(({ what, chosen }, index) =>
    chosen === 0 ? [] : [`#${index} ${what}: ${chosen}`],
  )
  return unusual.join(', ') || 'no decision'
}
