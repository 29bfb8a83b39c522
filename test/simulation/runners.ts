/** The processes of a campaign (`runner.ts`), as their parent sees them. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { interruptions } from './interruption.ts'
import type { Answer, Order } from './runner.ts'

/** What came of an order, why the process ended instead, or nothing if the campaign was interrupted. */
export type Outcome = Answer | string | undefined

/** A heap of another size than that of those who run first. */
const otherHeap = ['--max-semi-space-size=1', '--max-old-space-size=200']

/** Ends when its parent disconnects or ends. */
export function startRunner(flags: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, 'runner.ts'), {
    serialization: 'advanced',
    execArgv: [...process.execArgv, ...flags, '--expose-gc'],
  })
}

/** Has a seed run. An abort ends the process. */
export function ask(runner: ChildProcess, order: Order, signal?: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome) => {
      runner.off('message', heard)
      runner.off('exit', ended)
      signal?.removeEventListener('abort', abandon)
      resolve(outcome)
    }
    const heard = (answer: unknown) => settle(answer as Answer)
    const ended = (exit: number | null, by: NodeJS.Signals | null) => {
      // Ctrl-C ends a process that is just being loaded.
      const isInterrupted = signal?.aborted || interruptions.some((each) => each === by)
      settle(
        isInterrupted ? undefined : `the process of seed ${order.seed} ended with ${by ?? exit}`,
      )
    }
    const abandon = () => runner.kill('SIGKILL')
    runner.once('message', heard)
    runner.once('exit', ended)
    signal?.addEventListener('abort', abandon)
    const { exitCode, signalCode } = runner
    if (exitCode !== null || signalCode !== null) ended(exitCode, signalCode)
    else if (signal?.aborted) abandon()
    // Its end tells enough of why an order does not reach it.
    else runner.send(order, () => undefined)
  })
}

/** Has a seed run in a fresh process with another heap: the hash must be the same. */
export async function askAnother(order: Order, signal?: AbortSignal): Promise<Outcome> {
  const runner = startRunner(otherHeap)
  const outcome = await ask(runner, order, signal)
  if (runner.connected) runner.disconnect()
  return outcome
}
