/**
 * The other nodes, as this one knows them. NATS loses messages in silence (a partition, a reconnect, a
 * slow consumer), so each ordered pair of nodes counts its frames. A gap, missed heartbeats, a new
 * incarnation or the broker's "no responders" *breaks* the pair: every link, monitor and request between
 * the two nodes ends with `noconnection`, on both sides (design.md §3). After a break the pair goes on.
 *
 * Bounds: peers without links are forgotten beyond `PEERS_MAX`, the longest silent first; one frame in
 * pieces is assembled per peer at a time, up to 64 MiB.
 */

import type { Cell } from './cell.ts'
import { DOWN, Envelope, EXIT } from './envelope.ts'
import type { Node } from './node.ts'
import { type Pid, parsePid, pid } from './pid.ts'
import type { Delivery } from './ports.ts'
import {
  decodeContent,
  decodeFrame,
  encodeEnvelope,
  encodeFrame,
  encodePieces,
  FRAME_BYTES_MAX,
  type Header,
  join,
  KIND_ENVELOPES,
  KIND_PIECE,
  readEnvelope,
  readPiece,
} from './wire.ts'

const PEERS_MAX = 65_536
/** A batch is sent at once when it has grown to this, and in any case at the end of the slice. */
const BATCH_BYTES = 48 * 1024

/** The id on which a node itself is addressed. */
export const NODE_ID = '_node'
const ABSENT = '_absent-'
const HEARTBEAT = '@heartbeat'
const RESET = '@reset'

export interface Peer {
  readonly name: string
  /** Empty until it has been heard of. */
  incarnation: string
  sent: number
  received: number
  heardMs: number
  /** Remote address -> cells here that are linked with it. */
  readonly links: Map<Pid, Set<Cell>>
  /** Monitors held here on actors there. */
  readonly monitors: Map<
    string,
    { readonly cell: Cell; readonly ref: number; readonly target: Pid }
  >
  /** Monitors held there on actors here. */
  readonly watchers: Map<string, { readonly cell: Cell; readonly key: string }>
  assembly: { count: number; pieces: Uint8Array[]; bytes: number } | undefined
}

interface Batch {
  readonly peer: Peer
  readonly subject: string
  readonly envelopes: Uint8Array[]
  bytes: number
  /** The broker shall say if nobody listens there. */
  probe: boolean
}

export interface PeerOptions {
  readonly heartbeatMs: number
  /** Silence of a peer with links after which the pair is broken. */
  readonly silenceMs: number
}

export class Peers {
  readonly #node: Node
  readonly #options: PeerOptions
  readonly #peers = new Map<string, Peer>()
  readonly #batches = new Map<string, Batch>()
  /** Frames that were no frames. */
  malformed = 0
  gaps = 0
  breaks = 0

  constructor(node: Node, options: PeerOptions) {
    this.#node = node
    this.#options = options
  }

  get all(): IterableIterator<Peer> {
    return this.#peers.values()
  }

  // ---- out

  /** Queues an envelope (with its `wire`) for its node. Sent at the end of the slice. */
  post(envelope: Envelope): void {
    const to = parsePid(envelope.to)
    const peer = this.peer(to.node)
    if (to.incarnation !== '' && peer.incarnation !== '' && to.incarnation !== peer.incarnation) {
      this.#node.undeliverable(envelope)
      return
    }
    const bytes = envelope.wire as Uint8Array
    const probe = envelope.ask !== 0 || envelope.type.startsWith('@')
    this.#queue(peer, to.id, bytes, probe)
  }

  #queue(peer: Peer, id: string, bytes: Uint8Array, probe: boolean): void {
    const subject = this.#node.subjects.pid(peer.name, id)
    let batch = this.#batches.get(subject)
    if (batch !== undefined && batch.bytes + bytes.length > FRAME_BYTES_MAX) {
      this.#publish(batch)
      batch = undefined
    }
    if (batch === undefined) {
      batch = { peer, subject, envelopes: [], bytes: 0, probe: false }
      this.#batches.set(subject, batch)
    }
    batch.envelopes.push(bytes)
    batch.bytes += bytes.length
    batch.probe ||= probe
    if (batch.bytes >= BATCH_BYTES) {
      this.#batches.delete(subject)
      this.#publish(batch)
    }
    this.#node.scheduleFlush()
  }

  flush(): void {
    if (this.#batches.size === 0) return
    const batches = [...this.#batches.values()]
    this.#batches.clear()
    for (const batch of batches) this.#publish(batch)
  }

  #publish(batch: Batch): void {
    const { peer } = batch
    const reply = batch.probe
      ? this.#node.subjects.pid(this.#node.name, `${ABSENT}${peer.name}`)
      : undefined
    const header = (kind: number): Header => ({
      node: this.#node.name,
      incarnation: this.#node.incarnation,
      toIncarnation: peer.incarnation,
      sequence: ++peer.sent,
      kind,
    })
    const { connection } = this.#node
    const limit = connection.maxPayload - 512
    try {
      if (batch.bytes <= limit) {
        connection.publish(
          batch.subject,
          encodeFrame(header(KIND_ENVELOPES), batch.envelopes),
          reply,
        )
        return
      }
      const content = join(new Uint8Array(0), batch.envelopes)
      for (const piece of encodePieces(() => header(KIND_PIECE), content, connection.maxPayload)) {
        connection.publish(batch.subject, piece, reply)
      }
    } catch (error) {
      // The connection is closed or its buffer is full: what was counted is lost, and is noticed.
      this.#node.log('warn', 'a frame could not be published', {
        to: peer.name,
        error: String(error),
      })
      this.break(peer, 'closed', false)
    }
  }

  // ---- in

  receive(delivery: Delivery): void {
    const id = delivery.subject.slice(delivery.subject.lastIndexOf('.') + 1)
    if (delivery.noResponders || id.startsWith(ABSENT)) {
      const peer = this.#peers.get(id.slice(ABSENT.length))
      if (delivery.noResponders && peer !== undefined) this.break(peer, 'absent', false)
      return
    }
    try {
      const { header, values } = decodeFrame(delivery.data)
      const peer = this.#heard(header)
      if (peer === undefined) return
      const content = header.kind === KIND_PIECE ? this.#assemble(peer, values[0]) : values
      for (const value of content ?? []) this.#accept(peer, id, readEnvelope(value, header))
    } catch (error) {
      this.malformed++
      this.#node.log('warn', 'a frame was refused', {
        subject: delivery.subject,
        error: String(error),
      })
    }
  }

  /** Counts the frame; undefined if it is not for this incarnation. */
  #heard(header: Header): Peer | undefined {
    const peer = this.peer(header.node)
    peer.heardMs = this.#node.ports.clock.monotonic()
    if (header.incarnation !== peer.incarnation) {
      if (peer.incarnation !== '') {
        this.break(peer, 'incarnation', false)
        peer.sent = 0
      }
      peer.incarnation = header.incarnation
      peer.received = 0
      peer.assembly = undefined
    }
    if (header.toIncarnation !== '' && header.toIncarnation !== this.#node.incarnation) {
      this.#control(peer, RESET, 'incarnation')
      return undefined
    }
    const expected = peer.received + 1
    peer.received = header.sequence
    if (header.sequence !== expected) {
      this.gaps++
      peer.assembly = undefined
      this.break(peer, 'gap', true)
    }
    return peer
  }

  #accept(peer: Peer, id: string, envelope: ReturnType<typeof readEnvelope>): void {
    if (id !== NODE_ID) {
      this.#node.deliverRemote(id, envelope)
      return
    }
    if (envelope.type === RESET) this.break(peer, String(envelope.body), false)
  }

  #assemble(peer: Peer, value: unknown): unknown[] | undefined {
    const { count, index, bytes } = readPiece(value)
    if (index === 0) peer.assembly = { count, pieces: [], bytes: 0 }
    const assembly = peer.assembly
    if (assembly === undefined || assembly.count !== count || assembly.pieces.length !== index) {
      throw new Error('a piece out of order')
    }
    assembly.bytes += bytes.length
    if (assembly.bytes > FRAME_BYTES_MAX) {
      peer.assembly = undefined
      throw new Error(`a frame of more than ${FRAME_BYTES_MAX} bytes`)
    }
    assembly.pieces.push(bytes)
    if (assembly.pieces.length < count) return undefined
    peer.assembly = undefined
    return decodeContent(join(new Uint8Array(0), assembly.pieces))
  }

  // ---- health

  peer(name: string): Peer {
    const known = this.#peers.get(name)
    if (known !== undefined) return known
    const peer: Peer = {
      name,
      incarnation: '',
      sent: 0,
      received: 0,
      heardMs: this.#node.ports.clock.monotonic(),
      links: new Map(),
      monitors: new Map(),
      watchers: new Map(),
      assembly: undefined,
    }
    if (this.#peers.size >= PEERS_MAX) this.#forgetOne()
    this.#peers.set(name, peer)
    return peer
  }

  #forgetOne(): void {
    for (const peer of this.#peers.values()) {
      if (!isWatched(peer)) {
        this.#peers.delete(peer.name)
        return
      }
    }
  }

  /** Called every `heartbeatMs`. */
  beat(): void {
    const now = this.#node.ports.clock.monotonic()
    for (const peer of this.#peers.values()) {
      if (!isWatched(peer)) continue
      if (now - peer.heardMs > this.#options.silenceMs) this.break(peer, 'heartbeat', true)
      else this.#control(peer, HEARTBEAT, null)
    }
    this.flush()
  }

  #control(peer: Peer, type: string, body: unknown): void {
    const self = pid(NODE_ID, this.#node.name)
    const bytes = encodeEnvelope(type, self, pid(NODE_ID, peer.name), 0, body)
    this.#queue(peer, NODE_ID, bytes, true)
  }

  /** Ends every link, monitor and request between this node and the peer. */
  break(peer: Peer, detail: string, tell: boolean): void {
    const reason = { kind: 'noconnection', detail } as const
    if (isWatched(peer)) this.breaks++
    const links = [...peer.links]
    const monitors = [...peer.monitors.values()]
    peer.links.clear()
    peer.monitors.clear()
    for (const { cell, key } of peer.watchers.values()) cell.watchers.delete(key)
    peer.watchers.clear()
    for (const [remote, cells] of links) {
      for (const cell of cells) {
        if (!cell.links.delete(remote)) continue
        this.#node.enqueue(cell, new Envelope(EXIT, { pid: remote, reason }, remote, cell.self, 0))
      }
    }
    for (const { cell, ref, target } of monitors) {
      if (!cell.monitors.delete(ref)) continue
      this.#node.enqueue(
        cell,
        new Envelope(DOWN, { ref, pid: target, reason }, target, cell.self, 0),
      )
    }
    this.#node.failAsksTo(peer.name, {
      code: 'DISCONNECTED',
      message: `messages to or from node ${peer.name} may have been lost (${detail})`,
    })
    // The count started before it knew of a frame; a peer heard of again begins with a clean slate.
    peer.heardMs = this.#node.ports.clock.monotonic()
    if (tell) this.#control(peer, RESET, detail)
  }
}

function isWatched(peer: Peer): boolean {
  return peer.links.size > 0 || peer.monitors.size > 0 || peer.watchers.size > 0
}
