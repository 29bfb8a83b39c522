/** Executors: their messages, their end, and SHUTDOWN and MESSAGE of schedulers. Spec: scheduler-api.md §4, §9. */
import {
  type ExecutorMessage,
  type ExitedExecutor,
  FrameworkMessage,
  ShutdownExecutor,
} from '../../protocol/agent.ts'
import { type Failure, failure } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import type { CallOf } from '../../protocol/scheduler.ts'
import type { Context } from '../../src/runtime/index.ts'
import { release, takeExecutor } from './agents.ts'
import { sendEvent } from './events.ts'
import type { Agent, Framework, MasterState } from './state.ts'

/** EXITED_EXECUTOR of an agent: what it used is free; the framework is told once. */
export function executorExited(
  state: MasterState,
  agent: Agent,
  { framework_id, executor_id, status }: Payload<typeof ExitedExecutor>,
  cx: Context,
): void {
  const known = agent.executors.get(framework_id.value)?.has(executor_id.value) === true
  if (!known) return
  release(state, takeExecutor(agent, framework_id.value, executor_id.value), cx)
  const framework = state.frameworks.get(framework_id.value)
  if (framework === undefined) return
  const failure = { agent_id: { value: agent.id }, executor_id, status }
  sendEvent(state, framework, { type: 'FAILURE', failure }, cx)
}

/** EXECUTOR_MESSAGE of an agent, at most once. */
export function fromExecutor(
  state: MasterState,
  agent: Agent,
  { framework_id, executor_id, data }: Payload<typeof ExecutorMessage>,
  cx: Context,
): void {
  const framework = state.frameworks.get(framework_id.value)
  if (framework === undefined) return
  const message = { agent_id: { value: agent.id }, executor_id, data }
  sendEvent(state, framework, { type: 'MESSAGE', message }, cx)
}

/** MESSAGE of a scheduler, at most once. */
export function toExecutor(
  state: MasterState,
  framework: Framework,
  { message: { agent_id, executor_id, data } }: CallOf<'MESSAGE'>,
  cx: Context,
): Failure | undefined {
  const agent = state.agents.get(agent_id.value)
  if (agent === undefined) return failure('UNKNOWN_AGENT', { agent_id: agent_id.value })
  if (!agent.connected) return failure('AGENT_DISCONNECTED', { agent_id: agent_id.value })
  const framework_id = { value: framework.id }
  cx.send(agent.pid, FrameworkMessage, { epoch: state.epoch, framework_id, executor_id, data })
  return undefined
}

/** SHUTDOWN of a scheduler; tried even if the agent is disconnected. */
export function shutdownExecutor(
  state: MasterState,
  framework: Framework,
  { shutdown: { agent_id, executor_id } }: CallOf<'SHUTDOWN'>,
  cx: Context,
): Failure | undefined {
  const agent = state.agents.get(agent_id.value)
  if (agent === undefined) return failure('UNKNOWN_AGENT', { agent_id: agent_id.value })
  const framework_id = { value: framework.id }
  cx.send(agent.pid, ShutdownExecutor, { epoch: state.epoch, framework_id, executor_id })
  return undefined
}
