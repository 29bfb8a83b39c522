/**
 * The other nodes, as this one knows them. NATS loses messages in silence (a partition, a reconnect, a
 * slow consumer), so each ordered pair of nodes counts its frames. A gap, missed heartbeats, a new
 * incarnation or the broker's "no responders" *breaks* the pair: every link, monitor and request between
 * the two nodes ends with `noconnection`, on both sides (design.md §3). After a break the pair goes on.
 *
 * How both sides agree: a break begins a new numbered *stream* of frames to the peer, counted from 1.
 * Each frame says its stream and, as `seen`, the last stream that its sender has had from the receiver.
 * A higher stream tells the receiver that the other side has broken the pair, so it does the same. A frame
 * whose `seen` is behind was sent before its sender knew of the break: its links and monitors would be
 * known to one side only, and are ignored, for the sender is about to end them itself.
 *
 * Duplicates and frames that were overtaken are dropped: at most once, in order (simulation.md §9, S2).
 */

import type { PendingAsk } from './asks.ts'
import { Assemblies } from './assemblies.ts'
import type { Cell } from './cell.ts'
import { DOWN, Envelope } from './envelope.ts'
import { type Address, FrameSender } from './frame-sender.ts'
import * as links from './links.ts'
import type { Node } from './node.ts'
import { type Pid, parsePid, pid } from './pid.ts'
import type { Delivery } from './ports.ts'
import {
  decodeFrame,
  EnvelopeReader,
  encodeEnvelope,
  type Header,
  KIND_PIECE,
  readPiece,
} from './wire.ts'

/** Peers without links are forgotten beyond this, the first known first. */
const PEERS_MAX = 65_536
/** Peers that are looked at in one turn: some milliseconds of work, however many there are. */
const BEAT_PEERS_MAX = 500
/**
 * Incarnations of a peer that are known to be over, so that their late frames are not heard: more than it can
 * have within the time that a frame may be under way, even if its program dies every second.
 */
const FORMER_MAX = 64

/** The id on which a node itself is addressed. */
const NODE_ID = '_node'
/** Neither end is named in it: one for all. */
const heartbeat = encodeEnvelope('@heartbeat', pid(NODE_ID, '_'), pid(NODE_ID, '_'), 0, null, '')

export interface Peer extends Address {
  readonly name: string
  /** Empty until it has been heard of. */
  incarnation: string
  readonly former: string[]
  /** What has been sent to it. */
  stream: number
  sent: number
  /** What has been received from it. */
  seen: number
  received: number
  /** When something was heard of it, or its silence began to count anew. */
  heardMs: number
  /** When this incarnation was heard. */
  spokeMs: number
  /** Links between actors here and there, by the key of the end here. */
  readonly links: Map<string, { readonly cell: Cell; readonly other: Pid; readonly me: Pid }>
  /** Monitors held here on actors there. */
  readonly monitors: Map<
    string,
    { readonly cell: Cell; readonly ref: number; readonly target: Pid }
  >
  /** Monitors held there on actors here. */
  readonly watchers: Map<string, { readonly cell: Cell; readonly key: string }>
  /** Requests made here whose answer is to come from there. */
  readonly asks: Set<PendingAsk>
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
  readonly #sender: FrameSender
  readonly #assemblies = new Assemblies()
  /** The rest of the heartbeats that are under way. */
  #round: Iterator<Peer> | undefined
  /** First stream of a new peer: above all that peers forgotten meanwhile have had. */
  #firstStream = 0
  /** Frames that were no frames. */
  malformed = 0
  gaps = 0
  breaks = 0
  /** Frames that came twice, too late, or for an incarnation that is over. */
  dropped = 0

  constructor(node: Node, options: PeerOptions) {
    this.#node = node
    this.#options = options
    this.#sender = new FrameSender(node, (address) => this.#break(address as Peer, 'closed'))
  }

  get all(): IterableIterator<Peer> {
    return this.#peers.values()
  }

  peer(name: string): Peer {
    const known = this.#peers.get(name)
    if (known !== undefined) return known
    const nowMs = this.#node.ports.clock.monotonic()
    const peer: Peer = {
      name,
      incarnation: '',
      former: [],
      stream: this.#firstStream,
      sent: 0,
      seen: 0,
      received: 0,
      heardMs: nowMs,
      spokeMs: nowMs,
      links: new Map(),
      monitors: new Map(),
      watchers: new Map(),
      asks: new Set(),
    }
    if (this.#peers.size >= PEERS_MAX) this.#forgetOne()
    this.#peers.set(name, peer)
    return peer
  }

  /**
   * The peer of an address that is about to be written to. If that names another incarnation than is known
   * here, and nothing is between the two nodes, the pair begins anew: else the first frame to a node that
   * was started again would itself break what it is to begin.
   */
  addressed(address: Pid): Peer {
    const { node, incarnation } = parsePid(address)
    const peer = this.peer(node)
    const isOther =
      incarnation !== '' && peer.incarnation !== '' && incarnation !== peer.incarnation
    if (isOther && !isWatched(peer) && peer.asks.size === 0 && !peer.former.includes(incarnation)) {
      this.#forget(peer)
    }
    return peer
  }

  /** Of the two incarnations the known one may after all be the later: it is not taken for over. */
  #forget(peer: Peer): void {
    this.#sender.discard(peer)
    this.#assemblies.drop(peer.name)
    peer.stream++
    peer.sent = 0
    peer.incarnation = ''
    peer.seen = 0
    peer.received = 0
  }

  /** The peer of an address whose links or monitors are about to change. */
  watched(address: Pid): Peer {
    const peer = this.addressed(address)
    // Nothing was expected of it until now; its silence counts from here.
    if (!isWatched(peer)) peer.heardMs = this.#node.ports.clock.monotonic()
    return peer
  }

  #forgetOne(): void {
    for (const peer of this.#peers.values()) {
      if (isWatched(peer) || peer.asks.size > 0) continue
      this.#firstStream = Math.max(this.#firstStream, peer.stream + 1)
      this.#assemblies.drop(peer.name)
      this.#peers.delete(peer.name)
      return
    }
  }

  // ---- out

  /** Queues an envelope (with its `wire`) for its node. Sent at the end of the slice. */
  post(envelope: Envelope): void {
    const to = parsePid(envelope.to)
    // Where an answer is awaited, the broker shall say if nobody listens.
    const probe = envelope.ask !== 0 || envelope.type.startsWith('@')
    this.#sender.queue(this.peer(to.node), to.id, envelope.wire as Uint8Array, probe)
    this.#node.scheduleFlush()
  }

  flush(): void {
    this.#sender.flush()
  }

  #heartbeat(peer: Peer): void {
    this.#sender.queue(peer, NODE_ID, heartbeat, true)
    this.#node.scheduleFlush()
  }

  // ---- in

  receive(delivery: Delivery): void {
    const id = delivery.subject.slice(delivery.subject.lastIndexOf('.') + 1)
    const absent = this.#sender.absentee(id)
    if (delivery.noResponders || absent !== undefined) {
      const peer = this.#peers.get(absent ?? '')
      if (delivery.noResponders && peer !== undefined) this.#break(peer, 'absent')
      return
    }
    let peer: Peer | undefined
    try {
      const { header, values } = decodeFrame(delivery.data)
      peer = this.#count(header)
      if (peer === undefined) return
      const content = header.kind === KIND_PIECE ? this.#assemble(peer, values[0]) : values
      this.#accept(peer, id, header, content)
    } catch (error) {
      this.malformed++
      const fields = { subject: delivery.subject, error: String(error) }
      this.#node.log('warn', 'a frame was refused', fields)
      if (peer !== undefined) this.#breakAloud(peer, 'malformed')
    }
  }

  /** Counts the frame; undefined if it is to be dropped. */
  #count(header: Header): Peer | undefined {
    const node = this.#node
    if (header.node === node.name) throw new Error(`another node is called ${node.name}`)
    const peer = this.peer(header.node)
    if (peer.former.includes(header.incarnation)) return this.#hearFormer(peer, header)
    if (header.incarnation !== peer.incarnation) this.#renew(peer, header.incarnation)
    peer.heardMs = node.ports.clock.monotonic()
    peer.spokeMs = peer.heardMs
    if (header.toIncarnation !== '' && header.toIncarnation !== node.incarnation) {
      // Whatever comes back tells it that its peer is a new one.
      this.#heartbeat(peer)
      return this.#drop()
    }
    if (header.stream < peer.seen) return this.#drop()
    if (header.stream > peer.seen) {
      // Nothing is ended for a first frame: there can be no link yet.
      if (peer.received > 0 || isWatched(peer)) this.#end(peer, 'told')
      peer.seen = header.stream
      peer.received = 0
    }
    if (header.sequence <= peer.received) return this.#drop()
    const isGap = header.sequence !== peer.received + 1
    peer.received = header.sequence
    if (isGap) {
      this.gaps++
      this.#breakAloud(peer, 'gap')
    }
    return peer
  }

  /**
   * An incarnation that is over is not heard. But if the later one has been silent for long, it was not the
   * later one: a frame from before came late, after the peer's first. Who speaks next is believed.
   */
  #hearFormer(peer: Peer, { incarnation }: Header): undefined {
    if (this.#node.ports.clock.monotonic() - peer.spokeMs > this.#options.silenceMs) {
      this.#break(peer, 'incarnation')
      peer.former.splice(peer.former.indexOf(incarnation), 1)
      this.#forget(peer)
    }
    return this.#drop()
  }

  #drop(): undefined {
    this.dropped++
  }

  /** It has another incarnation than it had: the one before is over. */
  #renew(peer: Peer, incarnation: string): void {
    if (peer.incarnation !== '') {
      this.#break(peer, 'incarnation')
      this.#sender.discard(peer)
      peer.former.push(peer.incarnation)
      if (peer.former.length > FORMER_MAX) peer.former.shift()
    }
    peer.incarnation = incarnation
    peer.seen = 0
    peer.received = 0
    this.#assemblies.drop(peer.name)
  }

  #assemble(peer: Peer, value: unknown): unknown[] {
    const assembled = this.#assemblies.add(peer.name, readPiece(value))
    return assembled ?? []
  }

  #accept(peer: Peer, id: string, header: Header, content: readonly unknown[]): void {
    const reader = new EnvelopeReader(header)
    let repeat = false
    for (const value of content) {
      const envelope = reader.read(value)
      const stale = header.seen !== peer.stream
      if (id === NODE_ID) repeat ||= stale
      else {
        repeat ||= stale && links.isControl(envelope.type)
        this.#node.deliverRemote(id, envelope, stale)
      }
    }
    // It has not heard of the break yet, and has links that this side does not have.
    if (repeat) this.#heartbeat(peer)
  }

  // ---- health

  /**
   * Begins the heartbeats, every `heartbeatMs`, or goes on with them: of as many peers as one turn has time
   * for. Returns whether that was all; if not, it is to be called again after the turns of others.
   */
  beat(): boolean {
    this.#round ??= this.#peers.values()
    const round = this.#round
    for (let count = 0; count < BEAT_PEERS_MAX; count++) {
      const { done, value } = round.next()
      if (done) {
        this.#round = undefined
        break
      }
      this.#beatOne(value)
    }
    this.flush()
    return this.#round === undefined
  }

  #beatOne(peer: Peer): void {
    const silentMs = this.#node.ports.clock.monotonic() - peer.heardMs
    // What it has said may be among what waits.
    const silent = !this.#node.inlet.isBehind && silentMs > this.#options.silenceMs
    if (silent) this.#assemblies.drop(peer.name)
    if (!isWatched(peer)) return
    if (silent) this.#breakAloud(peer, 'heartbeat')
    else this.#sender.queue(peer, NODE_ID, heartbeat, true)
  }

  /** Ends what is between the two nodes, and lets the peer know. */
  #breakAloud(peer: Peer, detail: string): void {
    this.#break(peer, detail)
    this.#heartbeat(peer)
  }

  #break(peer: Peer, detail: string): void {
    peer.stream++
    peer.sent = 0
    this.#end(peer, detail)
  }

  /** Ends every link, monitor and request between this node and the peer, on this side. */
  #end(peer: Peer, detail: string): void {
    const node = this.#node
    const reason = { kind: 'noconnection', detail } as const
    if (isWatched(peer)) this.breaks++
    this.#assemblies.drop(peer.name)
    for (const [key, { cell, other, me }] of peer.links) {
      if (cell.links.delete(key)) links.notifyExit(node, cell, other, me, reason)
    }
    for (const { cell, ref, target } of peer.monitors.values()) {
      node.enqueue(cell, new Envelope(DOWN, { ref, pid: target, reason }, target, cell.self, 0))
    }
    for (const { cell, key } of peer.watchers.values()) cell.watchers.delete(key)
    peer.links.clear()
    peer.monitors.clear()
    peer.watchers.clear()
    const message = `messages to or from node ${peer.name} may have been lost (${detail})`
    for (const ask of peer.asks) ask.fail({ code: 'DISCONNECTED', message })
    peer.asks.clear()
    peer.heardMs = node.ports.clock.monotonic()
  }
}

function isWatched(peer: Peer): boolean {
  return peer.links.size > 0 || peer.monitors.size > 0 || peer.watchers.size > 0
}
