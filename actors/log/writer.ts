/**
 * The writer of a log on this node: it is elected for an owner and then appends for it, alone in the
 * cluster (replicated-log.md §6, §9). Appends that arrive while others are under way share the next
 * messages; several of those are in flight, and are answered in the order of their positions.
 *
 * Supervised beside its replica. When it is lost, what it had not answered may or may not be in the log;
 * its owner learns of it by the monitor or by DEMOTED, and has itself elected again.
 */
import { failure } from '../../protocol/errors.ts'
import { writerMessages } from '../../protocol/log.ts'
import { type ChildSpec, child, table } from '../../src/runtime/index.ts'
import { take } from './appending.ts'
import { confirm, elect } from './electing.ts'
import type { LogArgs } from './state.ts'
import {
  newWriter,
  notWriter,
  release,
  stepDown,
  type WriterState,
  writes,
} from './writer-state.ts'

/** One entry; messages of the runtime have at most 64 MiB. */
const ENTRY_BYTES_MAX = 8 * 1024 * 1024

export function writer(args: LogArgs): ChildSpec {
  return child({ id: `${args.id}-writer`, behaviour, args, restart: 'permanent' })
}

const behaviour = table<WriterState, typeof writerMessages, LogArgs>({
  label: 'log writer',
  messages: writerMessages,
  init: newWriter,
  handlers: {
    ELECT(state, { lease }, cx) {
      if (state.lease !== undefined && lease === undefined && cx.from !== state.owner) {
        // Whoever holds a lease, or contends for one, is not replaced by who wants to write a line.
        const { holder } = state.lease
        const remaining_ms = Math.max(0, state.leasedUntilMs - cx.monotonic())
        cx.refuse(failure('LOG_LEASED', { log: state.args.id, holder, remaining_ms }))
        return
      }
      stepDown(state, cx, `${cx.from} had itself elected`)
      state.owner = cx.from
      state.monitor = cx.monitor(cx.from)
      state.electing = cx.hold()
      state.lease = lease
      elect(state, cx)
    },

    APPEND(state, { epoch, data }, cx) {
      if (data.length > ENTRY_BYTES_MAX) {
        cx.refuse(failure('TOO_LARGE', { size: data.length, limit: ENTRY_BYTES_MAX }))
      } else take(state, cx, epoch, { type: 'APPEND', data })
    },

    TRUNCATE(state, { epoch, to }, cx) {
      const { chosen } = state.coordinator
      if (writes(state, epoch) && to > chosen + 1) {
        const reason = `the log ends at ${chosen}`
        cx.refuse(failure('LOG_POSITION', { log: state.args.id, position: to, reason }))
      } else take(state, cx, epoch, { type: 'TRUNCATE', to })
    },

    CONFIRM(state, { epoch }, cx) {
      if (writes(state, epoch)) confirm(state, cx)
      else cx.refuse(notWriter(state, epoch, 'another epoch has begun'))
    },

    RESIGN(state, { epoch }, cx) {
      if (!writes(state, epoch)) {
        cx.refuse(notWriter(state, epoch, 'another epoch has begun'))
        return
      }
      release(state, cx)
      state.owner = undefined
      stepDown(state, cx, 'its owner resigned')
      cx.reply({})
    },
  },
  down(state, { ref }, cx) {
    if (ref !== state.monitor) return
    state.owner = undefined
    stepDown(state, cx, 'its owner is gone')
  },
})
