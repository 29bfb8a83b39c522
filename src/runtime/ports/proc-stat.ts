/** What Linux tells of a process in `/proc/<pid>/stat`; see proc(5). */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcStat {
  /** One letter: R running, S sleeping, D waiting for disk, T stopped, Z zombie, X dead. */
  readonly state: string
  readonly processGroup: number
  /** Ticks from boot to its start (field 22): tells it from a later process with the same pid. */
  readonly startTime: string
}

/** Undefined if there is no such process (or no `/proc`). */
export function readProcStat(pid: number): ProcStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // Field 2 is the program's name in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, processGroup: Number(fields[2]), startTime: fields[19]! }
}

/** A zombie has ended; only its parent has not heard of it yet. */
export function isRunning(stat: ProcStat | undefined): stat is ProcStat {
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X'
}

/** True if a process of the group runs. Looks at every process of the machine: some ms. */
export function someRunningInGroup(pgid: number): boolean {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = readProcStat(pid)
    if (isRunning(stat) && stat.processGroup === pgid) return true
  }
  return false
}
