/**
 * The detector finds the leading master for the component that owns it. It asks on the leader's subject,
 * with back-off until somebody answers, and again when a leader is announced or the owner says that the
 * present one is silent. It never tells of a lower epoch than before. Supervised by its owner, whom its
 * crash takes down: both hold nothing that cannot be asked for again. Spec: agent.md §2, design.md §4.
 */
import { Detect, LeaderFound, NoLeader } from '../../protocol/detector.ts'
import { decode, encode } from '../../protocol/index.ts'
import { Leader } from '../../protocol/leader.ts'
import { type Subjects, subjects } from '../../protocol/subjects.ts'
import type { ChildSpec, Context, Pid } from '../../src/runtime/index.ts'
import { table } from '../../src/runtime/index.ts'

export interface DetectorArgs {
  /** Hears LEADER_FOUND and NO_LEADER. */
  readonly owner: Pid
  /** First and longest pause between two questions, ms. Default 100 and 2000. */
  readonly retryMinMs?: number
  readonly retryMaxMs?: number
}

interface State {
  readonly owner: Pid
  readonly subjects: Subjects
  readonly inbox: string
  readonly retryMinMs: number
  readonly retryMaxMs: number
  retryMs: number
  leader: Leader | undefined
  /** Highest seen; lower ones are a former leader's words. */
  epoch: number
}

const messages = [Detect] as const

const behaviour = table<State, typeof messages, DetectorArgs>({
  label: 'detector',
  messages,
  init({ owner, retryMinMs = 100, retryMaxMs = 2000 }, cx) {
    const state: State = {
      owner,
      subjects: subjects(cx.cluster),
      inbox: `_INBOX.${cx.newId()}`,
      retryMinMs,
      retryMaxMs,
      retryMs: retryMinMs,
      leader: undefined,
      epoch: 0,
    }
    cx.subscribe(state.inbox, ({ data, noResponders }) => {
      if (!noResponders) answered(state, data, cx)
    })
    cx.subscribe(state.subjects.events('leader'), () => ask(state, cx))
    ask(state, cx)
    return state
  },
  handlers: {
    DETECT(state, _, cx) {
      if (state.leader !== undefined) cx.send(state.owner, NoLeader, {})
      state.leader = undefined
      state.retryMs = state.retryMinMs
      ask(state, cx)
    },
  },
})

/** Asks now, and again later unless a leader has answered by then. */
function ask(state: State, cx: Context): void {
  cx.publish(state.subjects.leader, encode({}), { reply: state.inbox })
  cx.after('ask again', state.retryMs * (0.5 + cx.random.next() / 2), () => {
    if (state.leader !== undefined) return
    state.retryMs = Math.min(2 * state.retryMs, state.retryMaxMs)
    ask(state, cx)
  })
}

function answered(state: State, data: Uint8Array, cx: Context): void {
  const decoded = decode(data)
  const problem = decoded.ok ? Leader.check(decoded.value.value) : decoded.error
  if (!decoded.ok || problem !== undefined) {
    cx.log('warn', 'somebody answers as a leader and is none', { problem })
    return
  }
  const leader = decoded.value.value as Leader
  const known = state.leader
  if (leader.epoch < state.epoch || (known?.epoch === leader.epoch && known.pid === leader.pid)) {
    return
  }
  state.leader = leader
  state.epoch = leader.epoch
  cx.send(state.owner, LeaderFound, leader)
}

/** A detector for `args.owner`, its parent. */
export function detector(args: DetectorArgs): ChildSpec<DetectorArgs> {
  return { id: 'detector', behaviour, args }
}
