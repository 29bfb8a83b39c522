/**
 * Whether a process in which one world follows another keeps anything of them: its live heap, garbage
 * collected, after each world. Spec: simulation.md §14.
 */

/** By then what is loaded, compiled and cached for all worlds is there. */
const warmWorlds = 50

export class Growth {
  /** Live bytes after each world, by process. */
  readonly #processes = new Map<number, number[]>()

  /** `liveBytes`: what is left in the heap of a process after a world, its garbage collected. */
  add(process: number, liveBytes: number): void {
    const known = this.#processes.get(process)
    if (known !== undefined) known.push(liveBytes)
    else this.#processes.set(process, [liveBytes])
  }

  /** Of the process that has run the most worlds; absent while none has run enough to tell. */
  toJSON() {
    const all = [...this.#processes.values()].sort((a, b) => b.length - a.length)
    const warm = all[0]?.slice(warmWorlds - 1) ?? []
    const [first, last] = [warm[0], warm.at(-1)]
    if (first === undefined || last === undefined || warm.length < warmWorlds) return undefined
    return {
      worlds: warm.length + warmWorlds - 1,
      [`mb_after_${warmWorlds}`]: first / 1e6,
      mb_at_the_end: last / 1e6,
      kb_per_world: slopeOf(warm) / 1000,
    }
  }
}

/** By how much the values rise from one to the next, by least squares. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  let rise = 0
  let run = 0
  for (const [index, value] of values.entries()) {
    rise += (index - middle) * (value - mean)
    run += (index - middle) ** 2
  }
  return rise / run
}
