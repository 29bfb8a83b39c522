/** A growing ring buffer: a queue without allocation per item. Bounds are the owner's business. */
export class Ring<T> {
  #items: Array<T | undefined>
  #head = 0
  #size = 0

  constructor(initialCapacity = 8) {
    this.#items = new Array<T | undefined>(initialCapacity)
  }

  get size(): number {
    return this.#size
  }

  /** The one that `shift` would take. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    if (this.#size === this.#items.length) this.#grow()
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item
    this.#size++
  }

  /** Puts an item before all others. */
  unshift(item: T): void {
    if (this.#size === this.#items.length) this.#grow()
    this.#head = (this.#head - 1) & (this.#items.length - 1)
    this.#items[this.#head] = item
    this.#size++
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#items.length - 1)
    this.#size--
    return item
  }

  /** Takes the item at `index`, counted from the front; those behind it move up. */
  take(index: number): T | undefined {
    if (index === 0) return this.shift()
    const mask = this.#items.length - 1
    const item = this.#items[(this.#head + index) & mask]
    for (let i = index; i > 0; i--) {
      this.#items[(this.#head + i) & mask] = this.#items[(this.#head + i - 1) & mask]
    }
    this.#items[this.#head] = undefined
    this.#head = (this.#head + 1) & mask
    this.#size--
    return item
  }

  #grow(): void {
    const length = this.#items.length
    const items = new Array<T | undefined>(length * 2)
    for (let i = 0; i < this.#size; i++) items[i] = this.#items[(this.#head + i) & (length - 1)]
    this.#items = items
    this.#head = 0
  }
}
