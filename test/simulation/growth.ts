/**
 * Whether a process in which one world follows another keeps anything of them: its live heap after some of
 * the worlds. Spec: simulation.md §14.
 */
import { setFlagsFromString } from 'node:v8'

/** The heap is looked at after each world of which this is a divisor of the number. */
export const lookEvery = 25

/** By then what is loaded and cached for all worlds is there. */
const warmWorlds = 50
/** From then on a trend can be told. */
const enoughWorlds = 100

/** Has the collector take what was compiled, too. */
const flushing = ['--stress-flush-code', '--flush-baseline-code']
const keeping = ['--no-stress-flush-code', '--no-flush-baseline-code']

/**
 * What is live in this process but its compiled code, which grows for thousands of worlds, as ever rarer paths
 * become hot; it is compiled again when it is needed. Needs `--expose-gc`.
 */
export function measureLiveBytes(): number {
  for (const flag of flushing) setFlagsFromString(flag)
  // The first leaves alone what feedback of the code still holds.
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.()
  for (const flag of keeping) setFlagsFromString(flag)
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Live bytes after a world of this number. */
interface Look {
  readonly world: number
  readonly bytes: number
}

export class Growth {
  readonly #processes = new Map<number, { worlds: number; readonly looks: Look[] }>()

  /** A world has ended in a process, after which so much was live, if it was looked at. */
  add(process: number, liveBytes: number | undefined): void {
    const known = this.#processes.get(process) ?? { worlds: 0, looks: [] }
    this.#processes.set(process, known)
    known.worlds++
    if (liveBytes !== undefined) known.looks.push({ world: known.worlds, bytes: liveBytes })
  }

  /** Of the process that has run the most worlds; absent while none has run enough to tell. */
  toJSON() {
    const [longest] = [...this.#processes.values()].sort((a, b) => b.worlds - a.worlds)
    const warm = longest?.looks.filter(({ world }) => world >= warmWorlds) ?? []
    const [first, last] = [warm[0], warm.at(-1)]
    if (first === undefined || last === undefined || last.world < enoughWorlds) return undefined
    return {
      worlds: last.world,
      [`mb_after_${warmWorlds}`]: first.bytes / 1e6,
      mb_at_the_end: last.bytes / 1e6,
      kb_per_world: slopeOf(warm) / 1000,
    }
  }
}

/** By how much the bytes rise from one world to the next, by least squares. */
function slopeOf(looks: readonly Look[]): number {
  const middle = looks.reduce((sum, { world }) => sum + world, 0) / looks.length
  const mean = looks.reduce((sum, { bytes }) => sum + bytes, 0) / looks.length
  let rise = 0
  let run = 0
  for (const { world, bytes } of looks) {
    rise += (world - middle) * (bytes - mean)
    run += (world - middle) ** 2
  }
  return rise / run
}
