/**
 * Answers that rest on what is in memory only: true if nobody else has written since. A quorum of replicas
 * is asked whether it still knows of no higher epoch; requests that come meanwhile wait for the next round,
 * because the word must have been asked for after they came (replicated-log.md §14, reads of a leader).
 */
import { Confirm } from '../../protocol/log.ts'
import type { Context } from '../../src/runtime/index.ts'
import { failureOf } from './opening.ts'
import { close, enqueue, inTerm, type Operation, type StateActor } from './state.ts'

/** Runs the request when it is certain that this state knew all changes at some time from now on. */
export function whenConfirmed(state: StateActor, operation: Operation, cx: Context): void {
  if (enqueue(state, state.nextToConfirm, operation) && state.confirming === undefined) {
    confirm(state, cx)
  }
}

function confirm(state: StateActor, cx: Context): void {
  const current = inTerm(state)
  state.confirming = state.nextToConfirm
  state.nextToConfirm = []
  cx.ask(state.writer, Confirm, { epoch: state.epoch }, {}, (outcome) => {
    if (!current()) return
    if (!outcome.ok) {
      close(state, failureOf(outcome.error), cx)
      return
    }
    state.heardMs = cx.monotonic()
    const confirmed = state.confirming ?? []
    state.confirming = undefined
    for (const { run } of confirmed) run()
    if (state.nextToConfirm.length > 0) confirm(state, cx)
  })
}
