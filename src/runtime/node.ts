/**
 * A node: the actors of one process (or of one simulated process), their run queue, and their connection
 * to the broker. It serves turns and routes messages. Guarantees: docs/runtime.md.
 */
import type { Subjects } from '../../protocol/subjects.ts'
import { subjects as subjectsOf } from '../../protocol/subjects.ts'
import type { PendingAsk } from './asks.ts'
import type { ChildSpec } from './behaviour.ts'
import type { Cell } from './cell.ts'
import { type ConnectionOptions, Connections } from './connections.ts'
import type { RawPublish } from './context.ts'
import { copy } from './copy.ts'
import { DeadLetters } from './dead-letters.ts'
import {
  type AskError,
  CALL,
  call,
  DOWN,
  Envelope,
  EXIT,
  isOutcome,
  REPLY,
  STOPPING,
} from './envelope.ts'
import {
  crashed,
  describe,
  type ExitNotice,
  type ExitReason,
  FENCED,
  isOrderly,
  SHUTDOWN,
} from './exit.ts'
import { Inlet } from './inlet.ts'
import * as links from './links.ts'
import { Peers } from './peers.ts'
import { exactPid, isToken, type Pid, parsePid, pid } from './pid.ts'
import type {
  Connection,
  ConnectionStatus,
  Delivery,
  LogLevel,
  Ports,
  Subscription,
  TimerHandle,
} from './ports.ts'
import { Registry } from './registry.ts'
import { Requests } from './requests.ts'
import { RunQueue } from './run-queue.ts'
import { openService } from './service.ts'
import { rootSpec, type SupervisorOptions } from './supervisor.ts'
import { encodeEnvelope, FRAME_BYTES_MAX, type WireEnvelope } from './wire.ts'

export interface NodeOptions extends ConnectionOptions {
  /** Unique in the cluster. One subject token. */
  readonly name: string
  readonly cluster?: string
  readonly ports: Ports
  /** Default 2000; a peer with links is given up after `silenceMs`, default 10000. */
  readonly heartbeatMs?: number
  readonly silenceMs?: number
  /** How the root treats its children. Default one_for_one, 10 restarts in 10 s. */
  readonly supervision?: Partial<SupervisorOptions>
  readonly children?: readonly ChildSpec[]
  /** Called once if the root gives up: the process should end. */
  readonly onFailure?: (reason: ExitReason) => void
  /** Called once if the root ends because a significant child has: the process may end. */
  readonly onEnd?: (reason: ExitReason) => void
}

/**
 * Looks at each message, answer and notice about to be served; `drop` loses it. For tests and traces.
 */
export type Interceptor = (envelope: Envelope) => 'deliver' | 'drop'

/** Connects and starts the root's children, in order. Rejects if the broker cannot be reached. */
export async function startNode(options: NodeOptions): Promise<Node> {
  if (!isToken(options.name))
    throw new Error(`'${options.name}' cannot be a node's name: letters, digits and -_ only`)
  const connections = await Connections.open(options.ports.transport, options.name, options)
  const node = new Node(options, connections)
  try {
    node.boot()
    await connections.flush()
  } catch (error) {
    await node.stop()
    throw error
  }
  return node
}

/** How frames reach a node: what they are published on, and where its mailboxes are. */
interface Way {
  readonly connection: Connection
  readonly mailbox: (node: string, id: string) => string
}

export class Node {
  readonly name: string
  readonly cluster: string
  /** New at each start. */
  readonly incarnation: string
  readonly ports: Ports
  readonly connections: Connections
  readonly subjects: Subjects
  readonly peers: Peers
  /** For frames of all but the near nodes. */
  readonly inlet: Inlet
  readonly registry: Registry
  readonly requests: Requests
  readonly startedMs: number

  /** Until when the actors behind each fence may act, by the monotonic clock. */
  readonly fences = new Map<string, number>()

  readonly #options: NodeOptions
  readonly #runQueue: RunQueue
  #mailboxes: readonly Subscription[] = []
  #service: readonly Subscription[] = []
  #heartbeat: TimerHandle
  #root: Cell | undefined
  #stopped: Promise<void> | undefined
  #crashed = false
  readonly #interceptors = new Set<Interceptor>()

  handled = 0
  readonly deadLetters: DeadLetters

  constructor(options: NodeOptions, connections: Connections) {
    const { clock, decider, random } = options.ports
    this.#options = options
    this.name = options.name
    this.cluster = options.cluster ?? 'meseta'
    this.ports = options.ports
    this.connections = connections
    this.subjects = subjectsOf(this.cluster)
    this.incarnation = random.uuid().replaceAll('-', '').slice(0, 12)
    this.startedMs = clock.monotonic()
    this.deadLetters = new DeadLetters(this.ports.log)
    this.registry = new Registry(this)
    this.requests = new Requests(connections.lane(), clock, this.incarnation)
    this.#runQueue = new RunQueue({
      clock,
      decider,
      serve: (cell, messages, urgent) => this.#serve(cell, messages, urgent),
      afterSlice: () => this.#afterSlice(),
    })
    this.inlet = new Inlet({
      clock,
      decode: (delivery) => this.peers.receive(delivery),
      schedule: () => this.#runQueue.schedule(),
    })
    const heartbeatMs = options.heartbeatMs ?? 2000
    this.peers = new Peers(this, { heartbeatMs, silenceMs: options.silenceMs ?? 5 * heartbeatMs })
    const beat = () => {
      this.#heartbeat = clock.setTimeout(beat, heartbeatMs)
      if (this.peers.beat() || this.#crashed) return
      clock.clearTimeout(this.#heartbeat)
      this.#heartbeat = clock.setTimeout(beat, 0)
    }
    this.#heartbeat = clock.setTimeout(beat, heartbeatMs)
  }

  /** @throws what a child's init threw. */
  boot(): void {
    const { name, subjects } = this
    const receive = (delivery: Delivery) => this.inlet.receive(delivery)
    const { actors, near } = this.connections
    this.#mailboxes = [actors.subscribe(subjects.nodeWildcard(name), receive)]
    if (near !== undefined) {
      // Few, and what they say waits for nobody.
      const mailbox = near.subscribe(subjects.nearWildcard(name), (delivery) =>
        this.peers.receive(delivery),
      )
      this.#mailboxes = [...this.#mailboxes, mailbox]
    }
    this.connections.onStatus((which, status) => this.#onStatus(which, status))
    const spec = rootSpec(this.#options.supervision ?? {}, this.#options.children ?? [])
    const started = this.registry.start(spec, undefined)
    if (!started.ok) throw started.error
    this.#root = started.cell
    this.#service = openService(this)
  }

  #onStatus(which: string, { type, ...fields }: ConnectionStatus): void {
    // The end that one has asked for is no news.
    if (type === 'closed' && this.#stopped !== undefined) return
    this.log(type === 'reconnected' ? 'info' : 'warn', `${which} ${type}`, fields)
  }

  /** Stops all actors, children before parents, last started first, then closes the connection. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const root = this.#root
    if (root !== undefined)
      await new Promise<void>((resolve) => this.registry.stop(root, SHUTDOWN, false, resolve))
    this.#end()
    await this.connections.close()
  }

  /** Ends at once, as a killed process does: nobody is told. For simulation. */
  crash(): void {
    this.#crashed = true
    this.#stopped ??= Promise.resolve()
    this.registry.abandon()
    this.#end()
    void this.connections.close()
  }

  #end(): void {
    this.ports.clock.clearTimeout(this.#heartbeat)
    for (const mailbox of this.#mailboxes) mailbox.close()
    this.inlet.close()
    for (const subscription of this.#service) subscription.close()
    this.requests.close()
    this.#flush()
  }

  #afterSlice(): boolean {
    this.#flush()
    return this.inlet.round()
  }

  #flush(): void {
    if (!this.#crashed) this.peers.flush()
  }

  /** Called when the root has ended. */
  rootEnded(reason: ExitReason): void {
    // Before `boot` has ended, it is whoever starts the node who learns of it.
    if (this.#root === undefined) return
    if (isOrderly(reason)) {
      // By `stop`, or by itself.
      if (this.#stopped === undefined) this.#options.onEnd?.(reason)
      return
    }
    this.log('fatal', `the root gave up: ${describe(reason)}`)
    this.#options.onFailure?.(reason)
  }

  // ---- looking in

  cells(): IterableIterator<Cell> {
    return this.registry.cells()
  }

  whereis(id: string): Pid | undefined {
    return this.registry.get(id)?.self
  }

  cell(id: string): Cell | undefined {
    return this.registry.get(id)
  }

  /** Messages waiting in all mailboxes. */
  get backlog(): number {
    let sum = 0
    for (const cell of this.cells()) sum += cell.mailbox.size
    return sum
  }

  /** @returns a function that takes it away again. */
  intercept(interceptor: Interceptor): () => void {
    this.#interceptors.add(interceptor)
    return () => this.#interceptors.delete(interceptor)
  }

  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void {
    this.ports.log.write(level, message, { node: this.name, ...fields })
  }

  /** An error in an actor. */
  report(cell: Cell, where: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error)
    this.log('error', `${cell.id} threw in ${where}`, { actor: cell.id, stack })
  }

  // ---- messages

  /** By which frames go to a node. */
  wayTo(node: string): Way {
    const { connections, subjects } = this
    const near = connections.nearTo(node)
    return near === undefined
      ? { connection: connections.actors, mailbox: subjects.pid }
      : { connection: near, mailbox: subjects.near }
  }

  isRemote(address: Pid): boolean {
    return address !== '' && parsePid(address).node !== this.name
  }

  /** Makes the envelope of a message: a copy for a local actor, bytes for a remote one. */
  seal(
    type: string,
    body: unknown,
    from: Pid,
    to: Pid,
    ask: number,
    urgent: boolean | undefined = false,
  ): Envelope {
    const target = parsePid(to)
    if (target.node === this.name)
      return new Envelope(type, copy(body), from, to, ask, undefined, false, urgent)
    const { incarnation } = this.peers.addressed(to)
    const wire = encodeEnvelope(type, from, to, ask, body, incarnation)
    if (wire.length > FRAME_BYTES_MAX) {
      throw new Error(
        `${type} to ${to} is ${wire.length} bytes, ${FRAME_BYTES_MAX} at most can be sent`,
      )
    }
    return new Envelope(type, undefined, from, to, ask, wire)
  }

  /** Carries out a recorded send. */
  route(envelope: Envelope): void {
    if (envelope.wire !== undefined) this.peers.post(envelope)
    else this.#deliver(this.registry.find(envelope.to), envelope)
  }

  /** Carries out a recorded link, unlink, monitor or demonitor. */
  watch(envelope: Envelope, from: Cell): void {
    links.request(this, envelope, from)
  }

  /** Requests that a break with the actor's node will end; undefined on this node. */
  asksTo(address: Pid): Set<PendingAsk> | undefined {
    const { node } = parsePid(address)
    return node === this.name ? undefined : this.peers.peer(node).asks
  }

  /** An envelope from another node for an actor here. `stale`: sent before it knew of a break. */
  deliverRemote(id: string, wire: WireEnvelope, stale: boolean): void {
    const { type, from, toIncarnation, toSerial } = wire
    const found = this.registry.get(id)
    const isExact = toSerial !== 0
    const isHere = !isExact || (toSerial === found?.serial && toIncarnation === this.incarnation)
    const cell = isHere ? found : undefined
    // The actor's own string where it is there: links keep it.
    const exact = () => cell?.self ?? exactPid(id, this.name, toIncarnation, toSerial)
    const to = isExact ? exact() : pid(id, this.name)
    const envelope = new Envelope(type, wire.body, from, to, wire.ask, undefined, true)
    if (links.isControl(type)) {
      if (!stale) links.receive(this, cell, envelope)
    } else if (type === REPLY) {
      if (cell !== undefined && isOutcome(wire.body)) this.#deliver(cell, envelope)
      else this.deadLetters.add(envelope, 'LATE_REPLY')
    } else if (type.startsWith('@') || type.startsWith('xstate.')) {
      this.deadLetters.add(envelope, 'FORGED')
    } else this.#deliver(cell, envelope)
  }

  #deliver(cell: Cell | undefined, envelope: Envelope): void {
    if (cell === undefined) this.undeliverable(envelope)
    else if (envelope.type === REPLY) {
      if (cell.asks.admit(envelope.ask)) this.enqueue(cell, envelope)
      else this.deadLetters.add(envelope, 'LATE_REPLY')
    } else if (cell.mailbox.size < cell.mailboxMax) this.enqueue(cell, envelope)
    else {
      this.deadLetters.add(envelope, 'MAILBOX_FULL')
      const message = `${cell.id} has ${cell.mailboxMax} messages waiting`
      this.#refuse(envelope, { code: 'MAILBOX_FULL', message })
      links.overload(this, cell, envelope.from)
    }
  }

  /** Puts an envelope into a live cell's mailbox, whatever its bound: the runtime's own are bounded by
   * what caused them (a link, a timer, a request). */
  enqueue(cell: Cell, envelope: Envelope): void {
    if (cell.phase === 'dead') return
    cell.mailbox.push(envelope)
    this.#runQueue.wake(cell, envelope.urgent)
  }

  /** Puts an envelope before all others that are not urgent. */
  enqueueFirst(cell: Cell, envelope: Envelope): void {
    cell.mailbox.unshift(envelope)
    this.#runQueue.wake(cell, false)
  }

  /** Runs a function as a turn of the cell. With `bounded`, false if its mailbox is full. */
  call(cell: Cell, run: () => void, bounded = false, urgent = false): boolean {
    if (bounded && cell.mailbox.size >= cell.mailboxMax) return false
    this.enqueue(cell, call(run, cell.self, urgent))
    return true
  }

  /** Counts a message that found no actor, and tells who waits for its answer. */
  undeliverable(envelope: Envelope): void {
    if (envelope.type.startsWith('@')) return
    this.deadLetters.add(envelope, 'NO_ACTOR')
    this.#refuse(envelope, { code: 'NO_ACTOR', message: `there is no actor ${envelope.to}` })
  }

  #refuse(envelope: Envelope, error: AskError): void {
    if (envelope.ask === 0 || envelope.from === '') return
    const outcome = { ok: false, error }
    this.route(this.seal(REPLY, outcome, envelope.to, envelope.from, envelope.ask))
  }

  publish(cell: Cell, subject: string, data: Uint8Array, options: RawPublish): void {
    try {
      this.connections.lane(options.lane).publish(subject, data, options.reply)
    } catch (error) {
      this.report(cell, `publish to ${subject}`, error)
    }
  }

  // ---- turns

  /** What is to be sent shall be sent, even if no actor has a turn. */
  scheduleFlush(): void {
    this.#runQueue.schedule()
  }

  /** Serves one cell. Returns how many messages it served. */
  #serve(cell: Cell, messages: number, urgent: boolean): number {
    let served = 0
    while (served < messages && cell.phase !== 'dead') {
      const envelope = cell.mailbox.shift(urgent)
      if (envelope === undefined) break
      served++
      if (this.isFenced(cell)) {
        this.#fence(cell)
        break
      }
      if (this.#interceptors.size > 0 && this.#isDropped(envelope)) continue
      const { type } = envelope
      if (type === EXIT || type === DOWN) {
        if (!links.isWanted(cell, envelope)) continue
        if (type === EXIT && !cell.spec.behaviour.traps) {
          this.#dieAlong(cell, envelope.body as ExitNotice)
          continue
        }
      }
      cell.handled++
      try {
        const failure = cell.serve(envelope)
        // The turn itself may have been where the process stood still.
        if (this.isFenced(cell)) this.#fence(cell)
        else if (failure === undefined) cell.flush()
        else this.#crashCell(cell, failure.error, type)
      } catch (error) {
        this.#crashCell(cell, error, type)
      }
    }
    this.handled += served
    return served
  }

  /** Whether the time for which the actor may act has passed. */
  isFenced({ fencedBy }: Cell): boolean {
    if (fencedBy === undefined) return false
    const untilMs = this.fences.get(fencedBy)
    return untilMs !== undefined && untilMs <= this.ports.clock.monotonic()
  }

  #fence(cell: Cell): void {
    this.log('warn', `${cell.id} may act no longer`, { actor: cell.id, fence: cell.fencedBy })
    this.registry.bury(cell, FENCED)
  }

  #isDropped(envelope: Envelope): boolean {
    if (envelope.type === CALL || envelope.type === STOPPING) return false
    for (const interceptor of this.#interceptors) if (interceptor(envelope) === 'drop') return true
    return false
  }

  #dieAlong(cell: Cell, notice: ExitNotice): void {
    if (isOrderly(notice.reason)) return
    const detail = `linked ${notice.pid} ended: ${describe(notice.reason)}`
    this.log('warn', `${cell.id} dies along`, { actor: cell.id, detail })
    this.registry.bury(cell, { kind: 'crashed', detail })
  }

  #crashCell(cell: Cell, error: unknown, type: string): void {
    this.report(cell, type, error)
    this.registry.bury(cell, crashed(error))
  }
}
