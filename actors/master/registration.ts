/** Agents that are new, and agents that leave. Spec: master.md §4, §7. */

import { Ping, type RegisterAgent, ShutdownAgent } from '../../protocol/agent.ts'
import { failure } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import type { RegistryOperation } from '../../protocol/registrar.ts'
import { type Context, deepFreeze, nameOf } from '../../src/runtime/index.ts'
import { type Admission, nextBatch } from './admission.ts'
import { addAgent, enterAllocator, removeAgent } from './agents.ts'
import { announce } from './events.ts'
import { internReport, type Report } from './interning.ts'
import { store } from './registry.ts'
import { adoptReport } from './reports.ts'
import { type Agent, downProblem, type MasterState, newAgentId } from './state.ts'

/** The part of the answer that is the same for register and re-register. */
export function registered(state: MasterState, id: string) {
  const { agent_ping_timeout_ms, max_agent_ping_timeouts } = state.options
  return {
    agent_id: { value: id },
    epoch: state.epoch,
    total_ping_timeout_ms: agent_ping_timeout_ms * max_agent_ping_timeouts,
  }
}

/** REGISTER_AGENT: admitted in the registry first. A repeated request gets the same answer. */
export function registerAgent(
  state: MasterState,
  said: Payload<typeof RegisterAgent>,
  cx: Context,
): void {
  const pid = cx.from
  const report = internReport(state.interned, said)
  const pending = state.admissions.pending.get(pid)
  if (pending !== undefined) {
    // One whose link broke meanwhile asks with a report that replaces the one before.
    pending.report = report
    pending.held.push(cx.hold())
    return
  }
  const known = state.agentsByPid.get(pid)
  if (known?.connected && isAnswerEnough(known, report.resource_version)) {
    if (known.resourceVersion !== report.resource_version) {
      adoptReport(state, known, { ...report, agent_info: known.info }, cx)
    }
    cx.reply(registered(state, known.id))
    return
  }
  const objection = downProblem(state, report.agent_info)
  if (objection !== undefined) {
    refuseAgent(state, objection, cx)
    return
  }
  const silent = state.silent.get(pid)
  if (silent !== undefined && state.unreachable.has(silent)) {
    // Its request, or the answer to it, was long on the way: it is that agent and no other one, and is to
    // come back with what it has.
    cx.reply(registered(state, silent))
    cx.send(pid, Ping, { epoch: state.epoch, connected: false })
    return
  }
  admit(state, report, cx)
}

function admit(state: MasterState, report: Report, cx: Context): void {
  const pid = cx.from
  // A former life of the same actor: it would have re-registered as that agent if it could.
  const namesake = state.agentsByName.get(nameOf(pid))
  const former = namesake && !state.transitions.has(namesake.id) ? namesake : undefined
  if (former !== undefined) state.transitions.set(former.id, 'removing')
  // Frozen, so that the registrar has no copy of its own.
  const info = deepFreeze({ ...report.agent_info, id: { value: newAgentId(state) } })
  const admission = { pid, report, info, former, held: [cx.hold()] }
  state.admissions.pending.set(pid, admission)
  state.admissions.waiting.push(admission)
  writeAdmissions(state, cx)
}

/** As many of those that wait as may be under way. */
function writeAdmissions(state: MasterState, cx: Context): void {
  const { admissions } = state
  for (;;) {
    const batch = nextBatch(admissions)
    if (batch.length === 0) return
    admissions.writes++
    store(state, operationsFor(batch), cx, (applied) => {
      admissions.writes--
      const admitted = applied.slice(-batch.length)
      const agents = batch.flatMap((each, i) => enterBooks(state, each, admitted[i] === true, cx))
      enterAllocator(state, agents, cx)
      writeAdmissions(state, cx)
    })
  }
}

/** One for each admission at the end, in their order. */
function operationsFor(batch: readonly Admission[]): RegistryOperation[] {
  const removals = batch.flatMap(({ former }): RegistryOperation[] =>
    former === undefined ? [] : [{ type: 'REMOVE_AGENT', agent_id: { value: former.id } }],
  )
  return [
    ...removals,
    ...batch.map(({ info }) => ({ type: 'ADMIT_AGENT' as const, agent_info: info })),
  ]
}

/** The registry has it: so have the books, and it is answered. */
function enterBooks(
  state: MasterState,
  { pid, report, info, former, held }: Admission,
  admitted: boolean,
  cx: Context,
): Agent[] {
  state.admissions.pending.delete(pid)
  if (former !== undefined) leave(state, former, 'a new agent registered at its address', cx)
  if (!admitted) return []
  const { value: id } = info.id!
  for (const each of held) cx.answer(each, registered(state, id))
  const whole = { ...report, agent_info: info }
  const arrival = { report: whole, pid, tasks: [], executors: [], operations: [] }
  const agent = addAgent(state, arrival, cx)
  cx.log('info', 'agent registered', { agent: id, hostname: info.hostname })
  return [agent]
}

/**
 * Whether the answer of before will do. An agent that asks anew, its link having broken, has not learnt the
 * id that it was given: what was sent to it under that is lost, and belongs to an agent that never was.
 */
function isAnswerEnough(known: Agent, resourceVersion: string | undefined): boolean {
  return known.resourceVersion === resourceVersion || known.tasks.size + known.operations.size === 0
}

/** It is told to end, since asking again would not help. */
export function refuseAgent(state: MasterState, message: string, cx: Context): void {
  cx.refuse(failure('NOT_ACCEPTED', { reason: message }))
  cx.send(cx.from, ShutdownAgent, { epoch: state.epoch, message })
}

/** It goes for good: by UNREGISTER_AGENT, or at an operator's word. */
export function unregisterAgent(state: MasterState, agent: Agent, why: string, cx: Context): void {
  if (state.transitions.has(agent.id)) return
  state.transitions.set(agent.id, 'removing')
  store(state, [{ type: 'REMOVE_AGENT', agent_id: { value: agent.id } }], cx, () =>
    leave(state, agent, why, cx),
  )
}

function leave(state: MasterState, agent: Agent, why: string, cx: Context): void {
  state.transitions.delete(agent.id)
  state.drains.delete(agent.id)
  state.deactivated.delete(agent.id)
  const message = `the agent ${agent.info.hostname} is gone: ${why}`
  removeAgent(state, agent, { reason: 'REASON_AGENT_REMOVED', message }, cx)
  const agent_id = { value: agent.id }
  announce(state, 'agent', agent.id, { type: 'AGENT_REMOVED', agent_removed: { agent_id } }, cx)
  cx.log('info', 'agent removed', { agent: agent.id, why })
}
