/** Small draws from a stream. */
import type { Random } from '../../src/runtime/ports.ts'

export function pick<T>(draw: Random, from: readonly T[]): T {
  return from[draw.int(from.length)] as T
}

/** Each of them or not, by the toss of a coin. */
export function someOf<T>(draw: Random, all: readonly T[]): T[] {
  return all.filter(() => draw.int(2) === 0)
}

/** Between minus and plus so much. */
export function spread(draw: Random, most: number): number {
  return (2 * draw.next() - 1) * most
}
