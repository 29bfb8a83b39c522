/**
 * Agents that do not answer: the registry says so first, then everybody is told. Spec: master.md §6-7,
 * states.md §3.
 */
import type { Context } from '../../src/runtime/index.ts'
import { removeAgent } from './agents.ts'
import { announce, sendAgentFailure } from './events.ts'
import { store } from './registry.ts'
import { parsePercent, removeInTurn } from './removal-rate.ts'
import { type Agent, type MasterState, toTimeInfo } from './state.ts'

/**
 * Marks a registered agent when it is its turn, unless something else is happening to it.
 * @param isSilent whether it still is what it is marked for
 */
export function markUnreachable(
  state: MasterState,
  agent: Agent,
  why: string,
  isSilent: () => boolean,
  cx: Context,
): void {
  const isDue = () => state.agents.get(agent.id) === agent && isSilent()
  const begin = () =>
    mark(state, agent.id, why, cx, (unreachableMs) => {
      const message = `the agent ${agent.info.hostname} is unreachable: ${why}`
      state.silent.set(agent.pid, agent.id)
      removeAgent(state, agent, { reason: 'REASON_AGENT_REMOVED', message, unreachableMs }, cx)
    })
  removeInTurn(state, `${agent.id}: ${why}`, { isDue, begin }, cx)
}

/**
 * After a failover: agents of the registry that have not come back. Their tasks are not known. If too many
 * are missing this master is more likely cut off than they are, so it leads no longer.
 * @param admitted how many were in the registry when it was elected
 * @throws Error beyond `recovery_agent_removal_limit`
 */
export function markMissing(state: MasterState, admitted: number, cx: Context): void {
  const missing = state.recovered.size
  const limit = state.options.recovery_agent_removal_limit
  if (missing > admitted * parsePercent(limit)) {
    const which = `${missing} of ${admitted} agents did not register again after the failover`
    throw new Error(`${which}, more than recovery_agent_removal_limit (${limit}) allows to give up`)
  }
  for (const id of [...state.recovered.keys()]) {
    const isDue = () => state.recovered.has(id)
    const begin = () =>
      mark(state, id, 'it did not register again after the failover', cx, () => {
        state.recovered.delete(id)
        state.removed.set(id, true)
        sendAgentFailure(state, id, cx)
      })
    removeInTurn(state, id, { isDue, begin }, cx)
  }
}

function mark(
  state: MasterState,
  id: string,
  why: string,
  cx: Context,
  then: (unreachableMs: number) => void,
): void {
  if (state.transitions.has(id)) return
  state.transitions.set(id, 'marking unreachable')
  const nowMs = cx.now()
  const agent_id = { value: id }
  const timestamp = toTimeInfo(nowMs)
  store(state, [{ type: 'MARK_UNREACHABLE', agent_id, timestamp }], cx, () => {
    state.transitions.delete(id)
    state.unreachable.set(id, timestamp)
    then(nowMs)
    cx.log('warn', 'agent unreachable', { agent: id, why })
    const body = { agent_id, unreachable_time: timestamp }
    announce(state, 'agent', id, { type: 'AGENT_UNREACHABLE', agent_unreachable: body }, cx)
  })
}
