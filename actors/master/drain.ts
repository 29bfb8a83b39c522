/**
 * Agents that operators take out of service: deactivated ones are not offered, draining ones end their
 * tasks besides. An agent is drained when nothing is left of its tasks and operations, those included
 * that wait for an acknowledgement. What was decided outlives the agent's absence and the master.
 * Spec: states.md §4.3, master.md §13.
 */
import { DrainAgent } from '../../protocol/agent.ts'
import { ActivateAgent, DeactivateAgent } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { MasterCall } from '../../protocol/operator.ts'
import type { RegistryOperation } from '../../protocol/registrar.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { DrainConfig, DrainInfo } from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { announce } from './events.ts'
import { markGone } from './gone.ts'
import { rescindOffers } from './offers.ts'
import type { Answer } from './operator.ts'
import { store } from './registry.ts'
import { type Agent, isKnownAgent, type MasterState } from './state.ts'

type Payload<Type extends MasterCall['type'], Name extends string> =
  Extract<MasterCall, { type: Type }> extends Record<Name, infer Body> ? Body : never

/** DRAIN_AGENT; a repeated one replaces the former. */
export function drainAgent(
  state: MasterState,
  { agent_id, max_grace_period: grace, mark_gone }: Payload<'DRAIN_AGENT', 'drain_agent'>,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const id = agent_id.value
  const agent = state.agents.get(id)
  const objection = drainProblem(state, id, agent)
  if (objection !== undefined) return objection
  const nanoseconds = grace && grace.seconds * 1e9 + (grace.nanos ?? 0)
  const config: DrainConfig = {
    ...(nanoseconds !== undefined && { max_grace_period: { nanoseconds } }),
    mark_gone: mark_gone ?? false,
  }
  decide(state, { type: 'DRAIN_AGENT', agent_id, config }, later, cx, () => {
    setDrain(state, id, { state: 'DRAINING', config }, cx)
    takeOutOfService(state, id, cx)
    cx.log('info', 'agent drains', { agent: id })
    const present = state.agents.get(id)
    if (present?.connected) sendDrain(state, present, cx)
    settleDrain(state, id, cx)
  })
  return undefined
}

function drainProblem(state: MasterState, id: string, agent: Agent | undefined) {
  if (!isKnownAgent(state, id)) return fail('NOT_FOUND', { kind: 'agent', id })
  if (state.transitions.get(id) === 'marking gone') {
    return fail('CONFLICT', { problem: `the agent ${id} is being marked gone` })
  }
  if (agent === undefined) return undefined
  if (agent.unavailability !== undefined) {
    const problem = `the machine ${agent.info.hostname} is in the maintenance schedule`
    return fail('CONFLICT', { problem })
  }
  if (agent.capabilities.includes('AGENT_DRAINING')) return undefined
  return fail('UNSUPPORTED_CALL', { type: 'DRAIN_AGENT', supported: 'DEACTIVATE_AGENT' })
}

/** DEACTIVATE_AGENT: its tasks live on. */
export function deactivateAgent(
  state: MasterState,
  { agent_id }: Payload<'DEACTIVATE_AGENT', 'deactivate_agent'>,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const id = agent_id.value
  if (!isKnownAgent(state, id)) return fail('NOT_FOUND', { kind: 'agent', id })
  decide(state, { type: 'DEACTIVATE_AGENT', agent_id }, later, cx, () =>
    takeOutOfService(state, id, cx),
  )
  return undefined
}

/** REACTIVATE_AGENT: of one that is deactivated or drained. */
export function reactivateAgent(
  state: MasterState,
  { agent_id }: Payload<'REACTIVATE_AGENT', 'reactivate_agent'>,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const id = agent_id.value
  if (!isKnownAgent(state, id)) return fail('NOT_FOUND', { kind: 'agent', id })
  const drain = state.drains.get(id)
  if (drain?.state === 'DRAINING') {
    return fail('CONFLICT', { problem: `the agent ${id} is draining` })
  }
  if (!state.deactivated.has(id)) {
    return fail('CONFLICT', { problem: `the agent ${id} is not deactivated` })
  }
  decide(state, { type: 'REACTIVATE_AGENT', agent_id }, later, cx, () => {
    state.drains.delete(id)
    state.deactivated.delete(id)
    const agent = state.agents.get(id)
    if (!agent?.connected) return
    if (drain !== undefined) cx.send(agent.pid, DrainAgent, { epoch: state.epoch })
    cx.send(state.allocator, ActivateAgent, { agent_id: id })
  })
  return undefined
}

/** Writes a decision about one agent; another may have been written just before, which it contradicts. */
function decide(
  state: MasterState,
  operation: Extract<RegistryOperation, { agent_id: { value: string } }>,
  later: Answer,
  cx: Context,
  then: () => void,
): void {
  store(state, [operation], cx, ([applied]) => {
    const problem = `the agent ${operation.agent_id.value} has changed in the meantime`
    if (!applied) return later(fail('CONFLICT', { problem }))
    then()
    later(ok({}))
  })
}

function takeOutOfService(state: MasterState, id: string, cx: Context): void {
  state.deactivated.add(id)
  const agent = state.agents.get(id)
  if (agent === undefined) return
  cx.send(state.allocator, DeactivateAgent, { agent_id: id })
  rescindOffers(state, [...agent.offers], cx)
}

/** Tells an agent that it drains, if it does: it keeps no note of that itself. */
export function sendDrain(state: MasterState, agent: Agent, cx: Context): void {
  const drain = state.drains.get(agent.id)
  if (drain === undefined) return
  state.drainStarts.set(agent, cx.now())
  cx.send(agent.pid, DrainAgent, { epoch: state.epoch, config: drain.config })
}

/** After whatever may have ended the last task or operation of some agent. */
export function settleDrains(state: MasterState, cx: Context): void {
  for (const id of state.drains.keys()) settleDrain(state, id, cx)
}

/** One that drains and has nothing left is drained; or gone, if that was asked for. */
function settleDrain(state: MasterState, id: string, cx: Context): void {
  const drain = state.drains.get(id)
  const agent = state.agents.get(id)
  if (drain?.state !== 'DRAINING' || agent === undefined || state.transitions.has(id)) return
  if (agent.tasks.size > 0 || agent.operations.size > 0) return
  if (drain.config.mark_gone) {
    markGone(state, id, () => undefined, cx)
    return
  }
  state.transitions.set(id, 'marking drained')
  store(state, [{ type: 'MARK_AGENT_DRAINED', agent_id: { value: id } }], cx, ([applied]) => {
    state.transitions.delete(id)
    if (!applied) return
    setDrain(state, id, { ...drain, state: 'DRAINED' }, cx)
    cx.log('info', 'agent is drained', { agent: id })
  })
}

function setDrain(state: MasterState, id: string, drain_info: DrainInfo, cx: Context): void {
  state.drains.set(id, drain_info)
  const body = { agent_id: { value: id }, drain_info }
  announce(state, 'agent', id, { type: 'AGENT_DRAINING', agent_draining: body }, cx)
}
