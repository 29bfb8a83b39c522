/**
 * The launcher: a small Node process that starts processes for a large one. A fork copies the page tables
 * of the process that forks and holds its thread meanwhile; an agent would spend most of its time there.
 * It is started with the first process and ends with its owner, which what it has started outlives.
 *
 * If it is lost, starts under way are refused, and the processes that run are watched from here.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ProcessError, type ProcessHandle, type SpawnOptions } from '../ports.ts'
import type { LaunchAnswer, LaunchRequest } from './launcher-main.ts'
import type { Exit } from './start-process.ts'

/** How to learn of the end of a process that is no child of this one. */
export type AwaitEnd = (pid: number, startTime: string) => Promise<Exit>

interface Starting {
  readonly resolve: (handle: ProcessHandle) => void
  readonly reject: (error: ProcessError) => void
}

interface Running {
  readonly pid: number
  readonly startTime: string
  readonly ended: (exit: Exit | Promise<Exit>) => void
}

// The same ending as this file's: sources when run from sources, JavaScript once compiled.
const program = fileURLToPath(import.meta.url).replace(/launcher(\.\w+)$/, 'launcher-main$1')

export class Launcher {
  readonly #awaitEnd: AwaitEnd
  #process: ChildProcess | undefined
  #lastId = 0
  readonly #starting = new Map<number, Starting>()
  readonly #running = new Map<number, Running>()

  constructor(awaitEnd: AwaitEnd) {
    this.#awaitEnd = awaitEnd
  }

  /** Starts that have not been answered. */
  get starting(): number {
    return this.#starting.size
  }

  start(options: SpawnOptions): Promise<ProcessHandle> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#starting.set(id, { resolve, reject })
      const request: LaunchRequest = { id, options }
      this.#launcher().send(request, (error) => {
        if (error) this.#refuse(id, `the launcher is lost: ${error.message}`)
      })
    })
  }

  /** Forgets what runs; it runs on. */
  close(): void {
    const launcher = this.#process
    this.#process = undefined
    this.#running.clear()
    if (launcher?.connected) launcher.disconnect()
  }

  #launcher(): ChildProcess {
    if (this.#process !== undefined) return this.#process
    const launcher = fork(program, [], {
      // A session of its own: Ctrl-C at the terminal is for its owner, who ends in order.
      detached: true,
      // What this process was started with, such as a profiler, is not for the launcher; a loader is.
      execArgv: program.endsWith('.ts') ? process.execArgv : [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    launcher.unref()
    launcher.channel?.unref()
    launcher.on('message', (answer: LaunchAnswer) => this.#receive(answer))
    launcher.on('error', () => this.#lost(launcher))
    launcher.on('exit', () => this.#lost(launcher))
    this.#process = launcher
    return launcher
  }

  #receive(answer: LaunchAnswer): void {
    const { id } = answer
    if ('exit' in answer) {
      this.#running.get(id)?.ended(answer.exit)
      this.#running.delete(id)
      return
    }
    const starting = this.#starting.get(id)
    if (starting === undefined) return
    this.#starting.delete(id)
    if ('error' in answer) {
      starting.reject(new ProcessError(answer.error.code, answer.error.message))
      return
    }
    const { pid, startTime } = answer
    const exited = new Promise<Exit>((ended) => this.#running.set(id, { pid, startTime, ended }))
    starting.resolve({ pid, startTime, exited })
  }

  #lost(launcher: ChildProcess): void {
    if (this.#process !== launcher) return
    this.#process = undefined
    for (const id of [...this.#starting.keys()]) this.#refuse(id, 'the launcher ended')
    for (const { pid, startTime, ended } of this.#running.values()) {
      ended(this.#awaitEnd(pid, startTime))
    }
    this.#running.clear()
  }

  #refuse(id: number, why: string): void {
    this.#starting.get(id)?.reject(new ProcessError('SPAWN_FAILED', why))
    this.#starting.delete(id)
  }
}
