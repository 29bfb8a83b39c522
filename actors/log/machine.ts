/**
 * The life of a replica (replicated-log.md §2, §8). The states are those of its status; it votes in one of
 * them only. What it knew and promised is on disk: after a crash it goes on where the disk says.
 *
 *     loading ──> RETURNING ──nobody knows of later votes──> VOTING
 *        │            └──somebody does──> CORRUPT
 *        ├──────> EMPTY ──all empty──> STARTING ──all starting──> VOTING
 *        │          └──── a quorum votes ────┴──> RECOVERING ──caught up──> VOTING
 *        └──────> CORRUPT ── a quorum votes ──────────┘
 */
import { setup } from 'xstate'
import { replicaMessages, type Status } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { load } from './loading.ts'
import { recover } from './recovering.ts'
import { comeBack } from './returning.ts'
import { type LogArgs, newState, type ReplicaState } from './state.ts'

interface Life {
  readonly cx: Context
  readonly state: ReplicaState
}

const accepts = replicaMessages.map(({ name }) => name).filter((name) => name !== 'INITIALIZE')

export const lifecycle = setup({
  types: {} as {
    context: Life
    events: { readonly type: Status }
    input: { cx: Context; args: LogArgs }
  },
  actions: {
    load: ({ context }) => load(context.state, context.cx),
    recover: ({ context }) => recover(context.state, context.cx),
    comeBack: ({ context }) => comeBack(context.state, context.cx),
  },
}).createMachine({
  id: 'log-replica',
  context: ({ input }) => ({ cx: input.cx, state: newState(input.args) }),
  initial: 'loading',
  states: {
    loading: {
      entry: 'load',
      on: {
        EMPTY: 'empty',
        STARTING: 'starting',
        RECOVERING: 'recovering',
        RETURNING: 'returning',
        VOTING: 'voting',
        CORRUPT: 'corrupt',
      },
    },
    empty: {
      entry: 'recover',
      meta: { accepts: [...accepts, 'INITIALIZE'] },
      on: { STARTING: 'starting', RECOVERING: 'recovering', VOTING: 'voting' },
    },
    starting: {
      entry: 'recover',
      meta: { accepts },
      on: { RECOVERING: 'recovering', VOTING: 'voting' },
    },
    corrupt: {
      entry: 'recover',
      meta: { accepts },
      on: { RECOVERING: 'recovering' },
    },
    recovering: {
      // Entered again when it has learned how far it must catch up.
      entry: 'recover',
      meta: { accepts },
      on: { RECOVERING: { target: 'recovering', reenter: true }, VOTING: 'voting' },
    },
    returning: {
      entry: 'comeBack',
      meta: { accepts },
      on: { VOTING: 'voting' },
    },
    voting: { meta: { accepts } },
  },
})
