/** Starts one process with Node, as the `Processes` port says it: no pipes, outputs straight to files. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { ProcessError, type ProcessHandle, type SpawnOptions } from '../ports.ts'
import { readProcStat } from './proc-stat.ts'

export type Exit = Awaited<ProcessHandle['exited']>

/** Blocks for a millisecond or more, because it forks this process. Rejects with ProcessError. */
export async function start(options: SpawnOptions): Promise<ProcessHandle> {
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
