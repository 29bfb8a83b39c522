/** One thing that is due at a moment of virtual time. */
export interface TimedEvent {
  readonly time: number
  readonly sequence: number
  /** Undefined once fired or cancelled. */
  run: (() => void) | undefined
}

/**
 * Binary heap ordered by (time, sequence), a total order (`spec/simulation.md` §3).
 *
 * Cancelling marks the event and leaves it in place, because finding it would cost a scan; when the
 * marked ones outnumber the live ones the heap is rebuilt, so memory stays within twice the live set.
 */
export class EventHeap {
  #items: TimedEvent[] = []
  #live = 0

  /** Events that are neither fired nor cancelled. */
  get size(): number {
    return this.#live
  }

  push(event: TimedEvent): void {
    this.#live += 1
    this.#items.push(event)
    this.#up(this.#items.length - 1)
  }

  cancel(event: TimedEvent): void {
    if (event.run === undefined) return
    event.run = undefined
    this.#live -= 1
    if (this.#items.length > 64 && this.#items.length > 2 * this.#live) this.#rebuild()
  }

  /** The earliest live event, left in place. */
  peek(): TimedEvent | undefined {
    while (this.#items.length > 0 && this.#items[0]!.run === undefined) this.#removeTop()
    return this.#items[0]
  }

  /** Takes the earliest live event out; the caller runs what it returns. */
  pop(): { readonly time: number; readonly run: () => void } | undefined {
    const top = this.peek()
    if (top?.run === undefined) return undefined
    this.#removeTop()
    this.#live -= 1
    const { time, run } = top
    top.run = undefined
    return { time, run }
  }

  #rebuild(): void {
    this.#items = this.#items.filter((event) => event.run !== undefined)
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i -= 1) this.#down(i)
  }

  #removeTop(): void {
    const last = this.#items.pop()!
    if (this.#items.length === 0) return
    this.#items[0] = last
    this.#down(0)
  }

  #up(start: number): void {
    const items = this.#items
    let i = start
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(items[i]!, items[parent]!)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #down(start: number): void {
    const items = this.#items
    let i = start
    for (;;) {
      const left = 2 * i + 1
      if (left >= items.length) return
      const right = left + 1
      const child = right < items.length && before(items[right]!, items[left]!) ? right : left
      if (!before(items[child]!, items[i]!)) return
      this.#swap(i, child)
      i = child
    }
  }

  #swap(a: number, b: number): void {
    const items = this.#items
    const held = items[a]!
    items[a] = items[b]!
    items[b] = held
  }
}

function before(a: TimedEvent, b: TimedEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence)
}
