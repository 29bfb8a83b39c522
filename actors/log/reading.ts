/** What a replica tells of what it has learned: to readers, and to other replicas (replicated-log.md §9). */
import { failure } from '../../protocol/errors.ts'
import type { Body, Fetch, Positions, Read } from '../../protocol/log.ts'
import type { Context, Handlers } from '../../src/runtime/index.ts'
import { condemn, storeOf, unreadable, whenDurable } from './journal.ts'
import { decodeRecord, recordKey } from './records.ts'
import { learnedTo } from './replica.ts'
import type { ReplicaState } from './state.ts'

/** One answer ends after so many positions, or as soon as its bodies have so many bytes. */
const ANSWER_POSITIONS_MAX = 1_024
const ANSWER_BYTES_MAX = 1024 * 1024
/** Records read from the store at once. */
const CHUNK = 64

type Messages = readonly [typeof Fetch, typeof Positions, typeof Read]

interface Learned {
  readonly position: number
  readonly body: Body
}

export const reading: Handlers<ReplicaState, Messages> = {
  POSITIONS(state, _body, cx) {
    const { status, begin, end, promised } = state.replica
    cx.reply({ status, begin, end, promised, learned: learnedTo(state.replica) })
  },

  READ(state, { from, to }, cx) {
    const { replica, args } = state
    const refuse = (position: number, reason: string) =>
      cx.refuse(failure('LOG_POSITION', { log: args.id, position, reason }))
    if (to < from) return refuse(from, `the range ends at ${to}`)
    if (from < replica.begin) return refuse(from, `the log begins at ${replica.begin}`)
    if (to > replica.end) return refuse(to, `the log ends at ${replica.end}`)
    const [gap] = replica.learned.gaps(from, to)
    if (gap !== undefined) return refuse(gap[0], 'this replica has not learned it')
    const held = cx.hold()
    readLearned(state, cx, from, to, (found, next) => {
      const entries = found.flatMap(({ position, body }) =>
        body.type === 'APPEND' ? [{ position, data: body.data }] : [],
      )
      cx.answer(held, { entries, next })
    })
  },

  FETCH(state, { from, to }, cx) {
    const held = cx.hold()
    const { replica } = state
    const start = Math.max(from, replica.begin)
    // From the first learned position on, to where the run ends.
    const [gap] = replica.learned.gaps(start, to)
    const first = gap?.[0] === start ? gap[1] + 1 : start
    const last = Math.min(to, replica.learned.runFrom(first))
    if (last < first) {
      cx.reply({ begin: replica.begin, entries: [] })
      return
    }
    readLearned(state, cx, first, last, (entries) =>
      cx.answer(held, { begin: replica.begin, entries }),
    )
  },
}

/** Reads learned positions, as many as fit; `next` is the first that was not read. */
function readLearned(
  state: ReplicaState,
  cx: Context,
  from: number,
  to: number,
  then: (found: Learned[], next: number) => void,
): void {
  const read = async () => {
    const store = storeOf(state)
    const found: Learned[] = []
    let bytes = 0
    let next = from
    while (next <= to && found.length < ANSWER_POSITIONS_MAX && bytes < ANSWER_BYTES_MAX) {
      const last = Math.min(to, next + CHUNK - 1)
      const stored = new Map(await store.range(recordKey(next), recordKey(last + 1)))
      for (; next <= last && bytes < ANSWER_BYTES_MAX; next++) {
        const record = decodeRecord(next, stored.get(recordKey(next)))
        if (!record.ok) return { found, next, fault: record.error }
        const body = record.value.body ?? { type: 'NOP' }
        if (body.type === 'APPEND') bytes += body.data.length
        found.push({ position: next, body })
      }
    }
    return { found, next, fault: undefined }
  }
  // What was learned last may still be on its way to the disk.
  whenDurable(state, cx, () =>
    cx.job(read, (outcome) => {
      if (!outcome.ok) return unreadable(state, cx, outcome.error)
      const { found, next, fault } = outcome.value
      // A truncation may have overtaken the read; what it took away is no damage.
      if (fault !== undefined && next >= state.replica.begin) condemn(state, cx, fault)
      else then(found, Math.max(next, Math.min(to + 1, state.replica.begin)))
    }),
  )
}
