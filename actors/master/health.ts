/** Health of agents: pings and broken links. Spec: master.md §6. */
import { Ping } from '../../protocol/agent.ts'
import type { Context, ExitNotice } from '../../src/runtime/index.ts'
import { disconnectAgent, reregisterTimer } from './agents.ts'
import type { Agent, MasterState } from './state.ts'
import { markUnreachable } from './unreachable.ts'

/** Agents whose turn has come together are pinged in turns of at most so many, others in between. */
const PINGS_PER_TURN = 500

/** Pings at once, and then once each time-out, whether the agent is connected or not. */
export function startPings(state: MasterState, agent: Agent, cx: Context): void {
  ping(state, agent, cx)
  if (state.pings.size === 1) awaitPings(state, cx)
}

export function stopPings(state: MasterState, agent: Agent): void {
  state.pings.delete(agent)
}

function ping(state: MasterState, agent: Agent, cx: Context): void {
  agent.missedPings++
  cx.send(agent.pid, Ping, { epoch: state.epoch, connected: agent.connected })
  state.pings.delete(agent)
  state.pings.set(agent, cx.monotonic() + state.options.agent_ping_timeout_ms)
}

/** One timer for all agents: there may be tens of thousands, and a timer each takes more than this entry. */
function awaitPings(state: MasterState, cx: Context): void {
  const [nextMs] = state.pings.values()
  if (nextMs === undefined) return
  cx.after('pings', Math.max(0, nextMs - cx.monotonic()), () => {
    let count = 0
    for (const [agent, dueMs] of state.pings) {
      if (dueMs > cx.monotonic() || count++ === PINGS_PER_TURN) break
      const isSilent = () => agent.missedPings >= state.options.max_agent_ping_timeouts
      if (isSilent()) markUnreachable(state, agent, 'it did not answer pings', isSilent, cx)
      ping(state, agent, cx)
    }
    awaitPings(state, cx)
  })
}

export function pong(agent: Agent): void {
  agent.missedPings = 0
}

/** The link to an agent is broken: it has `agent_reregister_timeout` to come back, pings or not. */
export function agentExited(state: MasterState, { pid, reason }: ExitNotice, cx: Context): void {
  const agent = state.agentsByPid.get(pid)
  if (agent === undefined) return
  cx.log('info', 'agent disconnected', { agent: agent.id, reason })
  disconnectAgent(state, agent, cx)
  const isAway = () => !agent.connected
  cx.after(reregisterTimer(agent), state.options.agent_reregister_timeout_ms, () =>
    markUnreachable(state, agent, 'it did not register again in time', isAway, cx),
  )
}
