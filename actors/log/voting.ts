/** The conversations with proposers: promises, writes, and what they say is chosen (replicated-log.md §4). */
import type { Chosen, Learn, Learned, PromiseRequest, WriteRequest } from '../../protocol/log.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { afterLearning } from './catching-up.ts'
import { condemn, storeOf, unreadable, whenDurable } from './journal.ts'
import { granted, leased, remainingFor } from './lease.ts'
import { isTooLong } from './leasing.ts'
import { readBody } from './records.ts'
import * as replicas from './replica.ts'
import type { ReplicaState } from './state.ts'

type Messages = readonly [
  typeof PromiseRequest,
  typeof WriteRequest,
  typeof Chosen,
  typeof Learned,
  typeof Learn,
]

export const voting: Handlers<ReplicaState, Messages> = {
  PROMISE(state, request, cx) {
    const held = cx.hold()
    const now = cx.monotonic()
    const { position, proposal, lease } = request
    const remaining = remainingFor(state.lease, lease?.holder, now)
    if (position === undefined && remaining > 0) {
      cx.answer(held, leased(state.lease, remaining))
      return
    }
    if (lease !== undefined && isTooLong(state, lease, cx)) {
      cx.answer(held, { type: 'IGNORED' })
      return
    }
    const outcome = replicas.promise(state.replica, request)
    if (lease !== undefined && outcome.type === 'ANSWER' && outcome.reply.type === 'ACCEPT') {
      state.lease = granted(now, proposal, lease)
    }
    whenDurable(state, cx, () => {
      if (outcome.type === 'ANSWER') cx.answer(held, outcome.reply)
      else answerLearned(outcome.position)
    })

    function answerLearned(position: number): void {
      cx.job(
        () => readBody(storeOf(state), position),
        (read) => {
          if (!read.ok) return unreadable(state, cx, read.error)
          const { generations, begin } = state.replica
          if (position < begin) {
            cx.answer(held, { type: 'ACCEPT', generations, begin })
          } else if (read.value.ok) {
            const body = read.value.value
            cx.answer(held, { type: 'ACCEPT', generations, learned: true, body })
          } else condemn(state, cx, read.value.error)
        },
      )
    }
  },

  WRITE(state, request, cx) {
    const held = cx.hold()
    const reply = replicas.write(state.replica, request)
    whenDurable(state, cx, () => cx.answer(held, reply))
  },

  CHOSEN(state, body, cx) {
    replicas.chosen(state.replica, body)
    afterLearning(state, cx)
  },

  LEARNED(state, body, cx) {
    learn(state, body, cx)
  },

  LEARN(state, body, cx) {
    const held = cx.hold()
    learn(state, body, cx)
    whenDurable(state, cx, () => cx.answer(held, {}))
  },
}

function learn(
  state: ReplicaState,
  { entries, begin }: Payload<typeof Learned>,
  cx: Context,
): void {
  for (const entry of entries) replicas.learn(state.replica, entry)
  if (begin !== undefined) replicas.truncated(state.replica, begin)
  afterLearning(state, cx)
}
