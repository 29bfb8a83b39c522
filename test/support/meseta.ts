/** The command as its users run it: a process of its own, its output, its exit code. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { UpFile } from '../../src/cli/up/cluster.ts'
import { killProcessesIn } from '../../src/cli/up/leftovers.ts'
import { mesetaCommand, userEnvironment } from './cluster.ts'
import { isRunning } from './process.ts'
import { temporaryDirectory } from './temp.ts'
import { until } from './wait.ts'

const root = resolve(import.meta.dirname, '..', '..')
/** The sources are transpiled at each start; several may start at once. */
const exitTimeoutMs = 120_000

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    // From this folder, so that Node finds the loader of the sources.
    this.child = spawn(process.execPath, [...mesetaCommand(), ...args], {
      cwd: root,
      env: { ...userEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolvePromise) => {
      this.child.once('close', (code) =>
        resolvePromise({ code, stdout: this.stdout, stderr: this.stderr }),
      )
    })
  }

  /** Resolves when its standard output or error matches. */
  async says(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.stdout) || pattern.test(this.stderr), {
      what: `the command to say ${pattern}; it said:\n${this.stdout}${this.stderr}`,
      timeoutMs: exitTimeoutMs,
    })
  }
}

/** Runs a command to its end. */
export function meseta(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
  return new Running(args, env).ended
}

/** `meseta up` in a directory of its own, ready. */
export class RunningUp extends Running {
  readonly directory: string

  constructor(args: readonly string[] = [], directory = temporaryDirectory('up')) {
    super(['up', '--port', '0', '--work-dir', directory, ...args])
    this.directory = directory
    // Whatever a failing test leaves, its processes go.
    process.once('exit', () => {
      this.child.kill('SIGKILL')
      killProcessesIn(directory)
    })
  }

  /** Resolves when the cluster can be used. */
  async ready(): Promise<this> {
    const path = join(this.directory, 'up.json')
    await Promise.race([
      until(() => existsSync(path), { what: 'up.json', timeoutMs: exitTimeoutMs }),
      this.ended.then(({ stdout, stderr }) => {
        throw new Error(`up ended before it was ready:\n${stdout}${stderr}`)
      }),
    ])
    return this
  }

  /** What `up.json` says now. */
  get file(): UpFile {
    return JSON.parse(readFileSync(join(this.directory, 'up.json'), 'utf8')) as UpFile
  }

  /** Process ids of the broker and all nodes. */
  get pids(): number[] {
    return Object.values(this.file.pids)
  }

  /** Runs a command on this cluster. */
  run(...args: string[]): Promise<Ended> {
    return this.begin(...args).ended
  }

  /** Starts a command on this cluster. */
  begin(...args: string[]): Running {
    return new Running(args, { MESETA_NATS_URL: this.file.nats })
  }
}

/** Resolves when none of the processes runs any more. */
export async function allGone(pids: readonly number[]): Promise<void> {
  await until(() => !pids.some(isRunning), {
    what: `the end of ${pids.join(', ')}`,
    timeoutMs: 60_000,
    intervalMs: 100,
  })
}
