/**
 * Work of an actor that grows with what it holds, done in several turns: others have theirs in between, and
 * whoever leads by a lease extends it in time. What takes no longer than one slice is done in the turn that
 * begins it.
 */
import type { Context } from './context.ts'

/** A slice ends after so many milliseconds: a part of what anybody may have to wait for an answer. */
const SLICE_MS = 1
/** And after so many steps, so that slices are there where time stands still during a turn (simulation). */
const STEPS_MAX = 4096
/**
 * Goes through the steps of `work`; then, in the turn of the last one, calls `then` with what it returns.
 * Between two steps at which it yields the actor may have served other messages: nothing that was read
 * before need hold after. A work that throws is a crash of the actor.
 */
export function inSlices<T>(
  work: Iterator<unknown, T>,
  cx: Context,
  then: (result: T) => void = () => undefined,
): void {
  const untilMs = cx.monotonic() + SLICE_MS
  for (let step = 1; step <= STEPS_MAX; step++) {
    const { done, value } = work.next()
    if (done) {
      then(value)
      return
    }
    if (cx.monotonic() >= untilMs) break
  }
  cx.after(`slice ${cx.newId()}`, 0, () => inSlices(work, cx, then))
}
