/**
 * Statuses of tasks and operations on their way to the author of a framework: taken note of, handed over,
 * acknowledged when they were processed. Spec: states.md §6.
 */
import type { OperationStatus, TaskStatus } from '../../protocol/v1/status.ts'
import type { Context } from '../runtime/index.ts'
import type { SchedulerState } from './scheduler.ts'

export function takeStatus(state: SchedulerState, status: TaskStatus, cx: Context): void {
  const { driver } = state
  state.tasks.heard(status, cx.monotonic())
  const processed = state.options.callbacks.update?.(status, driver)
  const task = status.task_id.value
  whenProcessed(processed, { task }, () => driver.acknowledge(status), cx)
}

export function takeOperationStatus(
  state: SchedulerState,
  status: OperationStatus,
  cx: Context,
): void {
  const { driver } = state
  state.operations.heard(status, cx.monotonic())
  const processed = state.options.callbacks.operation?.(status, driver)
  const operation = status.operation_id?.value
  whenProcessed(processed, { operation }, () => driver.acknowledgeOperation(status), cx)
}

/** Acknowledges when the author is done with it; what failed comes again. */
function whenProcessed(
  processed: void | Promise<void>,
  subject: Record<string, unknown>,
  acknowledge: () => void,
  cx: Context,
): void {
  if (!(processed instanceof Promise)) {
    acknowledge()
    return
  }
  cx.job(
    () => processed,
    (outcome) => {
      if (outcome.ok) acknowledge()
      else {
        const reason = String(outcome.error)
        cx.log('error', 'a status was not processed', { ...subject, reason })
      }
    },
  )
}
