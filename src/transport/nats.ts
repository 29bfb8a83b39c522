/**
 * The transport port on NATS: the only file that knows the client library, whose successor has other
 * names for everything.
 *
 * What it promises beyond the port:
 * - Nothing is buffered while the broker is away: what is published then is dropped. Order does not
 *   hold across a reconnect anyway, and old news in a burst is worse than none.
 * - Bytes that wait to be sent are bounded (`pendingBytesMax`, 64 MiB). What is published beyond that
 *   is dropped, and the first drop of such a spell is told as status `lost`.
 * - It reconnects for ever. A broker that is silent is given up after `pingIntervalMs` times
 *   (`pingsOutstandingMax` + 1), 6 s by default.
 */
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  DebugEvents,
  ErrorCode,
  Events,
  type Msg,
  type NatsConnection,
  type NatsError,
  nkeyAuthenticator,
  type Status,
} from 'nats'
import {
  type Connection,
  type ConnectionStatus,
  type ConnectOptions,
  type Delivery,
  type Subscription,
  type Transport,
  TransportError,
} from '../runtime/ports.ts'
import { parseAddress } from './address.ts'
import { checkPattern, checkQueue, checkSubject } from './subject.ts'

export interface NatsTransportOptions {
  /**
   * Addresses such as `nats://127.0.0.1:4222` or `host:port`; tried in random order. One may hold
   * credentials (`nats://user:password@host`, `nats://token@host`), which are used for all.
   */
  readonly servers: readonly string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /** Content of a `.creds` file. */
  readonly credentials?: Uint8Array
  /** Seed of an nkey user (`SU...`). */
  readonly nkeySeed?: Uint8Array
  /** Paths of PEM files; an empty object means TLS with the system's authorities. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** How long `connect` goes on trying while no server answers. Default 0: each server once. */
  readonly connectTimeoutMs?: number
  /** Limit of one attempt to connect. Default 2,000. */
  readonly attemptTimeoutMs?: number
  /** Pause between attempts to reconnect, to which as much again is added at random. Default 250. */
  readonly reconnectWaitMs?: number
  /** Default 2,000. */
  readonly pingIntervalMs?: number
  /** Default 2. */
  readonly pingsOutstandingMax?: number
  /** Bytes that may wait to be sent. Default 64 MiB. */
  readonly pendingBytesMax?: number
}

/** How long `close` waits for the broker to take what is left. */
const closeFlushMs = 1_000
const defaultReconnectWaitMs = 250
/** What a nats-server takes unless configured otherwise. */
const defaultMaxPayload = 1_048_576

/**
 * A broker reached by NATS.
 *
 * @example
 * const transport = natsTransport({ servers: ['127.0.0.1:4222'] })
 * const connection = await transport.connect({ name: 'agent-1' })
 */
export function natsTransport(options: NatsTransportOptions): Transport {
  return {
    /** @throws TransportError `CONNECT_FAILED`, which names the addresses and what to do */
    async connect({ name }: ConnectOptions): Promise<Connection> {
      const { connectTimeoutMs = 0, reconnectWaitMs = defaultReconnectWaitMs } = options
      const deadline = performance.now() + connectTimeoutMs
      for (;;) {
        try {
          return new NatsTransportConnection(await connect(clientOptions(options, name)), options)
        } catch (error) {
          const patient = performance.now() + reconnectWaitMs < deadline
          if (!patient || !isUnreachable(error)) throw connectFailed(options, error)
        }
        await new Promise((resolve) => setTimeout(resolve, reconnectWaitMs))
      }
    },
  }
}

function clientOptions(options: NatsTransportOptions, name: string): ConnectionOptions {
  const { credentials, nkeySeed, tls } = options
  const addresses = options.servers.map(parseAddress)
  const given = addresses.find((each) => each.user !== undefined || each.token !== undefined)
  const { user = given?.user, pass = given?.pass, token = given?.token } = options
  const reconnectWaitMs = options.reconnectWaitMs ?? defaultReconnectWaitMs
  const authenticators: Authenticator[] = []
  if (credentials) authenticators.push(credsAuthenticator(credentials))
  if (nkeySeed) authenticators.push(nkeyAuthenticator(nkeySeed))
  return {
    name,
    // The client passes over credentials in addresses.
    servers: addresses.map(({ address }) => address),
    // The client's own look-up asks name servers only and knows no /etc/hosts.
    resolve: false,
    timeout: options.attemptTimeoutMs ?? 2_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectWaitMs,
    reconnectJitter: reconnectWaitMs,
    reconnectJitterTLS: reconnectWaitMs,
    pingInterval: options.pingIntervalMs ?? 2_000,
    maxPingOut: options.pingsOutstandingMax ?? 2,
    noAsyncTraces: true,
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
    ...(authenticators.length === 0 ? {} : { authenticator: authenticators }),
  }
}

/** Parts of the client that it does not export: nothing public tells what waits to be sent. */
interface ClientInternals {
  readonly protocol: {
    readonly outbound: { size(): number }
    readonly transport?: { readonly socket?: { readonly writableLength: number } }
  }
}

class NatsTransportConnection implements Connection {
  readonly #client: NatsConnection
  readonly #pendingBytesMax: number
  readonly #listeners: Array<(status: ConnectionStatus) => void> = []
  /** Rejects the flushes under way: the client leaves them hanging when it closes. */
  readonly #flushes = new Set<() => void>()
  #maxPayload = defaultMaxPayload
  #connected = true
  #closing: Promise<void> | undefined
  #ended = false
  #overflowing = false

  constructor(client: NatsConnection, options: NatsTransportOptions) {
    this.#client = client
    this.#pendingBytesMax = options.pendingBytesMax ?? 64 * 1_048_576
    void this.#followStatus()
    void client.closed().then((error) => this.#end(error ?? undefined))
  }

  /** Of the server connected to, which may differ after a reconnect; while away, of the last one. */
  get maxPayload(): number {
    this.#maxPayload = this.#client.info?.max_payload ?? this.#maxPayload
    return this.#maxPayload
  }

  get connected(): boolean {
    return this.#connected
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#requireOpen()
    checkSubject(subject)
    if (reply !== undefined) checkSubject(reply)
    if (data.length > this.maxPayload) {
      throw new TransportError(
        'PAYLOAD_TOO_LARGE',
        `${data.length} bytes for ${subject} exceed the broker's limit of ${this.#maxPayload}`,
      )
    }
    if (!this.#connected || !this.#hasRoom(data.length)) return
    this.#client.publish(subject, data, reply === undefined ? undefined : { reply })
  }

  subscribe(subject: string, handler: (delivery: Delivery) => void, queue?: string): Subscription {
    this.#requireOpen()
    checkPattern(subject)
    if (queue !== undefined) checkQueue(queue)
    let open = true
    const subscription = this.#client.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        // Errors (a permission refused) arrive as status too, and from there reach the owner.
        if (error || !open || this.#closing) return
        try {
          handler(new NatsDelivery(message))
        } catch (thrown) {
          // Thrown into the client it would end its reader, and with it the connection.
          this.#emit({ type: 'lost', reason: `handler of ${subject} failed: ${text(thrown)}` })
        }
      },
    })
    return {
      close() {
        if (!open) return
        open = false
        subscription.unsubscribe()
      },
    }
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requireOpen()
      this.#awaitFlush(resolve, reject)
    })
  }

  onStatus(listener: (status: ConnectionStatus) => void): void {
    this.#listeners.push(listener)
  }

  pendingBytes(): number {
    const { protocol } = this.#client as unknown as ClientInternals
    return protocol.outbound.size() + (protocol.transport?.socket?.writableLength ?? 0)
  }

  close(): Promise<void> {
    this.#closing ??= this.#ended ? Promise.resolve() : this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#connected) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, closeFlushMs)
        const done = () => {
          clearTimeout(timer)
          resolve()
        }
        this.#awaitFlush(done, done)
      })
    }
    await this.#client.close()
    this.#end(undefined)
  }

  #awaitFlush(resolve: () => void, reject: (error: TransportError) => void): void {
    const fail = () => {
      this.#flushes.delete(fail)
      reject(
        new TransportError(
          'CONNECTION_CLOSED',
          'the connection was lost before the broker confirmed what was published',
        ),
      )
    }
    this.#flushes.add(fail)
    this.#client.flush().then(() => {
      this.#flushes.delete(fail)
      resolve()
    }, fail)
  }

  #requireOpen(): void {
    if (this.#closing || this.#client.isClosed()) {
      throw new TransportError('CONNECTION_CLOSED', 'the connection to the broker is closed')
    }
  }

  #hasRoom(bytes: number): boolean {
    const pending = this.pendingBytes()
    if (pending + bytes <= this.#pendingBytesMax) {
      this.#overflowing = false
      return true
    }
    if (!this.#overflowing) {
      this.#overflowing = true
      this.#emit({ type: 'lost', reason: `${pending} bytes wait to be sent: dropping` })
    }
    return false
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.#client.status()) this.#onClientStatus(status)
  }

  #onClientStatus(status: Status): void {
    switch (status.type) {
      case Events.Disconnect:
        if (!this.#connected) return
        this.#connected = false
        this.#emit({ type: 'disconnected' })
        return
      case Events.Reconnect:
        this.#connected = true
        this.#overflowing = false
        this.#emit({ type: 'reconnected' })
        return
      case Events.Error: {
        const { permissionContext: context } = status
        if (context) {
          const operation = context.operation === 'publish' ? 'publish' : 'subscribe'
          this.#emit({ type: 'denied', operation, subject: context.subject })
        } else {
          this.#emit({ type: 'lost', reason: `the broker reported ${String(status.data)}` })
        }
        return
      }
      case DebugEvents.StaleConnection:
        this.#emit({ type: 'lost', reason: 'the broker does not answer' })
        return
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#connected = false
    for (const fail of [...this.#flushes]) fail()
    this.#emit(error ? { type: 'closed', error } : { type: 'closed' })
  }

  #emit(status: ConnectionStatus): void {
    for (const listener of this.#listeners) listener(status)
  }
}

/** Reads a message of the client when asked: decoding a reply subject that nobody reads costs. */
class NatsDelivery implements Delivery {
  readonly #message: Msg

  constructor(message: Msg) {
    this.#message = message
  }

  get subject(): string {
    return this.#message.subject
  }

  get data(): Uint8Array {
    return this.#message.data
  }

  get reply(): string | undefined {
    return this.#message.reply || undefined
  }

  get noResponders(): boolean {
    return this.#message.data.length === 0 && this.#message.headers?.code === 503
  }
}

/** Whether trying again may help. Wrong credentials stay wrong. */
function isUnreachable(error: unknown): boolean {
  const { code } = error as Partial<NatsError>
  return (
    code === ErrorCode.ConnectionRefused ||
    code === ErrorCode.Timeout ||
    code === ErrorCode.ConnectionTimeout ||
    ['ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'].includes(
      code ?? '',
    )
  )
}

function connectFailed(options: NatsTransportOptions, cause: unknown): TransportError {
  const shown = options.servers.map((text) => parseAddress(text).address)
  const addresses = shown.join(', ') || 'the default address'
  const message = isUnreachable(cause)
    ? `no NATS server answers at ${addresses} (${text(cause)}): start one with "nats-server", or give the address of one that runs`
    : `the NATS server at ${addresses} refused the connection (${text(cause)}): check the credentials and the TLS settings`
  return new TransportError('CONNECT_FAILED', message, { cause })
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
