/** The life of a custom executor, as its agent sees it. Spec: executor-api.md §7. */
import { setup } from 'xstate'
import type { Context } from '../../src/runtime/index.ts'
import { type CustomArgs, type CustomState, newCustomState } from './custom-state.ts'

export interface CustomActions {
  readonly begin: (state: CustomState, cx: Context) => void
  readonly registered: (state: CustomState, cx: Context) => void
  readonly shutDown: (state: CustomState, cx: Context) => void
  readonly finish: (state: CustomState, cx: Context) => void
}

type Event = { readonly type: 'SUBSCRIBED' | 'SHUTDOWN' | 'ENDED' }

interface MachineContext {
  readonly cx: Context
  readonly state: CustomState
}

const always = ['STATUS_TAKEN', 'SEND_EVENT', 'END_EXECUTOR']

export function customMachine(actions: CustomActions) {
  const act =
    (name: keyof CustomActions) =>
    ({ context }: { context: MachineContext }) =>
      actions[name](context.state, context.cx)
  return setup({
    types: {
      context: {} as MachineContext,
      input: {} as { cx: Context; args: CustomArgs },
      events: {} as Event,
    },
    actions: {
      begin: act('begin'),
      registered: act('registered'),
      shutDown: act('shutDown'),
      finish: act('finish'),
    },
  }).createMachine({
    context: ({ input }) => ({ cx: input.cx, state: newCustomState(input.args) }),
    initial: 'registering',
    states: {
      /** Started, or alive since before the agent was; it has not called SUBSCRIBE. */
      registering: {
        meta: { accepts: always },
        entry: 'begin',
        on: { SUBSCRIBED: 'running', SHUTDOWN: 'terminating', ENDED: 'terminated' },
      },
      running: {
        meta: { accepts: always },
        entry: 'registered',
        on: { SHUTDOWN: 'terminating', ENDED: 'terminated' },
      },
      /** Told to shut down; after the grace period the container is destroyed. */
      terminating: {
        meta: { accepts: always },
        entry: 'shutDown',
        on: { ENDED: 'terminated' },
      },
      terminated: { type: 'final', entry: 'finish' },
    },
  })
}
