/**
 * Agents that come back: after a broken link, a restart, a failover, or from being unreachable.
 * Spec: master.md §5, states.md §3.1.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  KillTask,
  type OperationReference,
  type ReregisterAgent,
  ShutdownFramework,
  type TaskReference,
  UpdateFrameworkInfo,
} from '../../protocol/agent.ts'
import { failure } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import type { RegistryOperation } from '../../protocol/registrar.ts'
import {
  type AgentInfo,
  frameworkIdProblem,
  isTerminal,
  type Task,
} from '../../protocol/v1/index.ts'
import type { Context, Pid, ReplyTo } from '../../src/runtime/index.ts'
import {
  addAgent,
  addExecutor,
  connectAgent,
  disconnectAgent,
  enterAllocator,
  reenterAllocator,
  release,
  reregisterTimer,
  takeExecutor,
} from './agents.ts'
import { refuseOldCopy } from './disk-ages.ts'
import { sendDrain, settleDrains } from './drain.ts'
import { announce, sendStatus } from './events.ts'
import { recoverFramework } from './frameworks.ts'
import { internReport } from './interning.ts'
import { learnOperations, missingOperations } from './operations.ts'
import { refuseAgent, registered } from './registration.ts'
import { store } from './registry.ts'
import { adoptReport } from './reports.ts'
import { type Agent, downProblem, isActive, type MasterState } from './state.ts'
import { addTask, lastToldState, masterStatus } from './tasks.ts'

type Return = Payload<typeof ReregisterAgent>

/** REREGISTER_AGENT. Requests while the registry is being written for it are ignored: agents repeat them. */
export function reregisterAgent(state: MasterState, said: Return, cx: Context): void {
  const report = internReport(state.interned, said)
  const id = report.agent_info.id?.value
  if (id === undefined) {
    cx.refuse(failure('NOT_ACCEPTED', { reason: 'agent_info.id is missing' }))
    return
  }
  // Even if it is gone: one that is told to leave would begin anew, with what stands on that disk.
  if (refuseOldCopy(state, id, report.disk_age, cx)) return
  const known = state.agents.get(id)
  const objection = objectionTo(state, known, report.agent_info, id)
  if (objection !== undefined) {
    refuseAgent(state, objection, cx)
    return
  }
  if (state.transitions.has(id)) return
  const pid = cx.from
  const held = cx.hold()
  const recovered = state.recovered.get(id)
  const former = known?.info ?? recovered
  const operation = operationFor(former, report.agent_info)
  // If they say the same, the document that the registrar has too is kept.
  const same = operation === undefined && former !== undefined
  const back = same ? { ...report, agent_info: former } : report
  const then = () => {
    if (known !== undefined) readmit(state, known, back, pid, held, cx)
    else admit(state, back, pid, recovered !== undefined, held, cx)
  }
  if (operation === undefined) {
    then()
    return
  }
  state.transitions.set(id, 'reregistering')
  store(state, [operation], cx, ([applied]) => {
    state.transitions.delete(id)
    if (applied) then()
  })
}

function objectionTo(
  state: MasterState,
  known: Agent | undefined,
  info: AgentInfo,
  id: string,
): string | undefined {
  if (state.gone.has(id)) return 'the agent was marked gone'
  if (known !== undefined && known.info.hostname !== info.hostname)
    return 'its hostname has changed'
  return downProblem(state, info)
}

function operationFor(
  former: AgentInfo | undefined,
  agent_info: AgentInfo,
): RegistryOperation | undefined {
  if (former === undefined) return { type: 'MARK_REACHABLE', agent_info }
  return isDeepStrictEqual(former, agent_info) ? undefined : { type: 'UPDATE_AGENT', agent_info }
}

/** An agent that is not in the books enters them with all that it has. */
function admit(
  state: MasterState,
  back: Return,
  pid: Pid,
  recovered: boolean,
  held: ReplyTo | undefined,
  cx: Context,
): void {
  const id = back.agent_info.id!.value
  cx.answer(held, { ...registered(state, id), reconcile: [] })
  learnFrameworks(state, back, cx)
  const tasks = back.tasks.filter((task) => isNews(state, task, id))
  // Those of agents that the registry knew come with the agents' own unacknowledged updates.
  if (!recovered) for (const task of tasks) resurrect(state, task, cx)
  const executors = back.executors.filter((each) => state.frameworks.has(each.framework_id.value))
  const { operations = [] } = back
  const agent = addAgent(state, { report: back, pid, tasks, executors, operations }, cx)
  enterAllocator(state, [agent], cx)
  agent.reregisteredMs = cx.now()
  greet(state, agent, back, cx)
  cx.log('info', 'agent re-registered', { agent: id, tasks: tasks.length, recovered })
}

/** Frameworks that only this agent knows: they exist, and wait for their schedulers. */
function learnFrameworks(state: MasterState, { frameworks }: Return, cx: Context): void {
  for (const info of frameworks) {
    const id = info.id?.value
    if (id === undefined || frameworkIdProblem(id) !== undefined) continue
    if (state.frameworks.has(id) || state.completedFrameworks.has(id)) continue
    recoverFramework(state, info, cx)
  }
}

/** Whether a reported task belongs into the books: of a living framework, its id not in use elsewhere. */
function isNews(state: MasterState, task: Task, agentId: string): boolean {
  const framework = state.frameworks.get(task.framework_id.value)
  if (framework === undefined || task.agent_id.value !== agentId) return false
  return !framework.tasks.has(task.task_id.value)
}

/** A task that was unreachable, or is unknown, is active again (states.md §3.1). */
function resurrect(state: MasterState, task: Task, cx: Context): void {
  const framework = state.frameworks.get(task.framework_id.value)!
  const id = task.task_id.value
  framework.unreachable.delete(id)
  const index = framework.completed.findIndex(({ task_id }) => task_id.value === id)
  if (index >= 0) framework.completed.splice(index, 1)
  const told = lastToldState(task)
  // That it has ended, the agent is about to tell, after what comes before that.
  if (told === undefined) return
  const status = {
    ...masterStatus(id, told, cx),
    reason: 'REASON_AGENT_REREGISTERED',
    message: 'the agent is back',
    agent_id: task.agent_id,
    ...(task.executor_id !== undefined && { executor_id: task.executor_id }),
  } as const
  sendStatus(state, framework, status, cx)
}

/** What a returning agent must hear: that it drains, which frameworks are over, and which listen. */
function greet(state: MasterState, agent: Agent, back: Return, cx: Context): void {
  const { pid } = agent
  sendDrain(state, agent, cx)
  const ids = new Set(back.frameworks.map(({ id }) => id?.value ?? ''))
  for (const { framework_id } of [...back.tasks, ...back.executors]) ids.add(framework_id.value)
  for (const value of ids) {
    const framework = state.frameworks.get(value)
    const { epoch } = state
    if (state.completedFrameworks.has(value)) {
      cx.send(pid, ShutdownFramework, { epoch, framework_id: { value } })
    } else if (framework !== undefined && isActive(framework)) {
      cx.send(pid, UpdateFrameworkInfo, { epoch, framework_info: framework.info })
    }
  }
  settleDrains(state, cx)
}

/** An agent in the books is back, and the two compare what they know. */
function readmit(
  state: MasterState,
  agent: Agent,
  back: Return,
  pid: Pid,
  held: ReplyTo | undefined,
  cx: Context,
): void {
  // A restart that was faster than the word of the broken link.
  if (agent.pid !== pid) {
    if (agent.connected) cx.unlink(agent.pid)
    disconnectAgent(state, agent, cx)
  }
  const { operations = [], resource_version } = back
  const reconcile = missingAt(agent, back)
  const reconcile_operations: OperationReference[] = []
  // One that is repeated knows nothing of operations that were sent after the first.
  if (
    !agent.connected ||
    resource_version === undefined ||
    agent.resourceVersion !== resource_version
  ) {
    adoptReport(state, agent, back, cx)
    learnOperations(state, agent, operations)
    reconcile_operations.push(...missingOperations(state, agent, operations))
  }
  cx.answer(held, { ...registered(state, agent.id), reconcile, reconcile_operations })
  learnFrameworks(state, back, cx)
  forgetExecutors(state, agent, back, cx)
  learnWork(state, agent, back, cx)
  if (!agent.connected) {
    cx.cancel(reregisterTimer(agent))
    connectAgent(state, agent, pid, cx)
    const body = { agent_info: agent.info }
    announce(state, 'agent', agent.id, { type: 'AGENT_REREGISTERED', agent_reregistered: body }, cx)
  }
  for (const task of agent.tasks) {
    if (isTerminal(task.state) || !state.killed.has(task)) continue
    const { framework_id, task_id } = task
    cx.send(pid, KillTask, { epoch: state.epoch, framework_id, task_id })
  }
  greet(state, agent, back, cx)
  cx.log('info', 'agent re-registered', { agent: agent.id })
}

/** Tasks of the books that the agent did not list: it must say itself what became of them. */
function missingAt(agent: Agent, back: Return): TaskReference[] {
  const key = ({ framework_id, task_id }: TaskReference) =>
    JSON.stringify([framework_id.value, task_id.value])
  const listed = new Set(back.tasks.map(key))
  return [...agent.tasks]
    .filter((task) => !listed.has(key(task)))
    .map(({ framework_id, task_id }) => ({ framework_id, task_id }))
}

function forgetExecutors(state: MasterState, agent: Agent, back: Return, cx: Context): void {
  const alive = new Set(
    back.executors.map(({ framework_id, executor_info }) =>
      JSON.stringify([framework_id.value, executor_info.executor_id.value]),
    ),
  )
  for (const [frameworkId, executors] of [...agent.executors]) {
    for (const executorId of [...executors.keys()]) {
      if (alive.has(JSON.stringify([frameworkId, executorId]))) continue
      release(state, takeExecutor(agent, frameworkId, executorId), cx)
    }
  }
}

/** What the agent runs and the books lack enters them, such as tasks that were declared lost too early. */
function learnWork(state: MasterState, agent: Agent, back: Return, cx: Context): void {
  let learnt = false
  for (const task of back.tasks) {
    if (isTerminal(task.state) || !isNews(state, task, agent.id)) continue
    resurrect(state, task, cx)
    addTask(state, state.frameworks.get(task.framework_id.value)!, agent, task, cx)
    learnt = true
  }
  for (const { framework_id, executor_info } of back.executors) {
    if (!state.frameworks.has(framework_id.value)) continue
    if (agent.executors.get(framework_id.value)?.has(executor_info.executor_id.value)) continue
    addExecutor(agent, framework_id.value, executor_info)
    learnt = true
  }
  if (learnt) reenterAllocator(state, agent, cx)
}
