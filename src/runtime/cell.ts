/**
 * One hosted actor: its mailbox, its XState actor, and everything that dies with it. A cell is data and
 * the `Context` over it; the node moves it through its life.
 */
import { type Actor, createActor, type Snapshot } from 'xstate'
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import type { ChildSpec, RuntimeContext } from './behaviour.ts'
import type { AskOptions, JobOutcome, ReplyTo } from './context.ts'
import {
  type AskError,
  CALL,
  DEMONITOR,
  Envelope,
  LINK,
  MONITOR,
  type Outcome,
  REPLY,
  UNLINK,
} from './envelope.ts'
import { type ExitReason, NORMAL } from './exit.ts'
import type { Node } from './node.ts'
import { exactPid, type Pid } from './pid.ts'
import type { Delivery, Host, LogLevel, Ports, Random, Subscription, TimerHandle } from './ports.ts'
import { Ring } from './ring.ts'

const ASK_TIMEOUT_MS = 5000
const MAILBOX_MAX = 100_000

/** `stopping` still serves messages; `dead` serves none. */
export type CellPhase = 'active' | 'stopping' | 'dead'

interface PendingAsk {
  readonly then: (outcome: Outcome<never>) => void
  readonly timer: TimerHandle
  readonly to: Pid
}

/** A recorded effect: an envelope to route, or something to do. */
type Effect = Envelope | (() => void)

export class Cell implements RuntimeContext {
  readonly self: Pid
  readonly id: string
  readonly serial: number
  readonly spec: ChildSpec
  readonly parent: Cell | undefined
  readonly children: Cell[] = []
  readonly owner: Node
  readonly mailboxMax: number
  readonly mailbox = new Ring<Envelope>()

  phase: CellPhase = 'active'
  queued = false
  /** How often its supervisor has restarted this id. */
  restarts: number
  handled = 0
  busyMs = 0
  readonly startedMs: number

  /** Who is linked with this actor, as this actor addresses them. */
  readonly links = new Set<Pid>()
  /** Linked actor elsewhere -> the name under which it linked with this one, where that is not `self`. */
  readonly aliases = new Map<Pid, Pid>()
  /** Monitors that this actor holds: ref -> target. */
  readonly monitors = new Map<number, Pid>()
  /** Those who monitor this actor. */
  readonly watchers = new Map<string, { readonly pid: Pid; readonly ref: number }>()

  #actor: Actor<never> | undefined
  #failure: { readonly error: unknown } | undefined
  readonly #effects: Effect[] = []
  readonly #raised: Array<{ readonly type: string }> = []
  readonly #timers = new Map<string, TimerHandle>()
  /** Timers that the statechart set through the clock it was given. */
  readonly #machineTimers = new Map<TimerHandle, TimerHandle>()
  readonly #asks = new Map<number, PendingAsk>()
  readonly #subscriptions = new Map<string, Subscription>()
  /** Requests on raw subjects under way, as functions that forget them. */
  readonly #requests = new Set<() => void>()
  #aborter: AbortController | undefined
  #nextAsk = 0
  #nextRef = 0
  #current: Envelope | undefined

  constructor(
    node: Node,
    spec: ChildSpec,
    serial: number,
    parent: Cell | undefined,
    restarts: number,
  ) {
    this.owner = node
    this.spec = spec
    this.id = spec.id
    this.serial = serial
    this.parent = parent
    this.restarts = restarts
    this.self = exactPid(spec.id, node.name, node.incarnation, serial)
    this.mailboxMax = spec.mailboxMax ?? MAILBOX_MAX
    this.startedMs = node.ports.clock.monotonic()
  }

  // ---- life, driven by the node

  /** Creates and starts the XState actor: the init turn. Returns what it threw, if it did. */
  start(): { readonly error: unknown } | undefined {
    const actor = createActor(this.spec.behaviour.logic, {
      id: this.id,
      input: { cx: this, args: this.spec.args },
      clock: this.#machineClock(),
      logger: (...items: unknown[]) => this.log('debug', items.map(String).join(' ')),
    }) as unknown as Actor<never>
    this.#actor = actor
    actor.subscribe({
      error: (error: unknown) => {
        this.#failure ??= { error }
      },
      complete: () => {
        // A statechart in its final state is done, and so is the actor.
        if (this.#failure === undefined) this.stop()
      },
    })
    actor.start()
    this.#drainRaised()
    return this.#failure
  }

  /** One turn. Returns what it threw, if it did; then no effect of it may be carried out. */
  serve(envelope: Envelope): { readonly error: unknown } | undefined {
    if (envelope.type === REPLY) {
      const pending = this.#settleAsk(envelope.ask)
      if (pending === undefined) return undefined
      this.#send(
        new Envelope(
          CALL,
          () => pending.then(envelope.body as Outcome<never>),
          '' as Pid,
          this.self,
          0,
        ),
      )
    } else this.#send(envelope)
    this.#drainRaised()
    return this.#failure
  }

  #send(envelope: Envelope): void {
    this.#current = envelope
    ;(this.#actor as unknown as { send(event: unknown): void }).send(envelope)
    this.#current = undefined
  }

  #drainRaised(): void {
    for (let event = this.#raised.shift(); event !== undefined; event = this.#raised.shift()) {
      if (this.#failure !== undefined) return
      ;(this.#actor as unknown as { send(event: unknown): void }).send(event)
    }
  }

  /** Carries out what the turn recorded. */
  flush(): void {
    const effects = this.#effects
    if (effects.length === 0) return
    const node = this.owner
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i] as Effect
      if (typeof effect === 'function') effect()
      else node.route(effect, this)
    }
    effects.length = 0
  }

  discardEffects(): void {
    this.#effects.length = 0
    this.#raised.length = 0
  }

  /** Its last turn. Only messages and publications of it are carried out. */
  terminate(reason: ExitReason): void {
    const hook = this.spec.behaviour.terminate
    if (hook === undefined) return
    try {
      hook(this.#actor?.getSnapshot(), reason, this)
      this.flush()
    } catch (error) {
      this.discardEffects()
      this.owner.report(this, 'terminate', error)
    }
  }

  /** Lets go of everything that it owns. Nothing of it runs afterwards. */
  release(): void {
    this.phase = 'dead'
    const { clock } = this.owner.ports
    for (const handle of this.#timers.values()) clock.clearTimeout(handle)
    this.#timers.clear()
    for (const handle of this.#machineTimers.values()) clock.clearTimeout(handle)
    this.#machineTimers.clear()
    for (const pending of this.#asks.values()) clock.clearTimeout(pending.timer)
    this.#asks.clear()
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#subscriptions.clear()
    for (const forget of this.#requests) forget()
    this.#requests.clear()
    this.#aborter?.abort()
    const snapshot = this.#actor?.getSnapshot() as
      | (Snapshot<unknown> & { children?: object })
      | undefined
    // A machine that threw leaves its invoked children running (spec/simulation.md §2).
    for (const invoked of Object.values(snapshot?.children ?? {})) {
      ;(invoked as { _stop?: () => void } | undefined)?._stop?.()
    }
    this.#actor?.stop()
    this.discardEffects()
  }

  get snapshot(): Snapshot<unknown> | undefined {
    return this.#actor?.getSnapshot()
  }

  get pendingAsks(): number {
    return this.#asks.size
  }

  get timers(): number {
    return this.#timers.size + this.#machineTimers.size
  }

  get subscriptions(): number {
    return this.#subscriptions.size
  }

  /** Fails the requests to a node (or to one actor) whose answer cannot be expected any more. */
  failAsks(concerns: (to: Pid) => boolean, error: AskError): void {
    for (const [ask, pending] of this.#asks) {
      if (concerns(pending.to)) {
        this.owner.enqueue(
          this,
          new Envelope(REPLY, { ok: false, error }, pending.to, this.self, ask),
        )
      }
    }
  }

  hasAsked(ask: number): boolean {
    return this.#asks.has(ask)
  }

  #settleAsk(ask: number): PendingAsk | undefined {
    const pending = this.#asks.get(ask)
    if (pending === undefined) return undefined
    this.#asks.delete(ask)
    this.owner.ports.clock.clearTimeout(pending.timer)
    return pending
  }

  #machineClock() {
    const { clock } = this.owner.ports
    return {
      setTimeout: (run: () => void, delayMs: number) => {
        const key: TimerHandle = {}
        const handle = clock.setTimeout(() => {
          this.#machineTimers.delete(key)
          this.owner.call(this, run)
        }, delayMs)
        this.#machineTimers.set(key, handle)
        return key
      },
      clearTimeout: (key: TimerHandle) => {
        clock.clearTimeout(this.#machineTimers.get(key))
        this.#machineTimers.delete(key)
      },
    }
  }

  // ---- Context

  get node(): string {
    return this.owner.name
  }

  get cluster(): string {
    return this.owner.cluster
  }

  get from(): Pid {
    return this.#current?.from ?? ('' as Pid)
  }

  get remote(): boolean {
    return this.#current?.from !== undefined && this.owner.isRemote(this.#current.from)
  }

  get random(): Random {
    return this.owner.ports.random
  }

  get host(): Host {
    return this.owner.ports.host
  }

  get ports(): Ports {
    return this.owner.ports
  }

  now(): number {
    return this.owner.ports.clock.now()
  }

  monotonic(): number {
    return this.owner.ports.clock.monotonic()
  }

  newId(): string {
    return this.owner.ports.random.uuid()
  }

  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void {
    this.owner.ports.log.write(level, message, { actor: this.id, ...fields })
  }

  send<M extends Message>(to: Pid, message: M, body: Payload<M>): void {
    this.#effects.push(this.owner.seal(message.name, body, this.self, to, 0))
  }

  reply(body: unknown): void {
    this.answer(this.hold(), body)
  }

  refuse(error: AskError): void {
    this.deny(this.hold(), error)
  }

  hold(): ReplyTo | undefined {
    const current = this.#current
    return current === undefined || current.ask === 0
      ? undefined
      : { to: current.from, ask: current.ask }
  }

  answer(held: ReplyTo | undefined, body: unknown): void {
    this.#respond(held, { ok: true, value: body })
  }

  deny(held: ReplyTo | undefined, error: AskError): void {
    this.#respond(held, { ok: false, error })
  }

  #respond(held: ReplyTo | undefined, outcome: Outcome<unknown>): void {
    if (held === undefined) return
    this.#effects.push(this.owner.seal(REPLY, outcome, this.self, held.to, held.ask))
  }

  ask<M extends Message>(
    to: Pid,
    message: M,
    body: Payload<M>,
    options: AskOptions,
    then: (outcome: Outcome<Reply<M>>) => void,
  ): void {
    const ask = ++this.#nextAsk
    const timeoutMs = options.timeoutMs ?? ASK_TIMEOUT_MS
    const envelope = this.owner.seal(message.name, body, this.self, to, ask)
    this.#effects.push(() => {
      const timer = this.owner.ports.clock.setTimeout(() => {
        const error = {
          code: 'TIMEOUT',
          message: `no answer to ${message.name} from ${to} in ${timeoutMs} ms`,
        }
        this.owner.enqueue(this, new Envelope(REPLY, { ok: false, error }, to, this.self, ask))
      }, timeoutMs)
      this.#asks.set(ask, { then: then as PendingAsk['then'], timer, to })
      this.owner.route(envelope, this)
    })
  }

  after(id: string, delayMs: number, run: () => void): void {
    this.#effects.push(() => {
      const { clock } = this.owner.ports
      const previous = this.#timers.get(id)
      if (previous !== undefined) clock.clearTimeout(previous)
      const handle = clock.setTimeout(() => {
        // Looked up again when served: it may be cancelled between coming due and its turn.
        this.owner.call(this, () => {
          if (this.#timers.get(id) !== handle) return
          this.#timers.delete(id)
          run()
        })
      }, delayMs)
      this.#timers.set(id, handle)
    })
  }

  cancel(id: string): void {
    this.#effects.push(() => {
      const handle = this.#timers.get(id)
      if (handle === undefined) return
      this.owner.ports.clock.clearTimeout(handle)
      this.#timers.delete(id)
    })
  }

  spawn<A>(spec: ChildSpec<A>): Pid {
    const serial = this.owner.nextSerial()
    this.#effects.push(() => {
      this.owner.start(spec as unknown as ChildSpec, { parent: this, serial })
    })
    return exactPid(spec.id, this.node, this.owner.incarnation, serial)
  }

  stop(target?: Pid, reason: ExitReason = NORMAL): void {
    this.#effects.push(() => this.owner.stopFrom(this, target ?? this.self, reason))
  }

  link(to: Pid): void {
    this.#control(LINK, to, 0)
  }

  unlink(to: Pid): void {
    this.#control(UNLINK, to, 0)
  }

  monitor(target: Pid): number {
    const ref = ++this.#nextRef
    this.#control(MONITOR, target, ref)
    return ref
  }

  demonitor(ref: number): void {
    this.#effects.push(() => {
      const target = this.monitors.get(ref)
      this.monitors.delete(ref)
      if (target !== undefined)
        this.owner.watch(new Envelope(DEMONITOR, ref, this.self, target, 0), this)
    })
  }

  #control(type: string, to: Pid, ref: number): void {
    this.#effects.push(() => this.owner.watch(new Envelope(type, ref, this.self, to, 0), this))
  }

  job<T>(
    start: (signal: AbortSignal) => Promise<T>,
    then?: (outcome: JobOutcome<T>) => void,
  ): void {
    this.#effects.push(() => {
      this.#aborter ??= new AbortController()
      const settle = (outcome: JobOutcome<T>) =>
        this.owner.call(this, () => {
          if (then !== undefined) then(outcome)
          else if (!outcome.ok) throw outcome.error
        })
      // `start` may throw before it returns a promise.
      new Promise<T>((resolve) => resolve(start((this.#aborter as AbortController).signal))).then(
        (value) => settle({ ok: true, value }),
        (error: unknown) =>
          settle({ ok: false, error: error instanceof Error ? error : new Error(String(error)) }),
      )
    })
  }

  subscribe(subject: string, handle: (delivery: Delivery) => void, queue?: string): void {
    this.#effects.push(() => {
      this.#subscriptions.get(subject)?.close()
      const deliver = (delivery: Delivery) => {
        // Views into the connection's buffer do not outlive the delivery.
        const kept = { ...delivery, data: new Uint8Array(delivery.data) }
        if (!this.owner.call(this, () => handle(kept), true))
          this.owner.refuseDelivery(this, delivery)
      }
      this.#subscriptions.set(subject, this.owner.connection.subscribe(subject, deliver, queue))
    })
  }

  unsubscribe(subject: string): void {
    this.#effects.push(() => {
      this.#subscriptions.get(subject)?.close()
      this.#subscriptions.delete(subject)
    })
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#effects.push(() => this.owner.publish(this, subject, data, reply))
  }

  request(
    subject: string,
    data: Uint8Array,
    options: AskOptions,
    then: (outcome: Outcome<Uint8Array>) => void,
  ): void {
    this.#effects.push(() => {
      const forget = this.owner.requests.request(
        subject,
        data,
        options.timeoutMs ?? ASK_TIMEOUT_MS,
        (outcome) => {
          this.#requests.delete(forget)
          this.owner.call(this, () => then(outcome))
        },
      )
      this.#requests.add(forget)
    })
  }

  raise(event: { readonly type: string } & Record<string, unknown>): void {
    this.#raised.push(event)
  }

  unhandled(
    envelope: Envelope,
    code: 'NOT_UNDERSTOOD' | 'NOT_ACCEPTED' | 'INVALID_MESSAGE',
    why?: string,
  ): void {
    this.owner.deadLetter(envelope, code)
    if (envelope.ask === 0) return
    const held = { to: envelope.from, ask: envelope.ask }
    this.deny(held, { code, message: why ?? `${this.id} does not take ${envelope.type} now` })
  }
}
