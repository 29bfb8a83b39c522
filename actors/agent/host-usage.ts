/** How busy the host is, as Linux tells in /proc. Elsewhere nothing is known. */
import { type Disk, DiskError } from '../../src/runtime/index.ts'

/** Between two looks. */
export interface HostUsage {
  /** Processors that were busy, on average. */
  readonly cpus: number
  /** Memory that cannot be had without swapping, MB. */
  readonly memMb: number
}

/** One look. Times are in ticks since the host was started. */
export interface HostLook {
  readonly busyTicks: number
  readonly allTicks: number
  readonly processors: number
  readonly memMb: number
}

export async function lookAtHost(disk: Disk): Promise<HostLook | undefined> {
  try {
    const [stat, memory] = await Promise.all(
      ['/proc/stat', '/proc/meminfo'].map(async (path) =>
        new TextDecoder().decode(await disk.readFile(path)),
      ),
    )
    return parseLook(stat ?? '', memory ?? '')
  } catch (error) {
    if (error instanceof DiskError) return undefined
    throw error
  }
}

/** Of the texts of /proc/stat and /proc/meminfo; undefined if they are something else. */
export function parseLook(stat: string, meminfo: string): HostLook | undefined {
  const [, ...fields] = /^cpu +(.*)$/m.exec(stat)?.[0].split(/ +/) ?? []
  // user nice system idle iowait irq softirq steal; what guests used is in user already.
  const ticks = fields.slice(0, 8).map(Number)
  const totalKb = Number(/^MemTotal: +(\d+) kB$/m.exec(meminfo)?.[1])
  const availableKb = Number(/^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1])
  if (ticks.length < 8 || ![...ticks, totalKb, availableKb].every(Number.isFinite)) return undefined
  const allTicks = ticks.reduce((sum, each) => sum + each, 0)
  return {
    busyTicks: allTicks - (ticks[3] ?? 0) - (ticks[4] ?? 0),
    allTicks,
    processors: stat.match(/^cpu\d+ /gm)?.length ?? 0,
    memMb: (totalKb - availableKb) / 1024,
  }
}

/** What happened between two looks; undefined if no time passed. */
export function usageBetween(before: HostLook, now: HostLook): HostUsage | undefined {
  const ticks = now.allTicks - before.allTicks
  if (ticks <= 0) return undefined
  const busy = (now.busyTicks - before.busyTicks) / ticks
  return { cpus: Math.max(0, busy) * now.processors, memMb: now.memMb }
}
