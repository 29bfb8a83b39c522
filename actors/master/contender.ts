/**
 * The contender of a cluster with one master: it wins at once, and for ever. It stands where one that
 * holds a lease of the replica quorum will stand (replicated-log.md §15).
 */
import { type Context, type Pid, table } from '../../src/runtime/index.ts'
import { Elected } from './internal.ts'

const behaviour = table<undefined, [], { readonly master: Pid }>({
  label: 'contender',
  messages: [],
  init({ master }, cx) {
    cx.send(master, Elected, {})
    return undefined
  },
  handlers: {},
})

/** Starts contending for the leadership; the master is told by ELECTED. */
export function contend(cx: Context): void {
  cx.spawn({ id: 'contender', behaviour, args: { master: cx.self } })
}
