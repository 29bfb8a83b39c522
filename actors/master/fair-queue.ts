/**
 * A queue that serves its senders in turn, so that one who sends a hundred thousand calls waits behind
 * himself and not the others behind him. Bounded for each sender, in the number of senders, and in bytes.
 */

export interface FairQueue<T> {
  readonly perSenderMax: number
  readonly sendersMax: number
  /** Beyond it a sender has room only for its equal part; so all together have twice as many at most. */
  readonly bytesMax: number
  readonly bytesOf: (item: T) => number
  bytes: number
  /** Waiting items, sender by sender; the first sender is served next. */
  readonly senders: Map<string, Waiting<T>>
}

interface Waiting<T> {
  readonly items: T[]
  bytes: number
}

export type FairQueueLimits<T> = Pick<
  FairQueue<T>,
  'perSenderMax' | 'sendersMax' | 'bytesMax' | 'bytesOf'
>

export function fairQueue<T>(limits: FairQueueLimits<T>): FairQueue<T> {
  return { ...limits, bytes: 0, senders: new Map() }
}

/** Returns false, and queues nothing, if it is full for this sender. */
export function push<T>(queue: FairQueue<T>, sender: string, item: T): boolean {
  const { senders, perSenderMax, sendersMax, bytesMax } = queue
  const waiting = senders.get(sender) ?? { items: [], bytes: 0 }
  const bytes = queue.bytesOf(item)
  if (waiting.items.length === 0 && senders.size >= sendersMax) return false
  if (waiting.items.length >= perSenderMax) return false
  const part = bytesMax / (senders.size + 1)
  if (queue.bytes + bytes > bytesMax && waiting.bytes + bytes > part) return false
  waiting.items.push(item)
  waiting.bytes += bytes
  queue.bytes += bytes
  senders.set(sender, waiting)
  return true
}

/**
 * Takes up to `max` items: an equal part from each sender that has some. A sender's own items stay in
 * order. Those served last stand behind the others afterwards.
 */
export function take<T>(queue: FairQueue<T>, max: number): T[] {
  const taken: T[] = []
  while (taken.length < max && queue.senders.size > 0) {
    const turns = Math.min(queue.senders.size, max - taken.length)
    const share = Math.floor((max - taken.length) / turns)
    for (let turn = 0; turn < turns; turn++) {
      const [sender, waiting] = queue.senders.entries().next().value!
      const served = waiting.items.splice(0, share)
      const bytes = served.reduce((sum, item) => sum + queue.bytesOf(item), 0)
      waiting.bytes -= bytes
      queue.bytes -= bytes
      taken.push(...served)
      queue.senders.delete(sender)
      if (waiting.items.length > 0) queue.senders.set(sender, waiting)
    }
  }
  return taken
}
