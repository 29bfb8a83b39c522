/**
 * One node of `meseta up`: a process of its own that is started again when it dies, with back-off. It is
 * bound to this one by a channel: when this process ends, however it ends, the node notices and stops.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'

export interface ChildOptions {
  readonly name: string
  /** Arguments of the command: `['start', 'master']`. */
  readonly args: readonly string[]
  readonly logPath: string
  /** Told of each start, each unexpected end, and each restart to come. */
  readonly onChange: (line: string) => void
  /** Lines of the log, as they are written. */
  readonly onOutput?: (text: string) => void
  /** How long an orderly stop may take before SIGKILL, in milliseconds. */
  readonly stopMs: number
}

const backoffMinMs = 200
const backoffMaxMs = 10_000
/** A node that ran so long starts again with the least back-off. */
const settledMs = 10_000
/** The end of the log that is shown when a node cannot start, in characters. */
const tailKept = 2000

export class SupervisedChild {
  readonly name: string
  readonly #options: ChildOptions
  #process: ChildProcess | undefined
  #stopping = false
  #backoffMs = backoffMinMs
  #restart: NodeJS.Timeout | undefined
  #firstReady: (() => void) | undefined
  #firstFailed: ((error: Error) => void) | undefined

  constructor(options: ChildOptions) {
    this.name = options.name
    this.#options = options
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Resolves when the node says that it is ready; rejects if it dies before that the first time. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#firstReady = resolve
      this.#firstFailed = reject
      this.#spawn()
    })
  }

  #spawn(): void {
    const { args, logPath, onOutput } = this.#options
    const log = openSync(logPath, 'a')
    // A session of its own: Ctrl-C at the terminal is this process's affair, which stops all in order.
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
      stdio: ['ignore', onOutput ? 'pipe' : log, onOutput ? 'pipe' : log, 'ipc'],
      detached: true,
    })
    closeSync(log)
    this.#process = child
    const startedMs = performance.now()
    if (onOutput) {
      const tee = (chunk: Buffer) => {
        appendFileSync(logPath, chunk)
        onOutput(chunk.toString())
      }
      child.stdout?.on('data', tee)
      child.stderr?.on('data', tee)
    }
    child.on('message', () => this.#settle())
    // What cannot be started ends without 'exit'.
    child.once('error', (error) => this.#ended(startedMs, error.message))
    child.once('exit', (code, signal) =>
      this.#ended(startedMs, signal === null ? `exit ${code}` : signal),
    )
  }

  #settle(): void {
    this.#firstReady?.()
    this.#firstReady = this.#firstFailed = undefined
  }

  #ended(startedMs: number, how: string): void {
    if (this.#process === undefined) return
    this.#process = undefined
    if (this.#stopping) return
    if (this.#firstFailed !== undefined) {
      this.#firstFailed(new Error(`${this.name} ended at once (${how}):\n${this.tail()}`))
      this.#firstReady = this.#firstFailed = undefined
      return
    }
    if (performance.now() - startedMs > settledMs) this.#backoffMs = backoffMinMs
    const waitMs = this.#backoffMs
    this.#backoffMs = Math.min(this.#backoffMs * 2, backoffMaxMs)
    this.#options.onChange(`${this.name} ended (${how}); it starts again in ${waitMs} ms`)
    this.#restart = setTimeout(() => this.#spawn(), waitMs)
  }

  /** The end of its log. */
  tail(): string {
    try {
      return readFileSync(this.#options.logPath, 'utf8').slice(-tailKept).trim()
    } catch {
      return ''
    }
  }

  /** Stops it in order, by force after `stopMs`. It is gone when this resolves. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    const child = this.#process
    if (child === undefined) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.stopMs)
    await gone
    clearTimeout(timer)
  }

  /** Ends it at once. */
  kill(): void {
    this.#stopping = true
    clearTimeout(this.#restart)
    this.#process?.kill('SIGKILL')
  }
}
