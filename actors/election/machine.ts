/**
 * The life of a candidate: it asks again and again until it wins, and dies when it loses what it has won.
 *
 *     contending --WON--> leading        DEMOTED, or the writer's end: the actor dies
 *        |  ^
 *   LOST v  | after a while
 *      waiting
 */
import { assertEvent, setup } from 'xstate'
import type { Context } from '../../src/runtime/index.ts'
import { contend, die, type ElectionArgs, type ElectionState, newState } from './contending.ts'

interface Life {
  readonly cx: Context
  readonly state: ElectionState
}

type Event =
  | { readonly type: 'WON' }
  | { readonly type: 'LOST'; readonly waitMs: number }
  | { readonly type: 'DEMOTED'; readonly body: { readonly reason: string } }

export const lifecycle = setup({
  types: {} as { context: Life; events: Event; input: { cx: Context; args: ElectionArgs } },
  delays: {
    pause: ({ event }) => {
      assertEvent(event, 'LOST')
      return event.waitMs
    },
  },
  actions: {
    contend: ({ context }) => contend(context.state, context.cx),
    die({ event }) {
      assertEvent(event, 'DEMOTED')
      die(event.body.reason)
    },
  },
}).createMachine({
  id: 'election',
  context: ({ input }) => ({ cx: input.cx, state: newState(input.args, input.cx) }),
  initial: 'contending',
  states: {
    contending: {
      entry: 'contend',
      on: { WON: 'leading', LOST: 'waiting' },
    },
    waiting: { after: { pause: 'contending' } },
    leading: {
      meta: { accepts: ['LEASE_EXTENDED', 'DEMOTED'] },
      on: { DEMOTED: { actions: 'die' } },
    },
  },
})
