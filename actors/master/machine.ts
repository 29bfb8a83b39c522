/**
 * The life of a master: it waits to be elected, recovers the registry, leads. It never steps down in
 * place: what it holds may be wrong once it does not lead, so it dies, and its supervisor starts it
 * anew together with its election, registrar and allocator. Spec: master.md §2, replicated-log.md §11.
 *
 *     standby --ELECTED--> recovering --RECOVERED--> leading
 *        a failed recovery or a failed write of the registry: the actor dies
 *
 * What a state does not accept is refused: a master that does not lead is deaf to agents.
 */
import { assertEvent, setup } from 'xstate'
import { agentToMaster } from '../../protocol/agent.ts'
import { allocatorToMaster } from '../../protocol/allocator.ts'
import type { Elected } from '../../protocol/election.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Context } from '../../src/runtime/index.ts'
import { Calls, CallsDropped } from './internal.ts'
import { lead } from './leadership.ts'
import { prepare } from './preparation.ts'
import { recover } from './recovery.ts'
import { type MasterArgs, type MasterState, newState } from './state.ts'

interface Life {
  readonly cx: Context
  readonly state: MasterState
}

type Event =
  | { readonly type: 'ELECTED'; readonly body: Payload<typeof Elected> }
  | { readonly type: 'RECOVERED' }

const whileLeading = [...agentToMaster, ...allocatorToMaster, Calls, CallsDropped]

export const lifecycle = setup({
  types: {} as {
    context: Life
    events: Event
    input: { cx: Context; args: MasterArgs }
  },
  actions: {
    recover({ context, event }) {
      assertEvent(event, 'ELECTED')
      recover(context.state, event.body, context.cx)
    },
    lead: ({ context }) => lead(context.state, context.cx),
    prepare: ({ context }) => prepare(context.cx),
  },
}).createMachine({
  id: 'master',
  context: ({ input }) => ({ cx: input.cx, state: newState(input.args, input.cx) }),
  initial: 'standby',
  states: {
    standby: {
      entry: 'prepare',
      meta: { accepts: ['ELECTED'] },
      on: { ELECTED: 'recovering' },
    },
    recovering: {
      entry: 'recover',
      on: { RECOVERED: 'leading' },
    },
    leading: {
      entry: 'lead',
      meta: { accepts: whileLeading.map(({ name }) => name) },
    },
  },
})
