/**
 * Operating-system processes (Linux) behind the `Processes` port.
 *
 * Starting one blocks the thread, the longer the larger the process that forks. So those that shall
 * outlive this process are started by a launcher, a small process of our own; the others queue and are
 * started in slices, with a turn of the event loop between: a burst must not hold up heartbeats.
 */
import { accessSync, constants } from 'node:fs'
import { type Clock, ProcessError, type Processes, type SpawnOptions } from '../ports.ts'
import { Launcher } from './launcher.ts'
import { PerlLauncher } from './perl-launcher.ts'
import { isRunning, readProcStat, someRunningInGroup } from './proc-stat.ts'
import { fromShim, inShim } from './shim.ts'
import { type Exit, start } from './start-process.ts'

/** Starts that may be under way; one beyond them is refused with SPAWN_FAILED. */
const waitingStartsMax = 10_000

/** Longest time in ms that starts may take of one turn of the event loop. */
const sliceMs = 5

export interface SystemProcessesOptions {
  readonly clock: Clock
  /** How often adopted processes are looked at, in ms. Default: 250. */
  readonly adoptedPollMs?: number
  /** Path of a Perl for recorded processes; empty: do without. Default: the system's, if there is one. */
  readonly perl?: string
}

const systemPerl = '/usr/bin/perl'

function findPerl(): string {
  try {
    accessSync(systemPerl, constants.X_OK)
    return systemPerl
  } catch {
    return ''
  }
}

export interface SystemProcesses extends Processes {
  /** Stops watching processes, whose `exited` then stays pending. Kills nothing. */
  close(): void
}

interface Adopted {
  readonly pid: number
  readonly startTime: string
  readonly ended: () => void
}

export function systemProcesses(options: SystemProcessesOptions): SystemProcesses {
  const { clock, adoptedPollMs = 250, perl = findPerl() } = options
  const waiting: Array<() => void> = []
  const adopted = new Set<Adopted>()
  let pollTimer: unknown
  const launcher = new Launcher(awaitEnd)
  const startInShim = (spawned: SpawnOptions) => launcher.start(inShim(spawned)).then(fromShim)
  const recorded = perl === '' ? undefined : new PerlLauncher(perl, awaitEnd, startInShim)

  function startSome(): void {
    const end = clock.monotonic() + sliceMs
    do waiting.shift()!()
    while (waiting.length > 0 && clock.monotonic() < end)
    if (waiting.length > 0) clock.defer(startSome)
  }

  function poll(): void {
    pollTimer = undefined
    for (const process of adopted) {
      const stat = readProcStat(process.pid)
      if (isRunning(stat) && stat.startTime === process.startTime) continue
      adopted.delete(process)
      process.ended()
    }
    watch()
  }

  function watch(): void {
    if (adopted.size > 0) pollTimer ??= clock.setTimeout(poll, adoptedPollMs)
  }

  /** Resolves when a process that is no child of this one has ended. */
  function awaitEnd(pid: number, startTime: string): Promise<Exit> {
    return new Promise((resolve) => {
      const ended = (): void => resolve({ code: null, signal: null })
      adopted.add({ pid, startTime, ended })
      watch()
    })
  }

  return {
    spawn(spawnOptions) {
      const underWay = waiting.length + launcher.starting + (recorded?.starting ?? 0)
      if (underWay >= waitingStartsMax)
        return Promise.reject(new ProcessError('SPAWN_FAILED', `${underWay} starts are waiting`))
      if (spawnOptions.record !== undefined)
        return recorded?.start(spawnOptions) ?? startInShim(spawnOptions)
      if (spawnOptions.detached) return launcher.start(spawnOptions)
      return new Promise((resolve, reject) => {
        waiting.push(() => start(spawnOptions).then(resolve, reject))
        if (waiting.length === 1) clock.defer(startSome)
      })
    },
    async adopt(pid, startTime) {
      const stat = readProcStat(pid)
      if (!isRunning(stat) || stat.startTime !== startTime) return undefined
      return { pid, startTime, exited: awaitEnd(pid, startTime) }
    },
    kill(pid, signal, group) {
      requirePid(pid)
      return send(group ? -pid : pid, signal)
    },
    groupAlive(pgid) {
      requirePid(pgid)
      if (!send(-pgid, 0)) return false
      const leader = readProcStat(pgid)
      if (isRunning(leader) && leader.processGroup === pgid) return true
      // Signal 0 reaches zombies too.
      return someRunningInGroup(pgid)
    },
    close() {
      launcher.close()
      recorded?.close()
      adopted.clear()
      clock.clearTimeout(pollTimer)
      pollTimer = undefined
    },
  }
}

/** To kill(2), 0 means the own group and -1 every process there is. */
function requirePid(pid: number): void {
  if (!Number.isSafeInteger(pid) || pid <= 1)
    throw new ProcessError('NOT_FOUND', `${pid} is not the id of a process that may be signalled`)
}

function send(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return false
    throw new ProcessError('DENIED', `cannot signal ${target}: ${message}`, { cause: error })
  }
}
