/**
 * A slab: bytes that are kept for long, in buffers that they share. A buffer each takes some 200 bytes more,
 * and leaves holes among the buffers of messages that come and go, of which the process gives nothing back.
 */

/** What stays behind with the last that is kept of a buffer, at most; bytes. */
const BUFFER_BYTES = 16 * 1024

export class Slab {
  #buffer = new Uint8Array(0)
  #used = 0

  /** The same bytes, kept here. */
  keep(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (length > BUFFER_BYTES / 4) return bytes.slice()
    if (this.#used + length > this.#buffer.length) {
      this.#buffer = new Uint8Array(BUFFER_BYTES)
      this.#used = 0
    }
    const kept = this.#buffer.subarray(this.#used, this.#used + length)
    kept.set(bytes)
    this.#used += length
    return kept
  }
}
