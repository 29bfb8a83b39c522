/** Actors that make load for `benchmarks/actors.ts`, and those who bear it. */
import Type from 'typebox'
import { message } from '../../protocol/message.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Pid,
  pid,
  table,
} from '../../src/runtime/index.ts'

const body = Type.Object({ data: Type.Unknown() })

export const Item = message('ITEM', 'One of many.', body)
export const Sync = message(
  'SYNC',
  'Answered when all before it have been served.',
  body,
  Type.Null(),
)
export const Echo = message('ECHO', 'Answered with what it carries.', body, Type.Unknown())
export const Flood = message(
  'FLOOD',
  'Sends ITEMs to an actor until told otherwise.',
  Type.Object({ to: Type.String(), bytes: Type.Integer() }),
)
export const Enough = message('ENOUGH', 'Ends the flood.', Type.Object({}))

/** ITEMs between two SYNCs, and how many such batches are on their way at any time. */
const BATCH = 2500
const BATCHES = 8

/** Counts ITEMs in `count.items`, and echoes. */
export function sink(count: { items: number }): ChildSpec {
  return child({
    id: 'sink',
    args: undefined,
    behaviour: table({
      label: 'sink',
      messages: [Item, Sync, Echo],
      init: () => count,
      handlers: {
        ITEM(state) {
          state.items++
        },
        SYNC: (_state, _body, cx) => cx.reply(null),
        ECHO: (_state, { data }, cx) => cx.reply(data),
      },
    }),
  })
}

/** Sends ITEMs as fast as they are served. */
export function source(): ChildSpec {
  interface State {
    to: Pid | undefined
    body: { readonly data: Uint8Array }
  }
  const batch = (state: State, cx: Context): void => {
    const { to } = state
    if (to === undefined) return
    for (let i = 0; i < BATCH; i++) cx.send(to, Item, state.body)
    cx.ask(to, Sync, { data: null }, {}, () => batch(state, cx))
  }
  return child({
    id: 'source',
    args: undefined,
    behaviour: table({
      label: 'source',
      messages: [Flood, Enough],
      init: (): State => ({ to: undefined, body: { data: new Uint8Array(0) } }),
      handlers: {
        FLOOD(state, { to, bytes }, cx) {
          state.to = to as Pid
          state.body = { data: new Uint8Array(bytes) }
          for (let i = 0; i < BATCHES; i++) batch(state, cx)
        },
        ENOUGH(state) {
          state.to = undefined
        },
      },
    }),
  })
}

/** Keeps `inFlight` requests to an actor under way until it is stopped, and counts the answers. */
export function asker(
  to: { readonly id: string; readonly node: string },
  inFlight: number,
  bytes: number,
  count: { answers: number },
): ChildSpec {
  const request = { data: new Uint8Array(bytes) }
  const ask = (cx: Context): void =>
    cx.ask(pid(to.id, to.node), Echo, request, {}, (outcome) => {
      if (!outcome.ok) throw new Error(outcome.error.message)
      count.answers++
      ask(cx)
    })
  return child({
    id: 'asker',
    args: undefined,
    behaviour: table({
      label: 'asker',
      messages: [],
      init: (_args, cx) => {
        for (let i = 0; i < inFlight; i++) ask(cx)
      },
      handlers: {},
    }),
  })
}
