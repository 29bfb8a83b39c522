/**
 * The conversation between replicas about how they are, and the way of one that does not vote to its vote
 * (replicated-log.md §8). The decisions are recovery.ts's.
 */
import { failure } from '../../protocol/errors.ts'
import { type Initialize, Recover, type RecoverReply } from '../../protocol/log.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { waitFor } from './catching-up.ts'
import { storeOf, whenDurable } from './journal.ts'
import { waitForForgotten } from './leasing.ts'
import { wipe } from './records.ts'
import { type Decision, decide } from './recovery.ts'
import { noteGeneration, rejoin, setStatus } from './replica.ts'
import { drawn, type ReplicaState, replicaOf, timing } from './state.ts'
import { hear, heardOf } from './voted.ts'

export const recovering: Handlers<ReplicaState, readonly [typeof Recover, typeof Initialize]> = {
  RECOVER(state, { node, generation, replicas, quorum }, cx) {
    const { ensemble } = state.args
    const isOne = ensemble.replicas.includes(node)
    if (!isOne || replicas !== ensemble.replicas.length || quorum !== ensemble.quorum) {
      cx.refuse(failure('LOG_ENSEMBLE', { node, replicas, quorum }))
      return
    }
    const { replica } = state
    const voting = replica.status === 'VOTING'
    if (voting) noteGeneration(replica, node, generation)
    const { status, begin, end, promised, generations } = replica
    const known = voting && { begin, end, promised, generations }
    const votes = { ...replica.votes, [node]: heardOf(replica, node) }
    const reply = { status, votes, ...known }
    const held = cx.hold()
    whenDurable(state, cx, () => cx.answer(held, reply))
  },

  INITIALIZE(state, _body, cx) {
    const held = cx.hold()
    turn(state, cx, 'VOTING', () => cx.answer(held, { status: 'VOTING' }))
  },
}

/** Entered without a vote: find out how to come by one, again and again. */
export function recover(state: ReplicaState, cx: Context): void {
  if (state.recoverTo === undefined) survey(state, cx)
  else
    waitFor(state, cx, state.recoverTo, 1, () => {
      cx.log('info', 'log replica caught up', { end: state.recoverTo })
      state.recoverTo = undefined
      waitForForgotten(state, cx)
      turn(state, cx, 'VOTING')
    })
}

function survey(state: ReplicaState, cx: Context): void {
  const { args, replica } = state
  const { ensemble, node, autoInitialize } = args
  const number = ++state.surveys
  const { status } = replica
  const generation = replica.generations[node] ?? 0
  const answers = new Map<string, RecoverReply>()
  const consider = (outstanding: number) => {
    if (number !== state.surveys) return
    const decision = decide({ ensemble, node, status, generation, autoInitialize, answers })
    if (decision.type !== 'WAIT') {
      state.surveys++
      act(state, cx, decision)
    } else if (outstanding === 0) {
      cx.after('survey', drawn(timing.recoverRetryMs, cx.random), () => survey(state, cx))
    }
  }
  askOthers(state, cx, timing.recoverAttemptMs, (other, answer, outstanding) => {
    if (answer !== undefined) answers.set(other, answer)
    consider(outstanding)
  })
  if (ensemble.replicas.length === 1) consider(0)
}

/** Says RECOVER to all others; `then` is called for each, with no answer from one that gave none in time. */
export function askOthers(
  { args, replica }: ReplicaState,
  cx: Context,
  timeoutMs: number,
  then: (other: string, answer: RecoverReply | undefined, outstanding: number) => void,
): void {
  const { ensemble, node } = args
  const { replicas, quorum } = ensemble
  const generation = replica.generations[node] ?? 0
  const body = { node, generation, replicas: replicas.length, quorum }
  const others = replicas.filter((other) => other !== node)
  let outstanding = others.length
  for (const other of others) {
    cx.ask(replicaOf(args, other), Recover, body, { timeoutMs }, (outcome) => {
      outstanding--
      if (!outcome.ok && outcome.error.code === 'LOG_ENSEMBLE') {
        cx.log('error', 'the replicas of the log disagree', { other, why: outcome.error.message })
      }
      then(other, outcome.ok ? outcome.value : undefined, outstanding)
    })
  }
}

function act(state: ReplicaState, cx: Context, decision: Decision): void {
  const { replica, args } = state
  switch (decision.type) {
    case 'WAIT':
      return
    case 'ANNOUNCE':
      noteGeneration(replica, args.node, decision.generation)
      whenDurable(state, cx, () => survey(state, cx))
      return
    case 'START':
      turn(state, cx, 'STARTING')
      return
    case 'VOTE':
      turn(state, cx, 'VOTING')
      return
    case 'CATCH_UP': {
      const join = () => {
        state.recoverTo = decision.end
        rejoin(replica, decision)
        hear(replica, decision.votes)
        whenDurable(state, cx, () => cx.raise({ type: 'RECOVERING' }))
      }
      if (replica.status !== 'CORRUPT') join()
      else
        cx.job(
          () => wipe(storeOf(state)),
          (outcome) => {
            if (!outcome.ok) throw new Error('the log cannot be emptied', { cause: outcome.error })
            join()
          },
        )
    }
  }
}

function turn(
  state: ReplicaState,
  cx: Context,
  status: 'STARTING' | 'VOTING',
  then: () => void = () => undefined,
): void {
  state.surveys++
  cx.cancel('survey')
  // Whatever is answered as a voter from here on leaves behind the commit of this status.
  const before = state.replica.status
  setStatus(state.replica, status)
  const { replica } = state
  whenDurable(state, cx, () => {
    cx.log('info', `log replica is ${status}`, { before, end: replica.end })
    cx.raise({ type: status })
    then()
  })
}
