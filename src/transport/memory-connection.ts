/**
 * A client's end of the in-memory network: what it has published and subscribed waits here for its
 * turn to reach the broker, and what the broker sends waits here for its turn to reach the handlers.
 * Every turn is a deferred one of the clock port, so that a handler is never called from within a
 * publish, and the virtual clock decides the order of everything.
 */
import {
  type Clock,
  type Connection,
  type ConnectionStatus,
  type Delivery,
  type Subscription,
  TransportError,
} from '../runtime/ports.ts'
import { checkPattern, checkQueue, checkSubject } from './subject.ts'

/** What the broker knows of a subscription. */
export interface Interest {
  readonly connection: MemoryConnection
  readonly subject: string
  readonly queue: string | undefined
  readonly handler: (delivery: Delivery) => void
  open: boolean
}

/** What a client says to the broker, in order. */
export type Command =
  | {
      readonly type: 'publish'
      readonly subject: string
      readonly data: Uint8Array
      readonly reply: string | undefined
    }
  | { readonly type: 'subscribe' | 'unsubscribe'; readonly interest: Interest }

/** The broker as its connections see it. */
export interface BrokerSide {
  readonly clock: Clock
  readonly maxPayload: number
  /** Limit for bytes that wait, towards the broker and towards the client each. */
  readonly pendingBytesMax: number
  accept(from: MemoryConnection, command: Command): void
  /** The connection has taken too much without handing it over. */
  slowConsumer(connection: MemoryConnection): void
  closed(connection: MemoryConnection): void
}

interface Waiting {
  readonly interest: Interest
  readonly delivery: Delivery
}

/** Bytes that a message takes in a queue, its payload aside. */
const messageOverhead = 64

export class MemoryConnection implements Connection {
  /** Name of the transport that it came from: what faults are aimed at. */
  readonly owner: string
  readonly interests = new Set<Interest>()
  readonly #broker: BrokerSide
  readonly #listeners: Array<(status: ConnectionStatus) => void> = []
  #state: 'connected' | 'disconnected' | 'closed' = 'connected'
  /** Counts the connections to the broker: what was on its way in an earlier one is lost. */
  #session = 0
  #outgoing: Command[] = []
  #outgoingBytes = 0
  #overflowing = false
  #incoming: Waiting[] = []
  #incomingBytes = 0
  /** For each publisher what is on its way with latency, in order. */
  readonly #lines = new Map<MemoryConnection, { due: number; waiting: Waiting[] }>()

  constructor(owner: string, broker: BrokerSide) {
    this.owner = owner
    this.#broker = broker
  }

  get maxPayload(): number {
    return this.#broker.maxPayload
  }

  get connected(): boolean {
    return this.#state === 'connected'
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#requireOpen()
    checkSubject(subject)
    if (reply !== undefined) checkSubject(reply)
    if (data.length > this.maxPayload) {
      throw new TransportError(
        'PAYLOAD_TOO_LARGE',
        `${data.length} bytes for ${subject} exceed the broker's limit of ${this.maxPayload}`,
      )
    }
    // As with a real broker that is away: what is published meanwhile is lost.
    if (!this.connected || !this.#hasRoom(data.length + messageOverhead)) return
    this.#send({ type: 'publish', subject, data, reply })
  }

  subscribe(subject: string, handler: (delivery: Delivery) => void, queue?: string): Subscription {
    this.#requireOpen()
    checkPattern(subject)
    if (queue !== undefined) checkQueue(queue)
    const interest: Interest = { connection: this, subject, queue, handler, open: true }
    this.interests.add(interest)
    if (this.connected) this.#send({ type: 'subscribe', interest })
    return {
      close: () => {
        if (!interest.open) return
        interest.open = false
        this.interests.delete(interest)
        if (this.connected) this.#send({ type: 'unsubscribe', interest })
      },
    }
  }

  /** Hands everything to the broker at once: it needs no turn of the clock. */
  async flush(): Promise<void> {
    this.#requireOpen()
    if (!this.connected) {
      throw new TransportError(
        'CONNECTION_CLOSED',
        'the connection was lost before the broker confirmed what was published',
      )
    }
    this.#handOver()
  }

  onStatus(listener: (status: ConnectionStatus) => void): void {
    this.#listeners.push(listener)
  }

  pendingBytes(): number {
    return this.#outgoingBytes
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    if (this.connected) this.#handOver()
    this.#state = 'closed'
    this.#forgetTraffic()
    this.#broker.closed(this)
    for (const interest of this.interests) interest.open = false
    this.interests.clear()
    this.#emit({ type: 'closed' })
  }

  /** The broker is gone, or has cut this connection. */
  disconnect(reason?: string): void {
    if (!this.connected) return
    this.#state = 'disconnected'
    const unsaid = this.#outgoing
    this.#forgetTraffic()
    for (const command of unsaid) {
      if (command.type === 'unsubscribe') this.#broker.accept(this, command)
    }
    if (reason !== undefined) this.#emitLater({ type: 'lost', reason })
    this.#emitLater({ type: 'disconnected' })
  }

  /** The broker is back. It has forgotten every subscription. */
  reconnect(): void {
    if (this.#state !== 'disconnected') return
    this.#state = 'connected'
    this.#overflowing = false
    for (const interest of this.interests) this.#send({ type: 'subscribe', interest })
    this.#emitLater({ type: 'reconnected' })
  }

  /** The broker refused something for lack of permission. */
  deny(operation: 'publish' | 'subscribe', subject: string): void {
    this.#emitLater({ type: 'denied', operation, subject })
  }

  /**
   * Takes a delivery from the broker. What comes from one publisher with `latencyMs` keeps its order;
   * `astrayMs` above 0 takes it out of the line, so long after its turn.
   */
  deliver(
    from: MemoryConnection,
    interest: Interest,
    delivery: Delivery,
    latencyMs: number,
    astrayMs: number,
  ): void {
    // An earlier receiver of the same message may have been the end of this connection.
    if (!this.connected) return
    const waiting: Waiting = { interest, delivery }
    this.#incomingBytes += delivery.data.length + messageOverhead
    if (this.#incomingBytes > this.#broker.pendingBytesMax) {
      this.#broker.slowConsumer(this)
      return
    }
    if (astrayMs > 0) {
      const turnMs = Math.max(latencyMs, this.#lineMs(from))
      this.#after(turnMs + astrayMs, () => this.#arrive(waiting))
    } else if (latencyMs > 0 || this.#lines.has(from)) this.#queueInLine(from, waiting, latencyMs)
    else this.#arrive(waiting)
  }

  /** How long the last one from there that is on its way still takes. */
  #lineMs(from: MemoryConnection): number {
    return (this.#lines.get(from)?.due ?? 0) - this.#broker.clock.monotonic()
  }

  #queueInLine(from: MemoryConnection, waiting: Waiting, latencyMs: number): void {
    const now = this.#broker.clock.monotonic()
    const line = this.#lines.get(from) ?? { due: now, waiting: [] }
    this.#lines.set(from, line)
    line.due = Math.max(line.due, now + latencyMs)
    line.waiting.push(waiting)
    this.#after(line.due - now, () => {
      // Whichever timer comes first, the head of the line goes first.
      const head = line.waiting.shift()
      if (line.waiting.length === 0) this.#lines.delete(from)
      if (head) this.#arrive(head)
    })
  }

  #arrive(waiting: Waiting): void {
    if (this.#incoming.length === 0) this.#deferInSession(() => this.#handleIncoming())
    this.#incoming.push(waiting)
  }

  #handleIncoming(): void {
    const batch = this.#incoming
    this.#incoming = []
    const session = this.#session
    for (const { interest, delivery } of batch) {
      // A handler may close the connection, or bring about that it is cut.
      if (session !== this.#session) return
      this.#incomingBytes -= delivery.data.length + messageOverhead
      if (!interest.open) continue
      try {
        interest.handler(delivery)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        this.#emit({ type: 'lost', reason: `handler of ${interest.subject} failed: ${message}` })
      }
    }
  }

  #send(command: Command): void {
    if (this.#outgoing.length === 0) this.#deferInSession(() => this.#handOver())
    this.#outgoing.push(command)
    if (command.type === 'publish') this.#outgoingBytes += command.data.length + messageOverhead
  }

  #handOver(): void {
    const commands = this.#outgoing
    this.#outgoing = []
    this.#outgoingBytes = 0
    const session = this.#session
    for (const command of commands) {
      // A cut in the midst loses the rest, but the broker must not keep an interest that has ended.
      if (session === this.#session || command.type === 'unsubscribe') {
        this.#broker.accept(this, command)
      }
    }
  }

  #hasRoom(bytes: number): boolean {
    if (this.#outgoingBytes + bytes <= this.#broker.pendingBytesMax) {
      this.#overflowing = false
      return true
    }
    if (!this.#overflowing) {
      this.#overflowing = true
      const reason = `${this.#outgoingBytes} bytes wait to be sent: dropping`
      this.#emitLater({ type: 'lost', reason })
    }
    return false
  }

  #forgetTraffic(): void {
    this.#session++
    this.#outgoing = []
    this.#outgoingBytes = 0
    this.#incoming = []
    this.#incomingBytes = 0
    this.#lines.clear()
  }

  #deferInSession(run: () => void): void {
    const session = this.#session
    this.#broker.clock.defer(() => {
      if (session === this.#session) run()
    })
  }

  #after(delayMs: number, run: () => void): void {
    const session = this.#session
    this.#broker.clock.setTimeout(() => {
      if (session === this.#session) run()
    }, delayMs)
  }

  #requireOpen(): void {
    if (this.#state === 'closed') {
      throw new TransportError('CONNECTION_CLOSED', 'the connection to the broker is closed')
    }
  }

  #emitLater(status: ConnectionStatus): void {
    this.#broker.clock.defer(() => {
      if (this.#state !== 'closed') this.#emit(status)
    })
  }

  #emit(status: ConnectionStatus): void {
    for (const listener of this.#listeners) listener(status)
  }
}
