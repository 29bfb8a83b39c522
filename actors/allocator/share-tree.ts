/**
 * The share tree: who is next. Its leaves are frameworks, its inner nodes roles; each node knows what
 * everybody below it holds, and keeps its active children in the order in which they shall be served.
 * One tree does the work of Mesos' role sorter and its framework sorters. Spec: allocator.md §4.
 *
 * Nodes are small integers, their data columns of typed arrays. An allocation moves one node on each
 * level of its path into place; everything else that changes an order marks it stale, and it is sorted
 * anew when it is next walked.
 */
import type { Random } from '../../src/runtime/ports.ts'
import type { ResourceNames } from './bundle.ts'
import { Urn } from './draw.ts'
import type { Policy } from './policies.ts'

export const ROOT = 0
/** Where a node is expected: there is none. */
export const NOWHERE = -1

/** What a visitor answers at a leaf: go on, leave its siblings out, or end the walk. */
export const NEXT = 0
export const LEAVE = 1
export const END = 2
export type Verdict = typeof NEXT | typeof LEAVE | typeof END

/** Who walks a tree; it must not change the tree while it does. */
export interface Visitor {
  /** Whether it ignores anybody: then no lots are drawn for those. */
  readonly selective: boolean
  /** Whether it would pass by this leaf, or whatever is below this inner node. */
  ignores(node: number): boolean
  /** At an inner node, before its children: false passes it by. */
  enter(node: number): boolean
  visit(leaf: number): Verdict
}

export interface ShareTreeOptions {
  readonly names: ResourceNames
  readonly policy: Policy
  readonly random: Random
  /** Resource names that do not count in shares. */
  readonly excluded: readonly string[]
}

const SORTED_NEVER = -1

export class ShareTree {
  readonly #names: ResourceNames
  readonly #policy: Policy
  readonly #random: Random
  readonly #excluded: ReadonlySet<number>

  /** Thousandths in the whole cluster, by number of the resource name; 0 for excluded names. */
  #totals = new Float64Array(8)
  /** Changes with the totals, on which every share depends. */
  #version = 0

  // Columns, by node.
  #parent = new Int32Array(64)
  #weight = new Float64Array(64)
  /** Position among siblings: rank, then tie, then count, then name. */
  #rank = new Float64Array(64)
  #tie = new Float64Array(64)
  /** Allocations below it in all its life. */
  #count = new Float64Array(64)
  /** Version of the totals by which its active children are sorted. */
  #sortedAt = new Int32Array(64)
  #childCount = new Int32Array(64)
  /** How many of its children are active: those come first. */
  #activeCount = new Int32Array(64)
  readonly #children: Int32Array[] = []
  /** Of active children by their weights, where lots are drawn; made when next needed. */
  readonly #urns: Array<Urn | undefined> = []
  readonly #name: string[] = []
  /** What is held at and below the node: rows as long as `#totals`. */
  #held = new Float64Array(64 * 8)
  readonly #free: number[] = []

  constructor(options: ShareTreeOptions) {
    this.#names = options.names
    this.#policy = options.policy
    this.#random = options.random
    this.#excluded = new Set(options.excluded.map((name) => options.names.number(name)))
    this.#create(NOWHERE, '')
  }

  /** Adds an inactive child without any holdings. */
  add(parent: number, name: string): number {
    const node = this.#create(parent, name)
    let children = this.#children[parent]!
    const count = this.#childCount[parent]!
    if (count === children.length) {
      const grown = new Int32Array(Math.max(4, count * 2))
      grown.set(children)
      this.#children[parent] = children = grown
    }
    children[count] = node
    this.#childCount[parent] = count + 1
    return node
  }

  /** Removes a node that has no children and holds nothing. */
  remove(node: number): void {
    this.deactivate(node)
    const parent = this.#parent[node]!
    const children = this.#children[parent]!
    const last = --this.#childCount[parent]!
    children[children.indexOf(node)] = children[last]!
    this.#free.push(node)
  }

  /** Puts a leaf where walks find it. Returns false if it was there already. */
  activate(leaf: number): boolean {
    for (let node = leaf; node !== ROOT; node = this.#parent[node]!) {
      const parent = this.#parent[node]!
      const children = this.#children[parent]!
      const active = this.#activeCount[parent]!
      const at = children.indexOf(node)
      if (at < active) return node !== leaf
      children[at] = children[active]!
      children[active] = node
      this.#activeCount[parent] = active + 1
      this.#sortedAt[parent] = SORTED_NEVER
      this.#urns[parent] = undefined
      if (active > 0) return true
    }
    return true
  }

  /** Hides a leaf from walks; what it holds still counts for the nodes above. */
  deactivate(leaf: number): void {
    for (let node = leaf; node !== ROOT; node = this.#parent[node]!) {
      const parent = this.#parent[node]!
      const children = this.#children[parent]!
      const active = this.#activeCount[parent]!
      const at = children.indexOf(node)
      if (at >= active) return
      // Those behind it move up, so that they stay sorted.
      children.copyWithin(at, at + 1, active)
      children[active - 1] = node
      this.#activeCount[parent] = active - 1
      this.#urns[parent] = undefined
      if (active > 1) return
    }
  }

  setWeight(node: number, weight: number): void {
    this.#weight[node] = weight
    if (node === ROOT) return
    const parent = this.#parent[node]!
    this.#sortedAt[parent] = SORTED_NEVER
    this.#urns[parent] = undefined
  }

  /** The cluster has grown by `millis`, or shrunk if `sign` is -1. */
  changeTotals(millis: Float64Array, sign: 1 | -1): void {
    this.#widen()
    for (let i = 0; i < millis.length; i++) {
      if (!this.#excluded.has(i)) this.#totals[i]! += sign * millis[i]!
    }
    this.#version++
  }

  /** One allocation to a leaf: moves it, and each node above, back among its siblings. */
  allocated(leaf: number, millis: Float64Array): void {
    this.#widen()
    for (let node = leaf; node !== NOWHERE; node = this.#parent[node]!) {
      this.#count[node]! += 1
      this.#hold(node, millis, 1)
      if (node !== ROOT) this.#reposition(node)
    }
  }

  /** What a leaf has no more. */
  released(leaf: number, millis: Float64Array): void {
    this.#widen()
    for (let node = leaf; node !== NOWHERE; node = this.#parent[node]!) {
      this.#hold(node, millis, -1)
      if (node !== ROOT) this.#sortedAt[this.#parent[node]!] = SORTED_NEVER
    }
  }

  /** Largest fraction of any resource that is held at or below the node. */
  dominantShare(node: number): number {
    const totals = this.#totals
    const row = node * totals.length
    let share = 0
    for (let i = 0; i < totals.length; i++) {
      const total = totals[i]!
      if (total > 0) share = Math.max(share, this.#held[row + i]! / total)
    }
    return share
  }

  /** Thousandths of one resource in the cluster, by its number, and of what is held below the node. */
  amounts(node: number, name: number): { readonly total: number; readonly held: number } {
    this.#widen()
    const total = this.#totals[name] ?? 0
    return { total, held: this.#held[node * this.#totals.length + name] ?? 0 }
  }

  weight(node: number): number {
    return this.#weight[node]!
  }

  hasChildren(node: number): boolean {
    return this.#childCount[node]! > 0
  }

  /** Nobody is to be served at all. */
  get idle(): boolean {
    return this.#activeCount[ROOT] === 0
  }

  /** Visits the active leaves in the order in which they shall be served. */
  walk(visitor: Visitor): void {
    this.#walkFrom(ROOT, visitor)
  }

  #walkFrom(parent: number, visitor: Visitor): Verdict {
    const drawn = this.#policy.order === 'drawn'
    if (!drawn && this.#sortedAt[parent] !== this.#version) this.#sort(parent)
    const children = drawn ? this.#drawn(parent, visitor) : this.#children[parent]!
    const active = drawn ? children.length : this.#activeCount[parent]!
    const urn = drawn ? this.#urn(parent, children, visitor) : undefined
    for (let i = 0; i < active; i++) {
      const node = children[urn?.draw(this.#random) ?? i]!
      // Nodes without active children are not among the active ones, so this one is a leaf.
      if (this.#activeCount[node] === 0) {
        const verdict = visitor.visit(node)
        if (verdict === END) return END
        if (verdict === LEAVE) return NEXT
      } else if (visitor.enter(node) && this.#walkFrom(node, visitor) === END) return END
    }
    return NEXT
  }

  #sort(parent: number): void {
    const active = this.#children[parent]!.subarray(0, this.#activeCount[parent])
    for (const node of active) this.#evaluate(node)
    // Most roles have one child: that of their members.
    if (active.length > 1) active.sort((a, b) => this.#compare(a, b))
    this.#sortedAt[parent] = this.#version
  }

  /** For whom lots are drawn: the active children whom the visitor does not ignore. */
  #drawn(parent: number, visitor: Visitor): Int32Array {
    const active = this.#children[parent]!.subarray(0, this.#activeCount[parent])
    return visitor.selective ? active.filter((node) => !visitor.ignores(node)) : active
  }

  /** A full urn with the weights of these children, kept for the next walk if they are all. */
  #urn(parent: number, children: Int32Array, { selective }: Visitor): Urn {
    const known = selective ? undefined : this.#urns[parent]
    known?.refill()
    if (known !== undefined) return known
    const urn = new Urn(Float64Array.from(children, (node) => this.#weight[node]!))
    if (!selective) this.#urns[parent] = urn
    return urn
  }

  #evaluate(node: number): void {
    if (this.#policy.order === 'drawn') return
    const share = this.dominantShare(node)
    const weight = this.#weight[node]!
    this.#rank[node] = this.#policy.rank(share, weight)
    this.#tie[node] = this.#policy.tie?.(share, weight) ?? 0
  }

  #compare(a: number, b: number): number {
    return (
      this.#rank[a]! - this.#rank[b]! ||
      this.#tie[a]! - this.#tie[b]! ||
      this.#count[a]! - this.#count[b]! ||
      (this.#name[a]! < this.#name[b]! ? -1 : 1)
    )
  }

  /** Moves an active node to its place among siblings that are sorted but for this one. */
  #reposition(node: number): void {
    const parent = this.#parent[node]!
    if (this.#sortedAt[parent] !== this.#version) return
    const active = this.#activeCount[parent]!
    const children = this.#children[parent]!
    const from = children.indexOf(node)
    if (from >= active) return
    this.#evaluate(node)
    // An allocation never moves a node to the front of one that it stood behind.
    let low = from + 1
    let high = active
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(children[middle]!, node) < 0) low = middle + 1
      else high = middle
    }
    children.copyWithin(from, from + 1, low)
    children[low - 1] = node
  }

  #hold(node: number, millis: Float64Array, sign: 1 | -1): void {
    const row = node * this.#totals.length
    for (let i = 0; i < millis.length; i++) this.#held[row + i]! += sign * millis[i]!
  }

  #create(parent: number, name: string): number {
    const node = this.#free.pop() ?? this.#children.length
    if (node === this.#parent.length) this.#grow()
    this.#parent[node] = parent
    this.#name[node] = name
    this.#children[node] = new Int32Array(0)
    this.#weight[node] = 1
    this.#count[node] = 0
    this.#childCount[node] = 0
    this.#activeCount[node] = 0
    this.#sortedAt[node] = SORTED_NEVER
    this.#urns[node] = undefined
    this.#held.fill(0, node * this.#totals.length, (node + 1) * this.#totals.length)
    return node
  }

  #grow(): void {
    const length = this.#parent.length * 2
    this.#parent = moved(this.#parent, new Int32Array(length))
    this.#weight = moved(this.#weight, new Float64Array(length))
    this.#rank = moved(this.#rank, new Float64Array(length))
    this.#tie = moved(this.#tie, new Float64Array(length))
    this.#count = moved(this.#count, new Float64Array(length))
    this.#sortedAt = moved(this.#sortedAt, new Int32Array(length))
    this.#childCount = moved(this.#childCount, new Int32Array(length))
    this.#activeCount = moved(this.#activeCount, new Int32Array(length))
    this.#held = moved(this.#held, new Float64Array(length * this.#totals.length))
  }

  /** Makes room in the rows for names that have turned up since. */
  #widen(): void {
    const width = this.#totals.length
    if (this.#names.size <= width) return
    const wider = Math.max(this.#names.size, width * 2)
    const held = new Float64Array(this.#parent.length * wider)
    for (let node = 0; node < this.#children.length; node++) {
      held.set(this.#held.subarray(node * width, (node + 1) * width), node * wider)
    }
    this.#held = held
    this.#totals = moved(this.#totals, new Float64Array(wider))
  }
}

function moved<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
