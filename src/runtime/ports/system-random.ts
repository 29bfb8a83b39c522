/** Cryptographic randomness from the operating system. */
import { randomFillSync, randomUUID } from 'node:crypto'
import type { Random } from '../ports.ts'
import { uniformInt } from './uniform-int.ts'

/** Drawn at once, because one call into the kernel's generator costs as much as thousands of bytes. */
const poolBytes = 8192

/** A source of its own buffer; cheap enough to draw per message. */
export function systemRandom(): Random {
  const pool = new Uint8Array(poolBytes)
  const view = new DataView(pool.buffer)
  let used = poolBytes

  /** Reserves `length` fresh bytes of the pool and says where they start. */
  function take(length: number): number {
    if (used + length > poolBytes) {
      randomFillSync(pool)
      used = 0
    }
    const start = used
    used += length
    return start
  }

  function next(): number {
    const at = take(8)
    return ((view.getUint32(at) >>> 5) * 2 ** 26 + (view.getUint32(at + 4) >>> 6)) / 2 ** 53
  }

  return {
    next,
    int: (bound) => uniformInt(next, bound),
    bytes(length) {
      if (length > poolBytes) return randomFillSync(new Uint8Array(length))
      const at = take(length)
      return pool.slice(at, at + length)
    },
    // Node keeps a pool for this one itself.
    uuid: () => randomUUID(),
  }
}
