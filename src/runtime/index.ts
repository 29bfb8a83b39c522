/** The actor runtime, a library of its own. Its contract: docs/runtime.md. */
export {
  type Accepts,
  type Behaviour,
  type ChildSpec,
  child,
  type Handlers,
  type Hooks,
  type RestartKind,
  type StatechartOptions,
  statechart,
  type TableOptions,
  table,
} from './behaviour.ts'
export type {
  AskOptions,
  Context,
  JobOutcome,
  RawPublish,
  RawSubscribe,
  ReplyTo,
} from './context.ts'
export type { DeadLetter } from './dead-letters.ts'
export type { AskError, Outcome } from './envelope.ts'
export {
  type DownNotice,
  describe,
  type ExitKind,
  type ExitNotice,
  type ExitReason,
  isOrderly,
} from './exit.ts'
export { deepFreeze } from './freeze.ts'
export { type HostContext, type NodeModule, nodeModule } from './module.ts'
export { type Interceptor, Node, type NodeOptions, startNode } from './node.ts'
export { isPid, isToken, nameOf, type ParsedPid, type Pid, parsePid, pid } from './pid.ts'
export {
  type Identity,
  parseExit,
  parseIdentity,
  suffixes as recordSuffixes,
} from './ports/record.ts'
export * from './ports.ts'
export { Ring } from './ring.ts'
export { inSlices } from './slices.ts'
export {
  StartChild,
  StopChild,
  type Strategy,
  type SupervisorOptions,
  supervisor,
} from './supervisor.ts'
