/** The life of a command task, from its launch to its last status. Spec: executor-api.md §9.1-§9.3. */
import { setup } from 'xstate'
import type { Context } from '../../src/runtime/index.ts'
import type { CommandArgs, CommandState } from './command-state.ts'
import { newCommandState } from './command-state.ts'

/** What the machine's actions do; the conversation's side (command.ts). */
export interface CommandActions {
  readonly begin: (state: CommandState, cx: Context) => void
  readonly reportRunning: (state: CommandState, cx: Context) => void
  readonly startKilling: (state: CommandState, cx: Context) => void
  readonly reportEnd: (state: CommandState, cx: Context) => void
}

/** `STARTED`, `KILL`, `ENDED` and `TAKEN` are raised by the conversation. */
type Event = { readonly type: 'STARTED' | 'KILL' | 'ENDED' | 'TAKEN' }

interface MachineContext {
  readonly cx: Context
  readonly state: CommandState
}

const always = ['STATUS_TAKEN', 'END_TASK', 'END_EXECUTOR']

export function commandMachine(actions: CommandActions) {
  const act =
    (name: keyof CommandActions) =>
    ({ context }: { context: MachineContext }) =>
      actions[name](context.state, context.cx)
  return setup({
    types: {
      context: {} as MachineContext,
      input: {} as { cx: Context; args: CommandArgs },
      events: {} as Event,
    },
    actions: {
      begin: act('begin'),
      reportRunning: act('reportRunning'),
      startKilling: act('startKilling'),
      reportEnd: act('reportEnd'),
    },
  }).createMachine({
    context: ({ input }) => ({ cx: input.cx, state: newCommandState(input.args) }),
    initial: 'starting',
    states: {
      /** The command is being started, or looked for after a restart of the agent. */
      starting: {
        meta: { accepts: always },
        entry: 'begin',
        on: { STARTED: { target: 'running', actions: 'reportRunning' }, ENDED: 'ended' },
      },
      running: {
        meta: { accepts: always },
        on: { KILL: 'killing', ENDED: 'ended' },
      },
      /** SIGTERM was sent; SIGKILL follows after the grace period. */
      killing: {
        meta: { accepts: always },
        entry: 'startKilling',
        on: { ENDED: 'ended' },
      },
      /** Everything is said; the actor goes when all of it is durable. */
      ended: {
        meta: { accepts: always },
        entry: 'reportEnd',
        on: { TAKEN: 'gone' },
      },
      gone: { type: 'final' },
    },
  })
}
