/**
 * S2: between linked actors of two nodes messages come in order, each once, and to the incarnation that they
 * were sent to; where one is missing the link is broken first, on both sides. On each host a postman writes
 * numbered letters to one at a time on another host; whoever gets them counts. Spec: simulation.md §9.
 */
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
import { Violation } from './history.ts'

const OpenPost = message(
  'OPEN_POST',
  'Letters of this session will come, from the first on; answered with the exact address.',
  Type.Object({ session: Type.String() }),
  Type.String(),
)
const Letter = message(
  'LETTER',
  'The next letter of a session, for exactly this receiver.',
  Type.Object({ session: Type.String(), number: Type.Integer(), to: Type.String() }),
)

export interface PostArgs {
  /** All hosts with a postman. */
  readonly hosts: () => readonly string[]
  /** Longest pause between two letters, ms. */
  readonly pauseMs: number
  readonly report: (violation: Violation) => void
  /** Told when a link has broken. */
  readonly mark: (situation: string) => void
}

interface Session {
  readonly id: string
  readonly with: Pid
  /** Number of the next letter. */
  next: number
}

interface PostState {
  readonly args: PostArgs
  /** To whom it writes now. */
  writing: Session | undefined
  /** Those who write to it, by session. */
  readonly heard: Map<string, Session>
}

const messages = [OpenPost, Letter] as const
const timeoutMs = 5000

export function postman(args: PostArgs): ChildSpec {
  return child({ id: 'postman', behaviour, args, restart: 'permanent' })
}

const behaviour = table<PostState, typeof messages, PostArgs>({
  label: 'postman',
  messages,
  init(args, cx) {
    const state: PostState = { args, writing: undefined, heard: new Map() }
    write(state, cx)
    return state
  },
  handlers: {
    OPEN_POST(state, { session }, cx) {
      for (const [id, { with: writer }] of state.heard)
        if (writer === cx.from) state.heard.delete(id)
      cx.link(cx.from)
      state.heard.set(session, { id: session, with: cx.from, next: 1 })
      cx.reply(cx.self)
    },
    LETTER(state, { session, number, to }, cx) {
      const broken = (what: string) =>
        state.args.report(new Violation('S2', `letter ${number} of ${cx.from} ${what}`))
      if (to !== cx.self) broken(`to ${to} comes to ${cx.self}`)
      const known = state.heard.get(session)
      // After a break letters may be missing.
      if (known === undefined) return
      if (number !== known.next) broken(`comes to ${cx.self} instead of ${known.next}`)
      known.next = number + 1
    },
  },
  exited(state, { pid: other }) {
    if (state.writing?.with === other) {
      state.writing = undefined
      state.args.mark('the post to another host ends')
    }
    for (const [id, session] of state.heard) if (session.with === other) state.heard.delete(id)
  },
})

/** Writes the next letter, or finds somebody to write to; and so on. */
function write(state: PostState, cx: Context): void {
  const { pauseMs, hosts } = state.args
  cx.after('write', (0.5 + cx.random.next() / 2) * pauseMs, () => write(state, cx))
  const { writing } = state
  if (writing !== undefined) {
    const letter = { session: writing.id, number: writing.next++, to: writing.with }
    cx.send(writing.with, Letter, letter)
    return
  }
  const others = hosts().filter((name) => name !== cx.node)
  const chosen = others[cx.random.int(Math.max(1, others.length))]
  if (chosen === undefined) return
  const id = cx.newId()
  cx.ask(pid('postman', chosen), OpenPost, { session: id }, { timeoutMs }, (outcome) => {
    if (!outcome.ok || state.writing !== undefined) return
    const receiver = outcome.value as Pid
    cx.link(receiver)
    state.writing = { id, with: receiver, next: 1 }
  })
}
