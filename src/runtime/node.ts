/**
 * A node: the actors of one process (or of one simulated process), their run queue, and their connection
 * to the broker. It owns the life of every cell: start, turns, crash, stop. Guarantees: docs/runtime.md.
 */
import type { Subjects } from '../../protocol/subjects.ts'
import { subjects as subjectsOf } from '../../protocol/subjects.ts'
import type { ChildSpec } from './behaviour.ts'
import { Cell } from './cell.ts'
import { copy } from './copy.ts'
import { type AskError, CALL, Envelope, EXIT, REPLY, STOPPING } from './envelope.ts'
import {
  crashed,
  describe,
  type ExitNotice,
  type ExitReason,
  isOrderly,
  KILLED,
  SHUTDOWN,
} from './exit.ts'
import * as links from './links.ts'
import { Peers } from './peers.ts'
import { exactPid, isToken, nameOf, type Pid, parsePid } from './pid.ts'
import type { Connection, Delivery, LogLevel, Ports, Subscription, TimerHandle } from './ports.ts'
import { Requests } from './requests.ts'
import { Ring } from './ring.ts'
import { rootSpec, type SupervisorOptions } from './supervisor.ts'
import { encodeEnvelope, FRAME_BYTES_MAX, type WireEnvelope } from './wire.ts'

const SHUTDOWN_MS = 5000
/** Messages that one actor may handle before it is another's turn. */
const QUANTUM = 128
/** A slice of the run queue ends after so many messages or milliseconds, so that input gets its chance. */
const SLICE_EVENTS = 8192
const SLICE_MS = 8
/** Dead letters kept for inspection; all are counted. */
const DEAD_LETTERS_KEPT = 100

export interface NodeOptions {
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
}

export interface DeadLetter {
  readonly type: string
  readonly from: Pid
  readonly to: Pid
  readonly why: string
}

/** Looks at each user message about to be served; `drop` loses it. For tests and traces. */
export type Interceptor = (envelope: Envelope) => 'deliver' | 'drop'

interface StartOptions {
  readonly parent: Cell | undefined
  readonly serial?: number
  readonly restarts?: number
}

export type Started =
  | { readonly ok: true; readonly cell: Cell }
  | { readonly ok: false; readonly error: unknown }

/** Connects and starts the root's children, in order. Rejects if the broker cannot be reached. */
export async function startNode(options: NodeOptions): Promise<Node> {
  if (!isToken(options.name))
    throw new Error(`'${options.name}' cannot be a node's name: letters, digits and -_ only`)
  const connection = await options.ports.transport.connect({ name: `meseta ${options.name}` })
  const node = new Node(options, connection)
  try {
    node.boot()
    await connection.flush()
  } catch (error) {
    await node.stop()
    throw error
  }
  return node
}

export class Node {
  readonly name: string
  readonly cluster: string
  /** New at each start. */
  readonly incarnation: string
  readonly ports: Ports
  readonly connection: Connection
  readonly subjects: Subjects
  readonly peers: Peers
  readonly requests: Requests
  readonly startedMs: number

  readonly #options: NodeOptions
  readonly #cells = new Map<string, Cell>()
  readonly #runnable = new Ring<Cell>(64)
  #scheduled = false
  #running = false
  #serial = 0
  #mailbox: Subscription | undefined
  #heartbeat: TimerHandle
  #root: Cell | undefined
  #stopped: Promise<void> | undefined
  #crashed = false
  /** Called when a cell has ended; at most one owner waits for it. */
  readonly #onEnd = new Map<Cell, () => void>()
  readonly #killTimers = new Map<Cell, TimerHandle>()
  readonly #interceptors = new Set<Interceptor>()

  handled = 0
  deadLetters = 0
  readonly lastDeadLetters: DeadLetter[] = []

  constructor(options: NodeOptions, connection: Connection) {
    this.#options = options
    this.name = options.name
    this.cluster = options.cluster ?? 'meseta'
    this.ports = options.ports
    this.connection = connection
    this.subjects = subjectsOf(this.cluster)
    this.incarnation = options.ports.random.uuid().replaceAll('-', '').slice(0, 12)
    this.startedMs = options.ports.clock.monotonic()
    this.requests = new Requests(connection, options.ports.clock, this.incarnation)
    const heartbeatMs = options.heartbeatMs ?? 2000
    this.peers = new Peers(this, { heartbeatMs, silenceMs: options.silenceMs ?? 5 * heartbeatMs })
    const beat = () => {
      this.peers.beat()
      this.#heartbeat = this.ports.clock.setTimeout(beat, heartbeatMs)
    }
    this.#heartbeat = this.ports.clock.setTimeout(beat, heartbeatMs)
  }

  /** @throws what a child's init threw. */
  boot(): void {
    this.#mailbox = this.connection.subscribe(this.subjects.nodeWildcard(this.name), (delivery) =>
      this.peers.receive(delivery),
    )
    this.connection.onStatus((status) => {
      const { type, ...fields } = status
      this.log(type === 'reconnected' ? 'info' : 'warn', `broker connection ${type}`, fields)
    })
    const spec = rootSpec(this.#options.supervision ?? {}, this.#options.children ?? [])
    const started = this.start(spec, { parent: undefined })
    if (!started.ok) throw started.error
    this.#root = started.cell
  }

  /** Stops all actors, children before parents, last started first, then closes the connection. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const root = this.#root
    if (root !== undefined && root.phase !== 'dead') {
      await new Promise<void>((resolve) => this.stopCell(root, SHUTDOWN, false, resolve))
    }
    this.#end()
    await this.connection.close()
  }

  /** Ends at once, as a killed process does: nobody is told, nothing is flushed. For simulation. */
  crash(): void {
    this.#crashed = true
    for (const cell of this.#cells.values()) cell.release()
    this.#cells.clear()
    this.#end()
    void this.connection.close()
    this.#stopped ??= Promise.resolve()
  }

  #end(): void {
    this.ports.clock.clearTimeout(this.#heartbeat)
    this.#mailbox?.close()
    this.requests.close()
    for (const timer of this.#killTimers.values()) this.ports.clock.clearTimeout(timer)
    if (!this.#crashed) this.peers.flush()
  }

  // ---- looking in

  cells(): IterableIterator<Cell> {
    return this.#cells.values()
  }

  whereis(id: string): Pid | undefined {
    return this.#cells.get(id)?.self
  }

  cell(id: string): Cell | undefined {
    return this.#cells.get(id)
  }

  /** Messages waiting in all mailboxes. */
  get backlog(): number {
    let sum = 0
    for (const cell of this.#cells.values()) sum += cell.mailbox.size
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

  /** An error that no supervisor can act on. */
  report(cell: Cell, where: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error)
    this.log('error', `${cell.id} threw in ${where}`, { actor: cell.id, stack })
  }

  // ---- starting and ending cells

  nextSerial(): number {
    return ++this.#serial
  }

  /** Creates an actor and runs its init turn. A failed start leaves nothing behind. */
  start(spec: ChildSpec, options: StartOptions): Started {
    const serial = options.serial ?? this.nextSerial()
    const { parent } = options
    const self = exactPid(spec.id, this.name, this.incarnation, serial)
    const refuse = (error: unknown): Started => {
      this.log('error', `${spec.id} could not start`, { actor: spec.id, stack: stackOf(error) })
      if (parent !== undefined && options.serial !== undefined) {
        const notice: ExitNotice = { pid: self, reason: crashed(error) }
        this.enqueue(parent, new Envelope(EXIT, notice, self, parent.self, 0))
      }
      return { ok: false, error }
    }
    if (!isToken(spec.id)) return refuse(new Error(`'${spec.id}' cannot be an actor's id`))
    if (this.#cells.has(spec.id))
      return refuse(new Error(`an actor called ${spec.id} lives on ${this.name}`))
    const cell = new Cell(this, spec, serial, parent, options.restarts ?? 0)
    this.#cells.set(cell.id, cell)
    if (parent !== undefined) {
      parent.children.push(cell)
      links.join(cell, parent)
    }
    const failure = cell.start()
    if (failure !== undefined) {
      if (parent !== undefined) links.part(cell, parent)
      this.#bury(cell, crashed(failure.error))
      return refuse(failure.error)
    }
    cell.flush()
    return { ok: true, cell }
  }

  /** What `cx.stop` does: an actor stops itself or one of its children. */
  stopFrom(by: Cell, target: Pid, reason: ExitReason): void {
    if (target === by.self) {
      this.stopCell(by, reason, true)
      return
    }
    const cell = this.#cells.get(parsePid(target).id)
    if (cell === undefined || (cell.self !== target && nameOf(cell.self) !== target)) return
    if (cell.parent !== by) {
      this.log('error', `${by.id} may not stop ${cell.id}, which is not its child`)
      return
    }
    this.stopCell(cell, reason.kind === 'normal' ? SHUTDOWN : reason, false)
  }

  /** `own`: the actor itself says that it is ready to end. */
  stopCell(cell: Cell, reason: ExitReason, own: boolean, onEnd?: () => void): void {
    if (cell.phase === 'dead') {
      onEnd?.()
      return
    }
    if (onEnd !== undefined) this.#onEnd.set(cell, onEnd)
    const first = cell.phase === 'active'
    cell.phase = 'stopping'
    if (first && !own && cell.spec.behaviour.graceful) {
      cell.mailbox.unshift(new Envelope(STOPPING, undefined, '' as Pid, cell.self, 0))
      this.#wake(cell)
      const kill = () => this.#bury(cell, KILLED)
      this.#killTimers.set(
        cell,
        this.ports.clock.setTimeout(kill, cell.spec.shutdownMs ?? SHUTDOWN_MS),
      )
    } else if (first || own) this.#stopChildren(cell, reason)
  }

  #stopChildren(cell: Cell, reason: ExitReason): void {
    const youngest = cell.children.at(-1)
    if (cell.phase === 'dead') return
    if (youngest === undefined) {
      cell.terminate(reason)
      this.#bury(cell, reason)
    } else this.stopCell(youngest, SHUTDOWN, false, () => this.#stopChildren(cell, reason))
  }

  /** The end of a cell and of all its children, whatever they were doing. */
  #bury(cell: Cell, reason: ExitReason): void {
    if (cell.phase === 'dead' && !this.#cells.has(cell.id)) return
    for (let child = cell.children.at(-1); child !== undefined; child = cell.children.at(-1)) {
      this.#bury(child, KILLED)
    }
    cell.release()
    if (this.#cells.get(cell.id) === cell) this.#cells.delete(cell.id)
    this.ports.clock.clearTimeout(this.#killTimers.get(cell))
    this.#killTimers.delete(cell)
    for (
      let envelope = cell.mailbox.shift();
      envelope !== undefined;
      envelope = cell.mailbox.shift()
    ) {
      this.undeliverable(envelope)
    }
    const siblings = cell.parent?.children
    if (siblings !== undefined) {
      const index = siblings.lastIndexOf(cell)
      if (index >= 0) siblings.splice(index, 1)
    }
    links.announceEnd(this, cell, reason)
    const onEnd = this.#onEnd.get(cell)
    this.#onEnd.delete(cell)
    onEnd?.()
    if (cell === this.#root && !isOrderly(reason)) {
      this.log('fatal', `the root gave up: ${describe(reason)}`)
      this.#options.onFailure?.(reason)
    }
  }

  // ---- messages

  isRemote(address: Pid): boolean {
    return address !== '' && parsePid(address).node !== this.name
  }

  /** Makes the envelope of a message: a copy for a local actor, bytes for a remote one. */
  seal(type: string, body: unknown, from: Pid, to: Pid, ask: number): Envelope {
    const target = parsePid(to)
    if (target.node === this.name) return new Envelope(type, copy(body), from, to, ask)
    const wire = encodeEnvelope(type, from, to, ask, body)
    if (wire.length > FRAME_BYTES_MAX) {
      throw new Error(
        `${type} to ${to} is ${wire.length} bytes, ${FRAME_BYTES_MAX} at most can be sent`,
      )
    }
    return new Envelope(type, undefined, from, to, ask, wire)
  }

  /** Carries out a recorded send. */
  route(envelope: Envelope, _from: Cell): void {
    if (envelope.wire !== undefined) this.peers.post(envelope)
    else this.#deliver(this.#find(envelope.to), envelope)
  }

  /** Carries out a recorded link, unlink, monitor or demonitor. */
  watch(envelope: Envelope, from: Cell): void {
    links.request(this, envelope, from)
  }

  /** An envelope from another node for an actor here. */
  deliverRemote(id: string, wire: WireEnvelope): void {
    const found = this.#cells.get(id)
    const cell =
      found !== undefined && (wire.toSerial === 0 || wire.toSerial === found.serial)
        ? found
        : undefined
    const to =
      wire.toSerial === 0
        ? (`${id}@${this.name}` as Pid)
        : exactPid(id, this.name, this.incarnation, wire.toSerial)
    const envelope = new Envelope(wire.type, wire.body, wire.from, to, wire.ask)
    if (links.isControl(envelope.type)) links.receive(this, cell, envelope)
    else if (envelope.type === CALL || envelope.type === STOPPING)
      this.deadLetter(envelope, 'FORGED')
    else if (envelope.type === REPLY && (cell === undefined || !isOutcome(envelope.body))) {
      this.deadLetter(envelope, 'LATE_REPLY')
    } else this.#deliver(cell, envelope)
  }

  #find(address: Pid): Cell | undefined {
    const parsed = parsePid(address)
    const cell = this.#cells.get(parsed.id)
    if (cell === undefined || parsed.serial === 0) return cell
    return parsed.serial === cell.serial && parsed.incarnation === this.incarnation
      ? cell
      : undefined
  }

  /** The actor here that an address means. */
  find(address: Pid): Cell | undefined {
    return this.#find(address)
  }

  #deliver(cell: Cell | undefined, envelope: Envelope): void {
    if (cell === undefined) {
      this.undeliverable(envelope)
      return
    }
    if (envelope.type === REPLY && !cell.hasAsked(envelope.ask)) {
      this.deadLetter(envelope, 'LATE_REPLY')
      return
    }
    if (cell.mailbox.size >= cell.mailboxMax && envelope.type !== REPLY) {
      this.deadLetter(envelope, 'MAILBOX_FULL')
      const message = `${cell.id} has ${cell.mailboxMax} messages waiting`
      this.#refuse(envelope, { code: 'MAILBOX_FULL', message })
      links.overload(this, cell, envelope.from)
      return
    }
    this.enqueue(cell, envelope)
  }

  /** Puts an envelope into a live cell's mailbox, whatever its bound: the runtime's own are bounded by
   * what caused them (a link, a timer, a request). */
  enqueue(cell: Cell, envelope: Envelope): void {
    if (cell.phase === 'dead') return
    cell.mailbox.push(envelope)
    this.#wake(cell)
  }

  /** Runs a function as a turn of the cell. With `bounded`, false if its mailbox is full. */
  call(cell: Cell, run: () => void, bounded = false): boolean {
    if (cell.phase === 'dead') return true
    if (bounded && cell.mailbox.size >= cell.mailboxMax) return false
    this.enqueue(cell, new Envelope(CALL, run, '' as Pid, cell.self, 0))
    return true
  }

  /** Counts a message that found no actor, and tells who waits for its answer. */
  undeliverable(envelope: Envelope): void {
    if (envelope.type.startsWith('@')) return
    this.deadLetter(envelope, 'NO_ACTOR')
    this.#refuse(envelope, { code: 'NO_ACTOR', message: `there is no actor ${envelope.to}` })
  }

  #refuse(envelope: Envelope, error: AskError): void {
    if (envelope.ask === 0 || envelope.from === '') return
    const outcome = { ok: false, error }
    const reply = this.seal(REPLY, outcome, envelope.to, envelope.from, envelope.ask)
    if (reply.wire !== undefined) this.peers.post(reply)
    else this.#deliver(this.#find(reply.to), reply)
  }

  deadLetter(envelope: Envelope, why: string): void {
    this.deadLetters++
    const { type, from, to } = envelope
    this.lastDeadLetters.push({ type, from, to, why })
    if (this.lastDeadLetters.length > DEAD_LETTERS_KEPT) this.lastDeadLetters.shift()
    this.log('debug', 'dead letter', { type, from, to, why })
  }

  /** A message on a raw subject that does not fit the mailbox: refused aloud where an answer is awaited. */
  refuseDelivery(cell: Cell, delivery: Delivery): void {
    this.deadLetter(
      new Envelope(delivery.subject, undefined, '' as Pid, cell.self, 0),
      'MAILBOX_FULL',
    )
    if (delivery.reply === undefined) return
    const error = {
      code: 'MAILBOX_FULL',
      message: `${cell.id} has ${cell.mailboxMax} messages waiting, try later`,
    }
    this.connection.publish(delivery.reply, new TextEncoder().encode(JSON.stringify({ error })))
  }

  publish(cell: Cell, subject: string, data: Uint8Array, reply?: string): void {
    try {
      this.connection.publish(subject, data, reply)
    } catch (error) {
      this.report(cell, `publish to ${subject}`, error)
    }
  }

  failAsksTo(node: string, error: AskError): void {
    for (const cell of this.#cells.values()) {
      if (cell.pendingAsks > 0) cell.failAsks((to) => parsePid(to).node === node, error)
    }
  }

  // ---- the run queue

  #wake(cell: Cell): void {
    if (cell.queued) return
    cell.queued = true
    this.#runnable.push(cell)
    this.#schedule()
  }

  /** What is to be sent shall be sent, even if no actor has a turn. */
  scheduleFlush(): void {
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return
    this.#scheduled = true
    this.ports.clock.defer(() => this.#slice())
  }

  #slice(): void {
    this.#scheduled = false
    this.#running = true
    const { clock, decider } = this.ports
    const deadline = clock.monotonic() + SLICE_MS
    let budget = SLICE_EVENTS
    while (this.#runnable.size > 0 && budget > 0) {
      const index = decider === undefined ? 0 : decider(this.#runnable.size)
      const cell = this.#runnable.take(index) as Cell
      cell.queued = false
      const before = clock.monotonic()
      budget -= this.#turn(cell)
      const after = clock.monotonic()
      cell.busyMs += after - before
      if (after > deadline) break
    }
    this.#running = false
    if (!this.#crashed) this.peers.flush()
    if (this.#runnable.size > 0) this.#schedule()
  }

  /** Serves one cell for at most a quantum. Returns how many messages it served. */
  #turn(cell: Cell): number {
    let served = 0
    while (served < QUANTUM && cell.phase !== 'dead') {
      const envelope = cell.mailbox.shift()
      if (envelope === undefined) break
      served++
      if (this.#interceptors.size > 0 && this.#dropped(envelope)) continue
      if (envelope.type === EXIT && !cell.spec.behaviour.traps) {
        this.#dieAlong(cell, envelope.body as ExitNotice)
        continue
      }
      cell.handled++
      const failure = cell.serve(envelope)
      if (failure !== undefined) this.#crash(cell, failure.error, envelope.type)
      else cell.flush()
    }
    this.handled += served
    if (cell.mailbox.size > 0 && cell.phase !== 'dead') this.#wake(cell)
    return Math.max(served, 1)
  }

  #dropped(envelope: Envelope): boolean {
    for (const interceptor of this.#interceptors) if (interceptor(envelope) === 'drop') return true
    return false
  }

  #dieAlong(cell: Cell, notice: ExitNotice): void {
    if (isOrderly(notice.reason)) return
    const detail = `linked ${notice.pid} ended: ${describe(notice.reason)}`
    this.log('warn', `${cell.id} dies along`, { actor: cell.id, detail })
    this.#bury(cell, { kind: 'crashed', detail })
  }

  #crash(cell: Cell, error: unknown, type: string): void {
    cell.discardEffects()
    this.report(cell, type, error)
    this.#bury(cell, crashed(error))
  }
}

function isOutcome(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { ok?: unknown }).ok === 'boolean'
  )
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
