/**
 * Randomness that a seed decides. Streams are derived by name (`spec/simulation.md` §3), so that the
 * draws of one subject never shift those of another: `stream(seed, 'net', from, to)`.
 *
 * The generator is xoshiro128** by Blackman and Vigna (2018); its 128 bits of state are the first half
 * of the SHA-256 of the seed and the names.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../ports.ts'
import { uniformInt } from './uniform-int.ts'

/** What decides a whole run. Equal text means an equal seed: `7`, `7n` and `'7'` are one. */
export type Seed = number | bigint | string

/** The stream of `seed` that these names stand for. Deterministic on every machine. */
export function stream(seed: Seed, ...names: ReadonlyArray<string | number>): Random {
  const identity = JSON.stringify([String(seed), ...names.map(String)])
  const digest = createHash('sha256').update(identity).digest()
  const word = xoshiro128starstar(
    digest.readUInt32LE(0),
    digest.readUInt32LE(4),
    digest.readUInt32LE(8),
    digest.readUInt32LE(12),
  )
  const next = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53

  function bytes(length: number): Uint8Array {
    const drawn = new Uint8Array(length)
    for (let i = 0; i < length; i += 4) {
      const bits = word()
      for (let j = 0; j < 4 && i + j < length; j += 1) drawn[i + j] = bits >>> (8 * j)
    }
    return drawn
  }

  return { next, int: (bound) => uniformInt(next, bound), bytes, uuid: () => uuid4(bytes(16)) }
}

/** Returns a function that yields uniform 32-bit words. The state must not be all zero. */
function xoshiro128starstar(s0: number, s1: number, s2: number, s3: number): () => number {
  let [a, b, c, d] = [s0 | 0, s1 | 0, s2 | 0, s3 | 0]
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
    return result
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function uuid4(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}
