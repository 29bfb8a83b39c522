/** CPU time of the thread that asks: what a turn would take on a machine that nobody else uses. */
import { openSync, readSync } from 'node:fs'

const schedulerStatistics = openStatistics()
const statisticsText = Buffer.alloc(128)

function openStatistics(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  } catch {
    return undefined
  }
}

/** CPU time of this thread, ms, as Linux counts it; 0 elsewhere. */
export function threadCpuMs(): number {
  if (schedulerStatistics === undefined) return 0
  const length = readSync(schedulerStatistics, statisticsText, 0, statisticsText.length, 0)
  return Number.parseInt(statisticsText.toString('latin1', 0, length), 10) / 1e6
}
