/** Questions about processes that a test has started, directly or not. */
import { spawnSync } from 'node:child_process'

/** Whether a process runs. A zombie that its parent has not collected yet has ended all the same. */
export function isRunning(pid: number): boolean {
  const state = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).stdout
  return /^[^Z]/.test(state.trim())
}
