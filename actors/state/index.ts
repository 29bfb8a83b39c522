/**
 * State: named variables in a replicated log of their own, for any actor (protocol/state.ts). One on each
 * node of the log; the one that is asked has itself elected as the log's writer, so a client that keeps to
 * one of them is served fastest, and may turn to any other at any time.
 *
 * Supervised beside its log. It holds nothing that is not in the log; whatever goes wrong with a write, it
 * forgets all, refuses those who wait, and begins anew with the next request. Spec: replicated-log.md §10.
 */
import Type from 'typebox'
import { failure } from '../../protocol/errors.ts'
import { Demoted } from '../../protocol/log.ts'
import { stateMessages, VALUE_BYTES_MAX } from '../../protocol/state.ts'
import {
  type ChildSpec,
  type Context,
  child,
  nodeModule,
  pid,
  type ReplyTo,
  table,
} from '../../src/runtime/index.ts'
import { log, logOptions, logSettings } from '../log/index.ts'
import { expunge, store } from './changing.ts'
import { shorten } from './compaction.ts'
import { whenConfirmed } from './confirming.ts'
import { whenOpen } from './opening.ts'
import { readValue } from './reading.ts'
import {
  close,
  newState,
  type Operation,
  type StateActor,
  type StateArgs,
  type Variable,
} from './state.ts'

export interface StateOptions {
  readonly node: string
  /** Id of a log that nothing else is written to; its replica is on the same node. Default `log`. */
  readonly log?: string
  /** Default `state`. */
  readonly id?: string
}

/** The child spec of a state. */
export function state({ node, log = 'log', id = 'state' }: StateOptions): ChildSpec {
  const args: StateArgs = { replica: pid(log, node), writer: pid(`${log}-writer`, node) }
  return child({ id, behaviour, args, restart: 'permanent' })
}

const behaviour = table<StateActor, readonly [...typeof stateMessages, typeof Demoted], StateArgs>({
  label: 'state',
  messages: [...stateMessages, Demoted],
  init: newState,
  handlers: {
    FETCH_VARIABLE(state, { name }, cx) {
      const held = cx.hold()
      look(state, name, held, cx, (variable) => {
        if (variable === undefined) {
          whenConfirmed(
            state,
            operation(held, cx, () => cx.answer(held, { version: '' })),
            cx,
          )
          return
        }
        const { version, positions } = variable
        readValue(state, name, [...positions], cx, {
          done: (value) =>
            whenConfirmed(
              state,
              operation(held, cx, () => cx.answer(held, { version, value })),
              cx,
            ),
          fail: (error) => cx.deny(held, error),
        })
      })
    },

    STORE_VARIABLE(state, { name, value, version }, cx) {
      const held = cx.hold()
      if (value.length > VALUE_BYTES_MAX) {
        cx.refuse(failure('TOO_LARGE', { size: value.length, limit: VALUE_BYTES_MAX }))
        return
      }
      look(state, name, held, cx, (variable) => {
        if (isOther(state, variable, version, held, cx)) return
        store(state, name, value, cx, {
          done(version) {
            cx.answer(held, { changed: true, version })
            shorten(state, cx)
          },
          fail: (error) => cx.deny(held, error),
        })
      })
    },

    EXPUNGE_VARIABLE(state, { name, version }, cx) {
      const held = cx.hold()
      look(state, name, held, cx, (variable) => {
        if (isOther(state, variable, version, held, cx)) return
        if (variable === undefined) {
          const answer = () => cx.answer(held, { changed: false, version: '' })
          whenConfirmed(state, operation(held, cx, answer), cx)
        } else {
          expunge(state, name, variable, cx, {
            done: () => cx.answer(held, { changed: true, version: '' }),
            fail: (error) => cx.deny(held, error),
          })
        }
      })
    },

    LIST_VARIABLES(state, { prefix = '' }, cx) {
      const held = cx.hold()
      const list = () => {
        // One that is being made, or removed, is counted as it was before.
        const names = [...state.variables]
          .filter(([name, { positions }]) => positions.length > 0 && name.startsWith(prefix))
          .map(([name]) => name)
          .sort()
        whenConfirmed(
          state,
          operation(held, cx, () => cx.answer(held, { names })),
          cx,
        )
      }
      whenOpen(state, operation(held, cx, list), cx)
    },

    DEMOTED(state, { epoch, reason }, cx) {
      if (state.phase !== 'open' || epoch !== state.epoch) return
      close(state, failure('LOG_NOT_WRITER', { log: state.writer, epoch, reason }), cx)
    },
  },
})

function operation(held: ReplyTo | undefined, cx: Context, run: () => void): Operation {
  return { run, fail: (error) => cx.deny(held, error) }
}

/** What was heard of the replicas so long ago is asked again before anything is written. */
const FRESH_MS = 1_000

/**
 * Calls `then` when the state is open and nothing of the variable is under way. If it was quiet for a while
 * another may write by now: to find that out before a change is made saves an answer that nobody can rely
 * on, and the request may begin anew.
 */
function look(
  state: StateActor,
  name: string,
  held: ReplyTo | undefined,
  cx: Context,
  then: (variable: Variable | undefined) => void,
  again = true,
): void {
  const settled = operation(held, cx, () => {
    const variable = state.variables.get(name)
    if (variable?.inFlight) variable.waiting.push(settled)
    else if (cx.monotonic() - state.heardMs <= FRESH_MS) then(variable)
    else {
      const retry: Operation['fail'] = (error) =>
        again ? look(state, name, held, cx, then, false) : cx.deny(held, error)
      whenConfirmed(state, { run: settled.run, fail: retry }, cx)
    }
  })
  whenOpen(state, settled, cx)
}

/** Refuses a change of another version than the present one. */
function isOther(
  state: StateActor,
  variable: Variable | undefined,
  expected: string,
  held: ReplyTo | undefined,
  cx: Context,
): boolean {
  const version = variable?.version ?? ''
  if (version === expected) return false
  const answer = () => cx.answer(held, { changed: false, version })
  whenConfirmed(state, operation(held, cx, answer), cx)
  return true
}

/** Another than that of the masters. */
const LOG_ID = 'state-log'

export default nodeModule({
  name: 'state',
  summary:
    'A replica of a log, and named variables in it, for frameworks and whoever else needs them.',
  options: Type.Object({
    work_dir: Type.String({
      description: 'directory of the replica',
      default: '/var/lib/meseta/state',
    }),
    ...logSettings,
  }),
  children({ work_dir: path, ...settings }, { node }) {
    return [log({ id: LOG_ID, path, ...logOptions(settings, node) }), state({ node, log: LOG_ID })]
  },
})
