/**
 * A queue that serves its senders in turn, so that one who sends a hundred thousand calls waits behind
 * himself and not the others behind him. Bounded for each sender and in the number of senders.
 */

export interface FairQueue<T> {
  readonly perSenderMax: number
  readonly sendersMax: number
  /** Waiting items, sender by sender; the first sender is served next. */
  readonly senders: Map<string, T[]>
}

export function fairQueue<T>(perSenderMax: number, sendersMax: number): FairQueue<T> {
  return { perSenderMax, sendersMax, senders: new Map() }
}

/** Returns false, and queues nothing, if it is full for this sender. */
export function push<T>(queue: FairQueue<T>, sender: string, item: T): boolean {
  const waiting = queue.senders.get(sender)
  if (waiting === undefined) {
    if (queue.senders.size >= queue.sendersMax) return false
    queue.senders.set(sender, [item])
    return true
  }
  if (waiting.length >= queue.perSenderMax) return false
  waiting.push(item)
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
      taken.push(...waiting.splice(0, share))
      queue.senders.delete(sender)
      if (waiting.length > 0) queue.senders.set(sender, waiting)
    }
  }
  return taken
}
