/**
 * The file that names the hosts whose agents are offered, one on a line; read again and again, so that an
 * operator need only write it. What cannot be read leaves the hosts as they were. Spec: allocator.md §11.
 */
import { UpdateWhitelist } from '../../protocol/allocator.ts'
import type { Context } from '../../src/runtime/index.ts'
import type { MasterState } from './state.ts'

const INTERVAL_MS = 5000

/** Begins to watch the file, if there is one: nothing is offered before it was read. */
export function watchWhitelist(state: MasterState, cx: Context): void {
  if (state.options.whitelist === '') return
  cx.send(state.allocator, UpdateWhitelist, { hostnames: [] })
  look(state, '', cx)
}

/** Reads the file; `before` is what it held the last time. */
function look(state: MasterState, before: string, cx: Context): void {
  const path = state.options.whitelist
  const { disk } = cx.ports
  cx.job(
    () => disk.readFile(path),
    (outcome) => {
      const text = outcome.ok ? new TextDecoder().decode(outcome.value) : before
      if (!outcome.ok) cx.log('warn', 'the whitelist cannot be read', { path })
      if (text !== before) {
        const hostnames = text.split('\n').map((line) => line.trim())
        cx.send(state.allocator, UpdateWhitelist, { hostnames: hostnames.filter((name) => name) })
      }
      cx.after('whitelist', INTERVAL_MS, () => look(state, text, cx))
    },
  )
}
