/** What tests ask and want of processes that they have started, directly or not. */
import { spawnSync } from 'node:child_process'
import { until } from './wait.ts'

function stateOf(pid: number): string {
  const { stdout } = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim()
}

/** Whether a process runs. A zombie that its parent has not collected yet has ended all the same. */
export function isRunning(pid: number): boolean {
  return /^[^Z]/.test(stateOf(pid))
}

/** The processes that a process has started and that have not ended, by their ids. */
export function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

/** Stops a process until SIGCONT. The signal takes effect a moment after it was sent, which this awaits. */
export async function pause(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await until(() => stateOf(pid).startsWith('T'), { what: `process ${pid} to stop` })
}
