/** Health of agents: pings and broken links. Spec: master.md §6. */
import { Ping } from '../../protocol/agent.ts'
import type { Context, ExitNotice } from '../../src/runtime/index.ts'
import { disconnectAgent, reregisterTimer } from './agents.ts'
import type { Agent, MasterState } from './state.ts'
import { markUnreachable } from './unreachable.ts'

/** Pings at once, and then once each time-out, whether the agent is connected or not. */
export function startPings(state: MasterState, agent: Agent, cx: Context): void {
  agent.missedPings++
  cx.send(agent.pid, Ping, { epoch: state.epoch, connected: agent.connected })
  cx.after(pingTimer(agent), state.options.agent_ping_timeout_ms, () => {
    const isSilent = () => agent.missedPings >= state.options.max_agent_ping_timeouts
    if (isSilent()) markUnreachable(state, agent, 'it did not answer pings', isSilent, cx)
    startPings(state, agent, cx)
  })
}

export function stopPings(agent: Agent, cx: Context): void {
  cx.cancel(pingTimer(agent))
}

function pingTimer({ id }: Agent): string {
  return `ping ${id}`
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
