/** Small actors and messages for the tests of the runtime. */
import Type from 'typebox'
import { message } from '../../protocol/message.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Hooks,
  type Pid,
  table,
} from '../../src/runtime/index.ts'

export const Note = message('NOTE', 'Something to remember.', Type.Object({ n: Type.Integer() }))
export const Echo = message(
  'ECHO',
  'Answers with what it was given.',
  Type.Object({ text: Type.String() }),
  Type.String(),
)
export const Bytes = message('BYTES', 'A large thing.', Type.Object({ data: Type.Unknown() }))
export const Mute = message('MUTE', 'Is never answered.', Type.Object({}), Type.String())
export const Crash = message('CRASH', 'Throws.', Type.Object({ why: Type.String() }))
export const Quit = message('QUIT', 'Stops.', Type.Object({}))

const messages = [Note, Echo, Bytes, Mute, Crash, Quit] as const

/** What an actor of `worker` has seen, across restarts. */
export interface Journal {
  /** Numbers of the NOTEs, in order. */
  readonly notes: number[]
  /** `start id`, `stop id`, `exited pid kind`, `down pid kind`. */
  readonly events: string[]
  /** Lengths of BYTES. */
  readonly sizes: number[]
}

export function journal(): Journal {
  return { notes: [], events: [], sizes: [] }
}

export interface WorkerOptions extends Partial<Omit<ChildSpec, 'behaviour' | 'args'>> {
  readonly id?: string
  readonly journal?: Journal
  /** Runs in the init turn. */
  readonly init?: (cx: Context) => void
  /** Does not die along with those it is linked with. */
  readonly traps?: boolean
  readonly stopping?: Hooks<Journal>['stopping']
}

/** An actor that writes down what happens to it. */
export function worker(options: WorkerOptions = {}): ChildSpec {
  const { id = 'worker', init, traps = false, stopping, ...rest } = options
  const log = options.journal ?? journal()
  return child({
    ...rest,
    id,
    args: undefined,
    behaviour: table<Journal, typeof messages>({
      label: 'worker',
      messages,
      init: (_args, cx) => {
        init?.(cx)
        log.events.push(`start ${id}`)
        return log
      },
      handlers: {
        NOTE: (state, { n }) => void state.notes.push(n),
        ECHO: (_state, { text }, cx) => cx.reply(text),
        BYTES: (state, { data }) => void state.sizes.push((data as Uint8Array).length),
        MUTE() {},
        CRASH(_state, { why }) {
          throw new Error(why)
        },
        QUIT: (_state, _body, cx) => cx.stop(),
      },
      ...(traps
        ? {
            exited: (state, { pid, reason }) =>
              void state.events.push(`exited ${shortOf(pid)} ${reason.kind}`),
          }
        : {}),
      ...(stopping === undefined ? {} : { stopping }),
      down: (state, { pid, reason }) =>
        void state.events.push(`down ${shortOf(pid)} ${reason.kind}`),
      terminate: (state, reason) => void state.events.push(`stop ${id} ${reason.kind}`),
    }),
  })
}

/** `id@node` of any pid. */
export function shortOf(pid: Pid): string {
  return pid.replace(/~.*/, '')
}
