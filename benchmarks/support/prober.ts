/** Somebody who asks small questions all the time, in a process of its own: how soon are they answered? */
import { type ChildProcess, spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(
  new URL(`./prober-main${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
)

/** What is asked: the next time some milliseconds after each answer. */
export interface Question {
  readonly subject: string
  /** JSON. */
  readonly call: object
}

/** Milliseconds from question to answer. */
export type Latencies = readonly number[]

export class Prober {
  readonly #child: ChildProcess
  #stopping = false

  private constructor(child: ChildProcess) {
    this.#child = child
    child.once('exit', () => {
      // A figure without its answers would be a figure of something else.
      if (!this.#stopping) process.exit(1)
    })
  }

  /** Resolves when it is connected. It asks nothing until `during`. */
  static async start(url: string): Promise<Prober> {
    const child = spawn(process.execPath, [...process.execArgv, program, url], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await new Promise((resolve) => child.once('message', resolve))
    return new Prober(child)
  }

  /** Asks while `run` runs; the last answers are waited for. */
  async during<Name extends string>(
    questions: Readonly<Record<Name, Question>>,
    run: () => Promise<unknown>,
  ): Promise<Record<Name, Latencies>> {
    this.#child.send(questions)
    await run()
    const told = new Promise((resolve) => this.#child.once('message', resolve))
    this.#child.send('end')
    return (await told) as Record<Name, Latencies>
  }

  stop(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }
}
