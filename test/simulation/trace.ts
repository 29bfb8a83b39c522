/**
 * What happened, in order: a rolling hash over all of it, by which two runs are compared, and the newest
 * lines as text. Spec: simulation.md §12.
 */
import { crc32 } from 'node:zlib'

export interface Trace {
  /** Takes note of one event. `data` counts for the hash, and its length is shown. */
  note(node: string, kind: string, what: string, data?: Uint8Array): void
  readonly events: number
  /** 8 hexadecimal digits. */
  readonly hash: string
  /** The newest lines, oldest first. */
  readonly lines: readonly string[]
}

const linesKept = 200

interface Entry {
  readonly time: number
  readonly sequence: number
  readonly node: string
  readonly kind: string
  readonly what: string
  readonly size: number | undefined
}

/** `print` gets every line as it comes. */
export function trace(nowMs: () => number, print?: (line: string) => void): Trace {
  let hash = 0
  let events = 0
  const ring: Entry[] = []
  return {
    note(node, kind, what, data) {
      const time = nowMs()
      const sequence = events++
      hash = crc32(`${time} ${node} ${kind} ${what}`, hash)
      if (data !== undefined) hash = crc32(data, hash)
      const entry = { time, sequence, node, kind, what, size: data?.length }
      ring[sequence % linesKept] = entry
      print?.(lineOf(entry))
    },
    get events() {
      return events
    },
    get hash() {
      return hash.toString(16).padStart(8, '0')
    },
    get lines() {
      const first = events % linesKept
      return [...ring.slice(first), ...ring.slice(0, first)].map(lineOf)
    },
  }
}

function lineOf({ time, sequence, node, kind, what, size }: Entry): string {
  const bytes = size === undefined ? '' : ` ${size} B`
  return `${(time / 1000).toFixed(4).padStart(10)} #${sequence} ${node} ${kind} ${what}${bytes}`
}
