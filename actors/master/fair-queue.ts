/**
 * A queue that serves its senders in turn, so that one who sends a hundred thousand calls waits behind
 * himself and not the others behind him. Deficit round robin with a list of new senders that goes first, as
 * RFC 8290 §4.2 has it: who sends little and seldom is served before all who have more waiting than their
 * turn holds. Bounded for each sender, in the number of senders, and in bytes.
 */
import { Ring } from '../../src/runtime/index.ts'

export interface FairQueue<T> {
  readonly perSenderMax: number
  readonly sendersMax: number
  /** Beyond it a sender has room only for its equal part; so all together have twice as many at most. */
  readonly bytesMax: number
  readonly bytesOf: (item: T) => number
  bytes: number
  size: number
  /** Senders that had nothing waiting until a moment ago. */
  readonly fresh: Map<string, Waiting<T>>
  /** All others; one that has nothing left stays until its turn comes, and is not fresh before. */
  readonly others: Map<string, Waiting<T>>
}

interface Waiting<T> {
  readonly items: Ring<T>
  bytes: number
  /** Bytes that it may still have served in this turn. */
  credit: number
}

export type FairQueueLimits<T> = Pick<
  FairQueue<T>,
  'perSenderMax' | 'sendersMax' | 'bytesMax' | 'bytesOf'
>

/** Bytes that each sender is granted a turn: some small calls. */
const QUANTUM = 1024

export function fairQueue<T>(limits: FairQueueLimits<T>): FairQueue<T> {
  return { ...limits, bytes: 0, size: 0, fresh: new Map(), others: new Map() }
}

/** Returns false, and queues nothing, if it is full for this sender. */
export function push<T>(queue: FairQueue<T>, sender: string, item: T): boolean {
  const { fresh, others, perSenderMax, sendersMax, bytesMax } = queue
  const known = fresh.get(sender) ?? others.get(sender)
  const senders = fresh.size + others.size
  if (known === undefined && senders >= sendersMax) return false
  const waiting = known ?? { items: new Ring<T>(), bytes: 0, credit: QUANTUM }
  const bytes = queue.bytesOf(item)
  if (waiting.items.size >= perSenderMax) return false
  const part = bytesMax / (senders + 1)
  if (queue.bytes + bytes > bytesMax && waiting.bytes + bytes > part) return false
  waiting.items.push(item)
  waiting.bytes += bytes
  queue.bytes += bytes
  queue.size++
  if (known === undefined) fresh.set(sender, waiting)
  return true
}

/** Takes up to `max` items, and no more when they have `bytesMax` bytes. A sender's own stay in order. */
export function take<T>(queue: FairQueue<T>, max: number, bytesMax: number): T[] {
  const taken: T[] = []
  let bytes = 0
  while (queue.size > 0 && taken.length < max && bytes < bytesMax) {
    const [sender, waiting] = next(queue)
    const item = waiting.items.first
    const size = item === undefined ? 0 : queue.bytesOf(item)
    if (item === undefined || waiting.credit < size) endTurn(queue, sender, waiting)
    else {
      waiting.items.shift()
      waiting.credit -= size
      waiting.bytes -= size
      queue.bytes -= size
      queue.size--
      bytes += size
      taken.push(item)
    }
  }
  if (queue.size === 0) {
    queue.fresh.clear()
    queue.others.clear()
  }
  return taken
}

function next<T>({ fresh, others }: FairQueue<T>): [string, Waiting<T>] {
  return (fresh.size > 0 ? fresh : others).entries().next().value!
}

/** To the end of the others, with credit for the next turn; or out of them if it has nothing. */
function endTurn<T>({ fresh, others }: FairQueue<T>, sender: string, waiting: Waiting<T>): void {
  const wasFresh = fresh.delete(sender)
  if (!wasFresh) others.delete(sender)
  if (!wasFresh && waiting.items.size === 0) return
  waiting.credit = (waiting.items.size === 0 ? 0 : waiting.credit) + QUANTUM
  others.set(sender, waiting)
}
