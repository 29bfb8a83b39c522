/**
 * The life of a master: it waits to be elected, recovers the registry, leads. It never steps down in
 * place: what it holds may be wrong once it does not lead, so it dies, and its supervisor starts it
 * anew together with its allocator and registrar. Spec: master.md §2, replicated-log.md §11.
 *
 *     standby --ELECTED--> recovering --RECOVERED--> leading
 *        LEADERSHIP_LOST, a failed recovery or a failed write of the registry: the actor dies
 *
 * What a state does not accept is refused: a master that does not lead is deaf to agents.
 */
import { assertEvent, setup } from 'xstate'
import { agentToMaster } from '../../protocol/agent.ts'
import { allocatorToMaster } from '../../protocol/allocator.ts'
import type { Context } from '../../src/runtime/index.ts'
import { contend } from './contender.ts'
import { Calls, type Elected, LeadershipLost } from './internal.ts'
import { lead } from './leadership.ts'
import { recover } from './recovery.ts'
import { type MasterArgs, type MasterState, newState } from './state.ts'

interface Life {
  readonly cx: Context
  readonly state: MasterState
}

type Event =
  | { readonly type: (typeof Elected)['name'] }
  | { readonly type: 'RECOVERED' }
  | { readonly type: 'LEADERSHIP_LOST'; readonly body: { readonly reason: string } }

const whileLeading = [...agentToMaster, ...allocatorToMaster, Calls, LeadershipLost]

export const lifecycle = setup({
  types: {} as {
    context: Life
    events: Event
    input: { cx: Context; args: MasterArgs }
  },
  actions: {
    contend: ({ context }) => contend(context.cx),
    recover: ({ context }) => recover(context.state, context.cx),
    lead: ({ context }) => lead(context.state, context.cx),
    die({ event }) {
      assertEvent(event, 'LEADERSHIP_LOST')
      throw new Error(`leads no longer: ${event.body.reason}`)
    },
  },
}).createMachine({
  id: 'master',
  context: ({ input }) => ({ cx: input.cx, state: newState(input.args, input.cx) }),
  initial: 'standby',
  on: { LEADERSHIP_LOST: { actions: 'die' } },
  states: {
    standby: {
      entry: 'contend',
      meta: { accepts: ['ELECTED'] },
      on: { ELECTED: 'recovering' },
    },
    recovering: {
      entry: 'recover',
      meta: { accepts: ['LEADERSHIP_LOST'] },
      on: { RECOVERED: 'leading' },
    },
    leading: {
      entry: 'lead',
      meta: { accepts: whileLeading.map(({ name }) => name) },
    },
  },
})
