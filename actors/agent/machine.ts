/** The life of an agent. Spec: agent.md §1. */
import { setup } from 'xstate'
import type { Context } from '../../src/runtime/index.ts'
import type { AgentArgs } from './prepare.ts'
import { type AgentPhase, type AgentState, newAgentState } from './state.ts'

/** What the machine's actions do; the conversations' side (index.ts). */
export interface AgentActions {
  readonly recover: (state: AgentState, cx: Context) => void
  readonly detect: (state: AgentState, cx: Context) => void
  readonly disconnected: (state: AgentState, cx: Context) => void
  readonly running: (state: AgentState, cx: Context) => void
  readonly endTasks: (state: AgentState, cx: Context) => void
  readonly terminate: (state: AgentState, cx: Context) => void
}

type Event = {
  readonly type: 'RECOVERED' | 'REGISTERED' | 'DISCONNECT' | 'END_TASKS' | 'TERMINATE' | 'GONE'
}

interface MachineContext {
  readonly cx: Context
  readonly state: AgentState
}

/** What comes from the agent's own actors, and pings, are taken in every state. */
const always = [
  'PING',
  'STREAMS_RECOVERED',
  'UPDATE_STORED',
  'FORWARD_UPDATE',
  'STREAM_ACKNOWLEDGED',
  'EXECUTOR_SUBSCRIBED',
  'REPORT_STATUS',
  'REPORT_DATA',
  'EXECUTOR_ENDED',
]
const leaders = ['LEADER_FOUND', 'NO_LEADER', 'SHUTDOWN_AGENT']
const commands = ['RUN_TASKS', 'KILL_TASK', 'APPLY_OPERATION', 'DRAIN_AGENT']
const registered = [
  'ACKNOWLEDGE_UPDATE',
  'ACKNOWLEDGE_OPERATION',
  'FRAMEWORK_MESSAGE',
  'UPDATE_FRAMEWORK_INFO',
  'SHUTDOWN_EXECUTOR',
  'SHUTDOWN_FRAMEWORK',
]

export function agentMachine(actions: AgentActions) {
  const act =
    (name: keyof AgentActions) =>
    ({ context }: { context: MachineContext }) =>
      actions[name](context.state, context.cx)
  const enter = (phase: AgentPhase) => ({ type: 'enter' as const, params: { phase } })
  return setup({
    types: {
      context: {} as MachineContext,
      input: {} as { cx: Context; args: AgentArgs },
      events: {} as Event,
    },
    actions: {
      enter: ({ context }, { phase }: { phase: AgentPhase }) => {
        context.state.phase = phase
        context.cx.log('info', `agent ${phase.toLowerCase()}`)
      },
      recover: act('recover'),
      detect: act('detect'),
      disconnected: act('disconnected'),
      running: act('running'),
      endTasks: act('endTasks'),
      terminate: act('terminate'),
    },
  }).createMachine({
    context: ({ input }) => ({
      cx: input.cx,
      state: newAgentState(input.args, input.cx.monotonic()),
    }),
    initial: 'recovering',
    on: {
      /** The agent is stopped, and its tasks with it; how they end is told from where it is. */
      END_TASKS: { actions: 'endTasks' },
      TERMINATE: '.terminating',
    },
    states: {
      /** Reads checkpoints, finds containers again, waits for custom executors. */
      recovering: {
        meta: { accepts: always },
        entry: [enter('RECOVERING'), 'recover'],
        on: { RECOVERED: { target: 'disconnected', actions: 'detect' } },
      },
      /** Not registered with the present leader, or there is none. */
      disconnected: {
        meta: { accepts: [...always, ...leaders, ...commands] },
        entry: [enter('DISCONNECTED'), 'disconnected'],
        on: { REGISTERED: 'running' },
      },
      running: {
        meta: { accepts: [...always, ...leaders, ...commands, ...registered] },
        entry: [enter('RUNNING'), 'running'],
        on: { DISCONNECT: 'disconnected' },
      },
      /** Executors are ending; the agent ends after them. */
      terminating: {
        meta: { accepts: [...always, 'ACKNOWLEDGE_UPDATE'] },
        entry: [enter('TERMINATING'), 'terminate'],
        on: { GONE: 'gone', TERMINATE: undefined },
      },
      gone: { type: 'final' },
    },
  })
}
