/** The store of a replica without actors. */
import type { Store, StoreOperation } from '../../../src/runtime/index.ts'
import { compareKeys } from '../../../src/storage/key-order.ts'

/** A disk that commits at once. */
export class Disk implements Store {
  readonly values = new Map<string, Uint8Array>()

  apply(operations: readonly StoreOperation[]): void {
    for (const operation of operations) {
      if (operation.type === 'put') this.values.set(operation.key, operation.value)
      else this.values.delete(operation.key)
    }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.values.get(key)
  }

  async range(from: string, to: string, limit = Number.POSITIVE_INFINITY) {
    return [...this.values]
      .filter(([key]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
      .sort(([a], [b]) => compareKeys(a, b))
      .slice(0, limit)
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.apply(operations)
  }

  /** Nothing is ever lost here. */
  async verify(): Promise<void> {}

  async close(): Promise<void> {}
}
