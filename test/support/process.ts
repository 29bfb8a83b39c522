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

/** Stops a process until SIGCONT. The signal takes effect a moment after it was sent, which this awaits. */
export async function pause(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await until(() => stateOf(pid).startsWith('T'), { what: `process ${pid} to stop` })
}
