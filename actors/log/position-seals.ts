/** The seals of a log's records, four bytes a position; those of other keys beside them (src/storage/sealed-store.ts). */
import type { Seals } from '../../src/storage/sealed-store.ts'
import { positionOf } from './records.ts'

/** Positions that share a table. A log grows at one end and is cut at the other. */
const TABLE = 1024

interface Table {
  /** 0: none. */
  readonly seals: Int32Array
  count: number
}

export class PositionSeals implements Seals {
  readonly #others = new Map<string, number>()
  readonly #tables = new Map<number, Table>()

  get(key: string): number | undefined {
    const position = positionOf(key)
    if (position === undefined) return this.#others.get(key)
    return this.#tables.get(Math.floor(position / TABLE))?.seals[position % TABLE] || undefined
  }

  set(key: string, seal: number): void {
    const position = positionOf(key)
    if (position === undefined) {
      this.#others.set(key, seal)
      return
    }
    const number = Math.floor(position / TABLE)
    const table = this.#tables.get(number) ?? { seals: new Int32Array(TABLE), count: 0 }
    this.#tables.set(number, table)
    if (table.seals[position % TABLE] === 0) table.count++
    table.seals[position % TABLE] = seal
  }

  delete(key: string): void {
    const position = positionOf(key)
    if (position === undefined) {
      this.#others.delete(key)
      return
    }
    const number = Math.floor(position / TABLE)
    const table = this.#tables.get(number)
    if (table === undefined || table.seals[position % TABLE] === 0) return
    table.seals[position % TABLE] = 0
    table.count--
    if (table.count === 0) this.#tables.delete(number)
  }
}
