/** The SDK for framework authors. Guide: docs/frameworks.md. */
export { type Connected, connectScheduler, type SchedulerConnectOptions } from './connect.ts'
export { CallError, Driver } from './driver.ts'
export {
  connectLog,
  type LogClient,
  type LogConnectOptions,
  type LogEntry,
  type LogWriter,
} from './log.ts'
export * as operations from './operations.ts'
export {
  type AgentAnswer,
  connectOperator,
  type MasterAnswer,
  type OperatorClient,
  type OperatorConnectOptions,
} from './operator.ts'
export { type Request, Room, type VolumeRequest } from './placement.ts'
export { type RunTasksOptions, type TaskProgress, TaskRun, type TaskSpec } from './run-tasks.ts'
export { type SchedulerCallbacks, type SchedulerOptions, scheduler } from './scheduler.ts'
export { connectState, type StateClient, type StateConnectOptions } from './state.ts'
