/**
 * Operating-system processes (Linux) behind the `Processes` port.
 *
 * Starting one blocks the thread for a millisecond or two, because it forks a large process. So starts
 * queue and are made in slices, with a turn of the event loop between: a burst of a thousand must not
 * hold up heartbeats. No pipes: outputs go straight to files, and their data never through this process.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import {
  type Clock,
  ProcessError,
  type Processes,
  type ProcessHandle,
  type SpawnOptions,
} from '../ports.ts'
import { isRunning, readProcStat, someRunningInGroup } from './proc-stat.ts'

/** Starts that may wait for their turn; one beyond them is refused with SPAWN_FAILED. */
const waitingStartsMax = 10_000

/** Longest time in ms that starts may take of one turn of the event loop. */
const sliceMs = 5

export interface SystemProcessesOptions {
  readonly clock: Clock
  /** How often adopted processes are looked at, in ms. Default: 250. */
  readonly adoptedPollMs?: number
}

export interface SystemProcesses extends Processes {
  /** Stops watching adopted processes, whose `exited` then stays pending. Kills nothing. */
  close(): void
}

type Exit = Awaited<ProcessHandle['exited']>

interface Adopted {
  readonly pid: number
  readonly startTime: string
  readonly ended: () => void
}

export function systemProcesses(options: SystemProcessesOptions): SystemProcesses {
  const { clock, adoptedPollMs = 250 } = options
  const waiting: Array<() => void> = []
  const adopted = new Set<Adopted>()
  let pollTimer: unknown

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

  return {
    spawn(spawnOptions) {
      return new Promise((resolve, reject) => {
        if (waiting.length >= waitingStartsMax)
          return reject(new ProcessError('SPAWN_FAILED', `${waiting.length} starts are waiting`))
        waiting.push(() => start(spawnOptions).then(resolve, reject))
        if (waiting.length === 1) clock.defer(startSome)
      })
    },
    async adopt(pid, startTime) {
      const stat = readProcStat(pid)
      if (!isRunning(stat) || stat.startTime !== startTime) return undefined
      const exited = new Promise<Exit>((resolve) => {
        const ended = (): void => resolve({ code: null, signal: null })
        adopted.add({ pid, startTime, ended })
      })
      watch()
      return { pid, startTime, exited }
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

async function start(options: SpawnOptions): Promise<ProcessHandle> {
  const { command, cwd, env, detached, uid, gid } = options
  const files: number[] = []
  let child: ChildProcess
  try {
    const stdio: StdioOptions = [
      'ignore',
      output(options.stdoutPath, files),
      options.stderrPath === options.stdoutPath && files.length > 0
        ? files[0]!
        : output(options.stderrPath, files),
    ]
    const ids = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
    child = spawn(command, [...options.args], { cwd, env: { ...env }, stdio, detached, ...ids })
  } catch (error) {
    throw spawnError(error, options)
  } finally {
    for (const file of files) closeSync(file)
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const { pid } = child
  if (pid === undefined) {
    const error = await new Promise((resolve) => child.once('error', resolve))
    throw spawnError(error, options)
  }
  // A later 'error' speaks of a failed kill, which goes through `send` here.
  child.on('error', () => undefined)
  if (detached) child.unref()
  // Even if it has ended by now, it stays a zombie until this turn is over.
  return { pid, startTime: readProcStat(pid)?.startTime ?? '', exited }
}

function output(path: string | undefined, opened: number[]): number | 'ignore' {
  if (path === undefined) return 'ignore'
  const file = openSync(path, 'a', 0o644)
  opened.push(file)
  return file
}

function spawnError(error: unknown, options: SpawnOptions): ProcessError {
  const { code, message, syscall } = error as NodeJS.ErrnoException
  const { command, cwd } = options
  if (syscall === 'open')
    return new ProcessError('SPAWN_FAILED', `cannot open output: ${message}`, { cause: error })
  if (code === 'EACCES' || code === 'EPERM')
    return new ProcessError('DENIED', `cannot start ${command}: ${message}`, { cause: error })
  if (code !== 'ENOENT')
    return new ProcessError('SPAWN_FAILED', `cannot start ${command}: ${message}`, { cause: error })
  // The kernel gives one code for both.
  const missing = existsSync(cwd) ? `program ${command}` : `working directory ${cwd}`
  return new ProcessError('NOT_FOUND', `${missing} does not exist`, { cause: error })
}
