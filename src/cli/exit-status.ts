/** How a task ended, as an exit code of ours. */
import { exitStatusLabel, type TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskProgress } from '../framework/index.ts'
import { exitCodes } from './errors.ts'

/** Of a process, on POSIX. */
const exitCodeMax = 255

/** The exit code that the task's command ended with, 128 + n for signal n; undefined if nobody knows. */
export function exitStatusOf(status: TaskStatus | undefined): number | undefined {
  const label = status?.labels?.labels?.find(({ key }) => key === exitStatusLabel)
  if (label?.value === undefined || !/^\d{1,3}$/.test(label.value)) return undefined
  const code = Number(label.value)
  return code <= exitCodeMax ? code : undefined
}

/** 0 if all finished; of a single task its own exit code; 1 if any of several failed. */
export function exitCodeOf(all: readonly TaskProgress[]): number {
  const failed = all.filter(({ state }) => state !== 'TASK_FINISHED')
  const [only] = failed
  if (only === undefined) return exitCodes.ok
  if (all.length > 1) return exitCodes.failure
  return exitStatusOf(only.status) || exitCodes.failure
}
