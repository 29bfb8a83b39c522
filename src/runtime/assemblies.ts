/**
 * Frames that arrive in pieces. Of each peer one at a time, as pieces of two frames never mix. All of them
 * together are bounded: what does not fit is refused, and its sender learns that the pair is broken.
 */
import { concat, decodeArray, FRAME_BYTES_MAX, type Piece } from './wire.ts'

/** Bytes of unfinished frames, of all peers together. */
const ASSEMBLY_BYTES_MAX = 4 * FRAME_BYTES_MAX

interface Assembly {
  readonly count: number
  readonly pieces: Uint8Array[]
  bytes: number
}

export class Assemblies {
  readonly #assemblies = new Map<string, Assembly>()
  #bytes = 0

  /** Bytes of unfinished frames. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes the next piece of a peer's frame. Returns the envelopes once it is complete.
   * @throws Error if it is too large; the rest of it is then ignored, as after a loss
   */
  add(peer: string, { count, index, bytes }: Piece): unknown[] | undefined {
    if (index === 0) {
      this.drop(peer)
      this.#assemblies.set(peer, { count, pieces: [], bytes: 0 })
    }
    const assembly = this.#assemblies.get(peer)
    // The rest of a frame whose beginning was lost: that has been noticed by the count.
    if (assembly === undefined) return undefined
    if (assembly.count !== count || assembly.pieces.length !== index) {
      this.drop(peer)
      throw new Error('a piece out of order')
    }
    assembly.pieces.push(bytes)
    assembly.bytes += bytes.length
    this.#bytes += bytes.length
    if (assembly.bytes > FRAME_BYTES_MAX + 4096 || this.#bytes > ASSEMBLY_BYTES_MAX) {
      this.drop(peer)
      throw new Error('a frame in pieces is too large')
    }
    if (assembly.pieces.length < count) return undefined
    this.drop(peer)
    return decodeArray(concat(assembly.pieces))
  }

  drop(peer: string): void {
    const assembly = this.#assemblies.get(peer)
    if (assembly === undefined) return
    this.#bytes -= assembly.bytes
    this.#assemblies.delete(peer)
  }
}
