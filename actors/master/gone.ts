/** Agents that operators say never come back: their ids are refused from then on. Spec: master.md §7. */
import { ShutdownAgent } from '../../protocol/agent.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { Context } from '../../src/runtime/index.ts'
import { removeAgent } from './agents.ts'
import { announce, sendAgentFailure, sendStatus } from './events.ts'
import type { Answer } from './operator.ts'
import { store } from './registry.ts'
import { type Agent, isKnownAgent, type MasterState, toTimeInfo } from './state.ts'
import { completeTask, fateOf, masterStatus } from './tasks.ts'

/** MARK_AGENT_GONE. Tasks of an agent that is not back after a failover are not known: no word of them. */
export function markGone(
  state: MasterState,
  id: string,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  if (state.gone.has(id)) return ok({})
  const transition = state.transitions.get(id)
  if (transition !== undefined) {
    return fail('CONFLICT', { problem: `something else is under way for ${id}: ${transition}` })
  }
  if (!isKnownAgent(state, id)) return fail('NOT_FOUND', { kind: 'agent', id })
  state.transitions.set(id, 'marking gone')
  const agent_id = { value: id }
  const timestamp = toTimeInfo(cx.now())
  store(state, [{ type: 'MARK_GONE', agent_id, timestamp }], cx, ([applied]) => {
    state.transitions.delete(id)
    if (!applied) {
      return later(fail('CONFLICT', { problem: `the agent ${id} has changed in the meantime` }))
    }
    state.gone.set(id, timestamp)
    state.drains.delete(id)
    state.deactivated.delete(id)
    leave(state, id, cx)
    announce(state, 'agent', id, { type: 'AGENT_GONE', agent_gone: { agent_id } }, cx)
    cx.log('info', 'agent gone', { agent: id })
    later(ok({}))
  })
  return undefined
}

function leave(state: MasterState, id: string, cx: Context): void {
  const agent = state.agents.get(id)
  if (agent !== undefined) {
    expel(state, agent, cx)
    return
  }
  const wasUnreachable = state.unreachable.delete(id)
  if (wasUnreachable) loseUnreachable(state, id, cx)
  else sendAgentFailure(state, id, cx)
  state.recovered.delete(id)
  state.removed.set(id, true)
}

function expel(state: MasterState, agent: Agent, cx: Context): void {
  const message = `an operator has marked the agent ${agent.info.hostname} gone`
  if (agent.connected) cx.send(agent.pid, ShutdownAgent, { epoch: state.epoch, message })
  removeAgent(state, agent, { reason: REASON, message, gone: true }, cx)
}

/** Whether they were told as unreachable or lost, its tasks are over now. */
function loseUnreachable(state: MasterState, id: string, cx: Context): void {
  for (const framework of state.frameworks.values()) {
    for (const task of [...framework.unreachable.values()]) {
      if (task.agent_id.value !== id) continue
      task.state = fateOf(framework, 'TASK_GONE_BY_OPERATOR')
      const message = 'an operator has marked the agent gone'
      const status = {
        ...masterStatus(task.task_id.value, task.state, cx),
        reason: REASON,
        message,
        agent_id: task.agent_id,
      } as const
      task.statuses = [...(task.statuses ?? []), status]
      sendStatus(state, framework, status, cx)
      completeTask(state, framework, task)
    }
  }
}

const REASON = 'REASON_AGENT_REMOVED_BY_OPERATOR'
