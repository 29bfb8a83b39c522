/**
 * The `Processes` port in memory: scripted processes on the virtual clock (`spec/simulation.md` §6).
 *
 * One object is the process table of one simulated host. It outlives the node: processes live on when
 * the agent's process dies, and end when the host does.
 */
import { constants } from 'node:os'
import type { MemoryDisk } from '../../storage/memory-disk.ts'
import {
  type Clock,
  DiskError,
  ProcessError,
  type Processes,
  type ProcessHandle,
  type SpawnOptions,
  type TimerHandle,
} from '../ports.ts'
import { formatIdentity, type Identity, suffixes } from './record.ts'
import { type Behaviour, type Outcome, standardBehaviour } from './scripted-commands.ts'

export type { Behaviour, Outcome } from './scripted-commands.ts'

type Signal = Parameters<Processes['kill']>[1]

export interface MemoryProcessesOptions {
  readonly clock: Clock
  /** Where scripted output and records go. Absent: nowhere. */
  readonly disk?: MemoryDisk
}

export interface RunningProcess {
  readonly pid: number
  readonly pgid: number
  readonly options: SpawnOptions
}

export interface MemoryProcesses extends Processes {
  /**
   * Programs for which `match` holds behave so; the newest script wins over older ones and over the
   * standard commands. `NOT_FOUND`, `DENIED` or `SPAWN_FAILED`: they cannot be started.
   */
  script(
    match: string | ((options: SpawnOptions) => boolean),
    behaviour: Behaviour | ProcessError['code'] | ((options: SpawnOptions) => Behaviour),
  ): void
  /** What runs now, in order of start: the ground truth for checkers. */
  running(): RunningProcess[]
  /** The node's process dies: its handles stay silent for ever; all processes live on. */
  endProcess(): void
  /** The host dies: every process ends and nobody is told. */
  crash(): void
}

/** One entry of the table. */
interface Entry extends RunningProcess {
  readonly behaviour: Behaviour
  readonly startTime: string
  readonly waiters: Array<(outcome: Outcome) => void>
  timer: TimerHandle
  /** When it ends by itself; while stopped, how long it still has to run. Infinity: never. */
  due: number
  /** How it ends then. */
  outcome: Outcome
  stopped: boolean
  /** Tells its program that it has ended. */
  over: () => void
}

/** As shells say it: 128 + n for signal n. */
function shellStatus({ code, signal }: Outcome): number {
  return code ?? 128 + (constants.signals[signal as keyof typeof constants.signals] ?? 0)
}

export function memoryProcesses(options: MemoryProcessesOptions): MemoryProcesses {
  const { clock, disk } = options
  const table = new Map<number, Entry>()
  const scripts: Array<(spawned: SpawnOptions) => Behaviour | ProcessError['code'] | undefined> = []
  let nextPid = 1000
  let incarnation = 0
  /** Counts the lives of the host. */
  let boots = 0

  function behaviourOf(spawned: SpawnOptions): Behaviour {
    let found: Behaviour | ProcessError['code'] | undefined
    for (const script of scripts) {
      found = script(spawned)
      if (found !== undefined) break
    }
    found ??= standardBehaviour(spawned) ?? 'NOT_FOUND'
    if (typeof found === 'string')
      throw new ProcessError(found, `cannot start ${spawned.command}: ${found} (scripted)`)
    return found
  }

  /** As a shell, which is started in any case, says that there is no such program. */
  function recordedBehaviour(spawned: SpawnOptions): Behaviour {
    try {
      return behaviourOf(spawned)
    } catch (error) {
      if (error instanceof ProcessError && error.code === 'NOT_FOUND') {
        return { runMs: 0, exitCode: 127 }
      }
      throw error
    }
  }

  function newIdentity(): Identity {
    return { pid: nextPid++, startTime: String(Math.floor(clock.monotonic() / 10)) }
  }

  function start(
    spawned: SpawnOptions,
    behaviour: Behaviour,
    group?: number,
    identity = newIdentity(),
  ): Entry {
    const { pid } = identity
    const entry: Entry = {
      ...identity,
      pgid: group ?? (spawned.detached || spawned.record !== undefined ? pid : 1),
      options: spawned,
      behaviour,
      waiters: [],
      timer: undefined,
      due: Number.POSITIVE_INFINITY,
      outcome: { code: 0, signal: null },
      stopped: false,
      over: () => undefined,
    }
    table.set(pid, entry)
    const { program } = behaviour
    if (program !== undefined) entry.over = program((code) => end(entry, { code, signal: null }))
    if (behaviour.runMs !== undefined)
      endLater(entry, behaviour.runMs, { code: behaviour.exitCode ?? 0, signal: null })
    for (const fork of behaviour.forks ?? []) start(spawned, fork, entry.pgid)
    return entry
  }

  function endLater(entry: Entry, delayMs: number, outcome: Outcome): void {
    // While the process stands still, `due` counts from zero.
    const due = (entry.stopped ? 0 : clock.monotonic()) + delayMs
    if (due >= entry.due) return
    entry.due = due
    entry.outcome = outcome
    if (!entry.stopped) arm(entry)
  }

  function arm(entry: Entry): void {
    clock.clearTimeout(entry.timer)
    if (entry.due === Number.POSITIVE_INFINITY) return
    const delayMs = entry.due - clock.monotonic()
    entry.timer = clock.setTimeout(() => end(entry, entry.outcome), delayMs)
  }

  function end(entry: Entry, outcome: Outcome): void {
    if (!table.delete(entry.pid)) return
    clock.clearTimeout(entry.timer)
    entry.over()
    const tell = (): void => {
      for (const waiter of entry.waiters) waiter(outcome)
    }
    const { record } = entry.options
    if (record !== undefined && entry.pid === entry.pgid) {
      for (const other of [...table.values()])
        if (other.pgid === entry.pgid) end(other, { code: null, signal: 'SIGKILL' })
      writeExit(record, shellStatus(outcome))
    }
    tell()
  }

  /** Records are written by a launcher, which does not die with the node. */
  function claim(record: string, identity: Identity): void {
    const line = new TextEncoder().encode(formatIdentity(identity))
    try {
      disk?.writeElsewhere(`${record}${suffixes.shim}`, line, 'create')
      disk?.writeElsewhere(`${record}${suffixes.pid}`, line, 'replace')
    } catch (error) {
      throw new ProcessError('SPAWN_FAILED', `cannot claim ${record}: ${(error as Error).message}`)
    }
  }

  function writeExit(record: string, status: number): void {
    try {
      const line = new TextEncoder().encode(`${status}\n`)
      disk?.writeElsewhere(`${record}${suffixes.exit}`, line, 'replace')
    } catch (error) {
      // Its directory may have been removed meanwhile, or its disk is full.
      if (!(error instanceof DiskError)) throw error
    }
  }

  function stop(entry: Entry): void {
    if (entry.stopped) return
    entry.stopped = true
    clock.clearTimeout(entry.timer)
    entry.due -= clock.monotonic()
  }

  function resume(entry: Entry): void {
    if (!entry.stopped) return
    entry.stopped = false
    entry.due += clock.monotonic()
    arm(entry)
  }

  function deliver(entry: Entry, signal: Signal): void {
    const { onTerminate = 'end' } = entry.behaviour
    if (signal === 'SIGSTOP') stop(entry)
    else if (signal === 'SIGCONT') resume(entry)
    else if (signal === 'SIGKILL' || onTerminate === 'end') end(entry, { code: null, signal })
    else if (onTerminate !== 'ignore')
      endLater(entry, onTerminate.afterMs, { code: onTerminate.exitCode, signal: null })
  }

  function handle(entry: Entry, told: (outcome: Outcome) => Outcome): ProcessHandle {
    const born = incarnation
    const exited = new Promise<Outcome>((resolve) => {
      entry.waiters.push((outcome) => {
        if (born === incarnation) resolve(told(outcome))
      })
    })
    return { pid: entry.pid, startTime: entry.startTime, exited }
  }

  return {
    async spawn(spawned) {
      const { record, cwd, stdoutPath } = spawned
      const boot = boots
      if (disk !== undefined && (await disk.stat(cwd)) === undefined)
        throw new ProcessError('NOT_FOUND', `working directory ${cwd} does not exist`)
      // The host may have died meanwhile: then nobody starts anything, and nobody is told.
      if (boot !== boots) return new Promise(() => undefined)
      const identity = newIdentity()
      if (record !== undefined) claim(record, identity)
      // Only now, since whoever scripts it takes the process for started.
      const behaviour = record === undefined ? behaviourOf(spawned) : recordedBehaviour(spawned)
      if (behaviour.stdout !== undefined && stdoutPath !== undefined)
        disk?.writeElsewhere(stdoutPath, new TextEncoder().encode(behaviour.stdout), 'append')
      const entry = start(spawned, behaviour, undefined, identity)
      if (record === undefined) return handle(entry, (outcome) => outcome)
      return handle(entry, (outcome) => ({ code: shellStatus(outcome), signal: null }))
    },
    async adopt(pid, startTime) {
      const entry = table.get(pid)
      if (entry === undefined || entry.startTime !== startTime) return undefined
      return handle(entry, () => ({ code: null, signal: null }))
    },
    kill(pid, signal, group) {
      if (!Number.isSafeInteger(pid) || pid <= 1)
        throw new ProcessError(
          'NOT_FOUND',
          `${pid} is not the id of a process that may be signalled`,
        )
      const hit = [...table.values()].filter((entry) => (group ? entry.pgid : entry.pid) === pid)
      for (const entry of hit) deliver(entry, signal)
      return hit.length > 0
    },
    groupAlive: (pgid) => [...table.values()].some((entry) => entry.pgid === pgid),
    script(match, behaviour) {
      const matches =
        typeof match === 'string' ? (spawned: SpawnOptions) => spawned.command === match : match
      scripts.unshift((spawned) => {
        if (!matches(spawned)) return undefined
        return typeof behaviour === 'function' ? behaviour(spawned) : behaviour
      })
    },
    running: () => [...table.values()].map(({ pid, pgid, options }) => ({ pid, pgid, options })),
    endProcess() {
      incarnation += 1
    },
    crash() {
      incarnation += 1
      boots += 1
      for (const entry of table.values()) {
        clock.clearTimeout(entry.timer)
        entry.over()
      }
      table.clear()
    },
  }
}
