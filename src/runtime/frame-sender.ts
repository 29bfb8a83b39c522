/**
 * Envelopes on their way out. Those for one actor in one slice go together in one frame, and each frame
 * gets its number when it is published, so that the numbers are in the order of publishing.
 */
import type { Node } from './node.ts'
import {
  encodeFrame,
  encodePieces,
  FRAME_BYTES_MAX,
  HEADER_BYTES_MAX,
  type Header,
  KIND_ENVELOPES,
  KIND_PIECE,
} from './wire.ts'

/** A batch is sent at once when it has grown to this, and in any case at the end of the slice. */
const BATCH_BYTES = 48 * 1024
/** The broker's "no responders" for node `x` come to the id `_absent-x`. */
const ABSENT = '_absent-'

/** A receiving node, and the count of what was sent to it. */
export interface Address {
  readonly name: string
  readonly incarnation: string
  readonly stream: number
  sent: number
  readonly seen: number
}

interface Batch {
  readonly to: Address
  readonly id: string
  readonly envelopes: Uint8Array[]
  bytes: number
  /** The broker shall say if nobody listens there. */
  probe: boolean
}

export class FrameSender {
  readonly #node: Node
  /** Something that was numbered could not be published. */
  readonly #lost: (to: Address) => void
  readonly #batches = new Map<Address, Map<string, Batch>>()

  constructor(node: Node, lost: (to: Address) => void) {
    this.#node = node
    this.#lost = lost
  }

  /** The node whose absence is told to an id here. */
  absentee(id: string): string | undefined {
    return id.startsWith(ABSENT) ? id.slice(ABSENT.length) : undefined
  }

  queue(to: Address, id: string, bytes: Uint8Array, probe: boolean): void {
    let batches = this.#batches.get(to)
    if (batches === undefined) {
      batches = new Map()
      this.#batches.set(to, batches)
    }
    let batch = batches.get(id)
    if (batch !== undefined && batch.bytes + bytes.length > FRAME_BYTES_MAX) {
      this.#publish(batch)
      batch = undefined
    }
    if (batch === undefined) {
      batch = { to, id, envelopes: [], bytes: 0, probe: false }
      batches.set(id, batch)
    }
    batch.envelopes.push(bytes)
    batch.bytes += bytes.length
    batch.probe ||= probe
    if (batch.bytes >= BATCH_BYTES) {
      batches.delete(id)
      this.#publish(batch)
    }
  }

  /** Forgets what is queued for a node: its incarnation is over. */
  discard(to: Address): void {
    this.#batches.delete(to)
  }

  flush(): void {
    if (this.#batches.size === 0) return
    const all = [...this.#batches.values()]
    this.#batches.clear()
    for (const batches of all) for (const batch of batches.values()) this.#publish(batch)
  }

  #publish({ to, id, envelopes, bytes, probe }: Batch): void {
    const { name } = this.#node
    const { connection, mailbox } = this.#node.wayTo(to.name)
    const subject = mailbox(to.name, id)
    const reply = probe ? mailbox(name, `${ABSENT}${to.name}`) : undefined
    const { maxPayload } = connection
    try {
      if (bytes + HEADER_BYTES_MAX <= maxPayload) {
        connection.publish(subject, encodeFrame(this.#header(to, KIND_ENVELOPES), envelopes), reply)
      } else {
        const nextHeader = () => this.#header(to, KIND_PIECE)
        for (const piece of encodePieces(nextHeader, envelopes, maxPayload)) {
          connection.publish(subject, piece, reply)
        }
      }
    } catch (error) {
      const fields = { to: to.name, error: String(error) }
      this.#node.log('warn', 'a frame could not be published', fields)
      this.#lost(to)
    }
  }

  /** Of the next frame. */
  #header(to: Address, kind: number): Header {
    const { name, incarnation } = this.#node
    const { stream, seen } = to
    const toIncarnation = to.incarnation
    return { node: name, incarnation, toIncarnation, stream, sequence: ++to.sent, seen, kind }
  }
}
