/**
 * The last resort of `meseta up`: an agent that was killed, and was not up again when all was stopped, had
 * no chance to end its tasks. They are found by their working directory, which is a sandbox in the work
 * directory of the cluster. Linux only: elsewhere nothing is found.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { sep } from 'node:path'

/** Kills every process that works in the directory, except this one; returns how many there were. */
export function killProcessesIn(directory: string): number {
  let killed = 0
  for (const pid of processesIn(directory)) {
    try {
      process.kill(pid, 'SIGKILL')
      killed++
    } catch {
      // Ended by itself meanwhile.
    }
  }
  return killed
}

/** Ids of the processes whose working directory is the directory or below it. */
export function processesIn(directory: string): number[] {
  let entries: string[]
  try {
    entries = readdirSync('/proc')
  } catch {
    return []
  }
  return entries
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && worksIn(pid, directory))
}

function worksIn(pid: number, directory: string): boolean {
  try {
    const current = readlinkSync(`/proc/${pid}/cwd`)
    return current === directory || current.startsWith(directory + sep)
  } catch {
    // Ended, or another user's.
    return false
  }
}
