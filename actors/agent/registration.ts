/**
 * Finding the leader, registering with it, and noticing when it is gone. Every command of a master
 * carries its epoch; one that is not the detected leader's is dropped. Spec: agent.md §2.
 */
import {
  ExitedExecutor,
  type OperationReference,
  Pong,
  RegisterAgent,
  ReregisterAgent,
  type TaskReference,
} from '../../protocol/agent.ts'
import { Detect } from '../../protocol/detector.ts'
import type { Leader } from '../../protocol/leader.ts'
import { PauseUpdates, ResumeUpdates } from '../../protocol/updates.ts'
import type { AskError, Context, ExitNotice, Pid } from '../../src/runtime/index.ts'
import { detector } from '../detector/index.ts'
import { putAgent } from './checkpoints.ts'
import { endIfOld, growOlder } from './disk-age.ts'
import { newcomer, reregistration } from './documents.ts'
import { answerForOperation, reportResources, resendOperations } from './operations.ts'
import { listen } from './operator.ts'
import { tellLent, watchUsage } from './oversubscription.ts'
import { type AgentState, forFramework } from './state.ts'
import { storeStatus } from './statuses.ts'

/** Longest pause between two attempts (agent.md §2). */
const retryMaxMs = 60_000

/** Entry of RECOVERED. */
export function detect(state: AgentState, cx: Context): void {
  state.detector = cx.spawn(detector({ owner: cx.self }))
  watchUsage(state, cx)
}

/** Entry of DISCONNECTED. */
export function disconnected(state: AgentState, cx: Context): void {
  cx.cancel('ping')
  if (state.updates !== undefined) cx.send(state.updates, PauseUpdates, {})
  startRegistration(state, cx)
}

/** Entry of RUNNING. */
export function running(state: AgentState, cx: Context): void {
  cx.cancel('register')
  listen(state, cx)
  growOlder(state, cx)
  if (state.updates !== undefined) cx.send(state.updates, ResumeUpdates, {})
  resendOperations(state, undefined, cx)
  // An operation was refused while the report was on its way.
  if (state.ledger.version !== state.ledger.reportedVersion) reportResources(state, cx)
  tellLent(state, cx)
  for (const exit of state.exits) cx.send(state.leader?.pid as Pid, ExitedExecutor, exit)
  state.exits = []
  expectPing(state, cx)
}

/**
 * Whether a command of this epoch is to be obeyed. Those that come before the agent knows its id are meant
 * for one that it will never be: the answer that held the id was lost, and it is going to get another.
 */
export function obeys(state: AgentState, epoch: number, cx: Context): boolean {
  if (!leads(state, epoch, cx)) return false
  if (state.info.id !== undefined) return true
  cx.log('warn', 'a command is dropped: this agent has not learnt its id', { from: cx.from })
  return false
}

/** Whether its sender leads. A higher epoch than known makes the agent look anew. */
export function leads(state: AgentState, epoch: number, cx: Context): boolean {
  if (epoch === state.leader?.epoch && epoch >= state.epoch) return true
  cx.log('warn', 'a command is dropped: its sender does not lead', {
    epoch,
    known: state.epoch,
    from: cx.from,
  })
  if (epoch > state.epoch) lookAnew(state, cx)
  return false
}

export const registration = {
  LEADER_FOUND(state: AgentState, leader: Leader, cx: Context): void {
    if (leader.epoch < state.epoch) return
    state.leader = leader
    state.epoch = leader.epoch
    if (state.phase === 'RUNNING') cx.raise({ type: 'DISCONNECT' })
    else startRegistration(state, cx)
  },
  NO_LEADER(state: AgentState, _: object, cx: Context): void {
    forgetLeader(state, cx)
  },
  PING(
    state: AgentState,
    { epoch, connected }: { epoch: number; connected: boolean },
    cx: Context,
  ) {
    // In every state, and even to a master that the detector has not named yet.
    cx.send(cx.from, Pong, {})
    if (state.phase !== 'RUNNING' || epoch !== state.leader?.epoch) return
    if (connected) expectPing(state, cx)
    else cx.raise({ type: 'DISCONNECT' })
  },
}

/** The link to the master broke: it is asked for anew, and answers if it still leads. */
export function masterLost(state: AgentState, { pid, reason }: ExitNotice, cx: Context): boolean {
  if (pid !== state.leader?.pid) return false
  cx.log('warn', 'the link to the master is broken', { reason })
  lookAnew(state, cx)
  return true
}

function lookAnew(state: AgentState, cx: Context): void {
  if (state.detector !== undefined) cx.send(state.detector, Detect, {})
  forgetLeader(state, cx)
}

function forgetLeader(state: AgentState, cx: Context): void {
  state.leader = undefined
  state.attempt++
  cx.cancel('register')
  if (state.phase === 'RUNNING') cx.raise({ type: 'DISCONNECT' })
}

function expectPing(state: AgentState, cx: Context): void {
  cx.after('ping', state.pingTimeoutMs, () => {
    cx.log('warn', `no ping for ${state.pingTimeoutMs} ms`)
    lookAnew(state, cx)
  })
}

/** Not at once, so that after a failover not all agents come together. */
function startRegistration(state: AgentState, cx: Context): void {
  const { leader, options } = state
  state.attempt++
  if (leader === undefined) return
  const backoffMs = Math.max(options.registration_backoff_ms, leader.registration_spread_ms ?? 0)
  cx.after('register', cx.random.next() * backoffMs, () => {
    cx.link(leader.pid as Pid)
    // What the master decides on an earlier report, a new one being on its way, would be lost to it. A
    // repeated request is no new report: the master may have decided on the first one already.
    state.ledger.version = cx.newId()
    state.exits = []
    register(state, leader, 2 * backoffMs, cx)
  })
}

function register(state: AgentState, leader: Leader, retryMs: number, cx: Context): void {
  const { attempt } = state
  const pauseMs = Math.min(retryMs, retryMaxMs)
  // At least a moment: a master that answers slowly must not be asked without end.
  cx.after('register', Math.max(100, cx.random.next() * pauseMs), () =>
    register(state, leader, 2 * pauseMs, cx),
  )
  const current = () => state.attempt === attempt && state.leader === leader
  const master = leader.pid as Pid
  const options = { timeoutMs: retryMaxMs }
  const { version } = state.ledger
  if (state.info.id === undefined) {
    cx.ask(master, RegisterAgent, newcomer(state), options, (outcome) => {
      if (!current()) return
      if (!outcome.ok) return refused(state, outcome.error, cx)
      state.ledger.reportedVersion = version
      registered(state, outcome.value, { reconcile: [] }, cx)
    })
    return
  }
  cx.ask(master, ReregisterAgent, reregistration(state), options, (outcome) => {
    if (!current()) return
    if (!outcome.ok) return refused(state, outcome.error, cx)
    state.ledger.reportedVersion = version
    registered(state, outcome.value, outcome.value, cx)
  })
}

/** The next attempt comes anyhow; a master that does not want this agent says SHUTDOWN_AGENT. */
function refused(state: AgentState, error: AskError, cx: Context): void {
  if (error.code === 'OLD_COPY') {
    endIfOld(state, error, cx)
    return
  }
  const level = error.code === 'TIMEOUT' ? 'debug' : 'warn'
  cx.log(level, `the master did not register this agent: ${error.message}`, { code: error.code })
}

interface Admission {
  readonly agent_id: { readonly value: string }
  readonly total_ping_timeout_ms: number
}

/** What the master believes in and the agent did not list. */
interface Doubts {
  readonly reconcile: readonly TaskReference[]
  readonly reconcile_operations?: readonly OperationReference[]
}

function registered(
  state: AgentState,
  { agent_id, total_ping_timeout_ms }: Admission,
  { reconcile, reconcile_operations = [] }: Doubts,
  cx: Context,
): void {
  // Further answers to this round of attempts are late.
  state.attempt++
  cx.cancel('register')
  const { attempt } = state
  state.pingTimeoutMs = total_ping_timeout_ms
  const known = state.info.id
  if (known !== undefined && known.value !== agent_id.value) {
    throw new Error(`the master calls this agent ${agent_id.value}, it is ${known.value}`)
  }
  state.info = { ...state.info, id: { value: agent_id.value } }
  // The master says so next, if it still is to drain.
  state.drain = undefined
  const enter = () => {
    if (state.attempt !== attempt) return
    cx.raise({ type: 'REGISTERED' })
    for (const reference of reconcile) answerFor(state, reference, cx)
    for (const reference of reconcile_operations) answerForOperation(state, reference, cx)
  }
  if (known !== undefined) {
    enter()
    return
  }
  cx.job(
    () => state.store.commit([putAgent(state.info)]),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      enter()
    },
  )
}

/** The master believes in a task that this agent did not list. */
function answerFor(state: AgentState, reference: TaskReference, cx: Context): void {
  const { framework_id, task_id } = reference
  const framework = state.frameworks.get(framework_id.value)
  if (framework?.tasks.has(task_id.value)) return
  const lost = framework === undefined ? 'TASK_LOST' : forFramework(framework.info, 'TASK_DROPPED')
  storeStatus(
    state,
    framework_id.value,
    {
      task_id,
      state: lost,
      reason: 'REASON_RECONCILIATION',
      message: 'the agent does not know this task',
    },
    cx,
  )
}
