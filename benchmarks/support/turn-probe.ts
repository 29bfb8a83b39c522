/**
 * Loaded into a process that a benchmark has started (`--import`): whenever it is asked over the channel,
 * it tells the longest turns of its actors since it was asked last.
 */
import { Cell } from '../../src/runtime/cell.ts'
import { threadCpuMs } from './thread-cpu.ts'

/** The longest turn of an actor with one kind of message, effects included. */
export interface Turn {
  /** Actor and message. */
  readonly what: string
  /** Most time that one took. */
  readonly ms: number
  /** Most CPU time of its thread: as `ms` on an idle machine. */
  readonly cpuMs: number
  readonly count: number
}

const longest = new Map<string, { ms: number; cpuMs: number; count: number }>()
const { serve, flush } = Cell.prototype
let begin = { ms: 0, cpuMs: 0 }
let what = ''

function note(): void {
  const ms = performance.now() - begin.ms
  const cpuMs = threadCpuMs() - begin.cpuMs
  const known = longest.get(what)
  if (known === undefined) {
    longest.set(what, { ms, cpuMs, count: 1 })
    return
  }
  known.count++
  known.ms = Math.max(known.ms, ms)
  known.cpuMs = Math.max(known.cpuMs, cpuMs)
}

Cell.prototype.serve = function (envelope) {
  what = `${this.id} ${envelope.type}`
  begin = { ms: performance.now(), cpuMs: threadCpuMs() }
  const failure = serve.call(this, envelope)
  if (failure !== undefined) note()
  return failure
}

Cell.prototype.flush = function () {
  flush.call(this)
  // That of an actor's end belongs to no turn.
  if (what !== '') note()
  what = ''
}

process.on('message', () => {
  const turns: Turn[] = [...longest].map(([what, turn]) => ({ what, ...turn }))
  longest.clear()
  process.send?.(turns)
})
// To listen is no reason to live.
process.channel?.unref()
