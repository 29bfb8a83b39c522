/**
 * Loaded into a process that a benchmark has started (`--import`): whenever it is asked over the channel,
 * it tells the longest turns of its actors since it was asked last.
 */
import { Cell } from '../../src/runtime/cell.ts'

/** The longest turn of an actor with one kind of message, effects included. */
export interface Turn {
  /** Actor and message. */
  readonly what: string
  readonly ms: number
  readonly count: number
}

const longest = new Map<string, { ms: number; count: number }>()
const { serve, flush } = Cell.prototype
let what = ''
let ms = 0

function note(): void {
  const known = longest.get(what)
  if (known === undefined) longest.set(what, { ms, count: 1 })
  else {
    known.count++
    known.ms = Math.max(known.ms, ms)
  }
}

Cell.prototype.serve = function (envelope) {
  const begin = performance.now()
  what = `${this.id} ${envelope.type}`
  const failure = serve.call(this, envelope)
  ms = performance.now() - begin
  if (failure !== undefined) note()
  return failure
}

Cell.prototype.flush = function () {
  const begin = performance.now()
  flush.call(this)
  ms += performance.now() - begin
  note()
}

process.on('message', () => {
  const turns: Turn[] = [...longest].map(([what, turn]) => ({ what, ...turn }))
  longest.clear()
  process.send?.(turns)
})
// To listen is no reason to live.
process.channel?.unref()
