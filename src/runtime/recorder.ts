/**
 * What an actor's handlers see of the runtime (`Context`), as a recorder: each call notes an effect, which
 * `flush` carries out after the turn. If the turn throws, the notes are thrown away.
 */
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import { Asks } from './asks.ts'
import type { ChildSpec, RuntimeContext } from './behaviour.ts'
import type { Cell } from './cell.ts'
import type { AskOptions, JobOutcome, RawPublish, RawSubscribe, ReplyTo } from './context.ts'
import {
  type AskError,
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
import { exactPid, nameOf, type Pid, parsePid } from './pid.ts'
import type { Delivery, Host, LogLevel, Ports, Random, Subscription } from './ports.ts'
import { Timers } from './timers.ts'

const ASK_TIMEOUT_MS = 5000

/** A recorded effect: an envelope to route, or something to do. */
type Effect = Envelope | (() => void)

export abstract class Recorder implements RuntimeContext {
  readonly self: Pid
  readonly id: string
  readonly owner: Node
  readonly asks: Asks
  /** Monitors that this actor holds: ref -> target. */
  readonly monitors = new Map<number, Pid>()

  /** The message in service. */
  protected current: Envelope | undefined
  protected readonly ownTimers: Timers
  protected readonly raised: Array<{ readonly type: string }> = []
  readonly #effects: Effect[] = []
  /** Asked to stop itself in this turn: done after all other effects. */
  #stopReason: ExitReason | undefined
  readonly #subscriptions = new Map<string, Subscription>()
  /** Requests on raw subjects under way, as functions that forget them. */
  readonly #requests = new Set<() => void>()
  #aborter: AbortController | undefined
  #nextAsk = 0
  #nextRef = 0

  /** The actor that this records for. */
  protected abstract readonly cell: Cell

  constructor(node: Node, id: string, serial: number) {
    const { clock } = node.ports
    this.owner = node
    this.id = id
    this.self = exactPid(id, node.name, node.incarnation, serial)
    this.ownTimers = new Timers(clock, (run) => node.call(this.cell, run))
    this.asks = new Asks(clock, (ask, outcome) =>
      node.enqueue(this.cell, new Envelope(REPLY, outcome, this.self, this.self, ask)),
    )
  }

  /** Carries out what the turn recorded. Throws if an effect cannot be carried out. */
  flush(): void {
    const effects = this.#effects
    if (effects.length > 0) {
      for (let i = 0; i < effects.length; i++) {
        const effect = effects[i] as Effect
        if (typeof effect === 'function') effect()
        else {
          if (effect.type === REPLY) this.asks.answered(effect)
          this.owner.route(effect)
        }
      }
      effects.length = 0
    }
    const reason = this.#stopReason
    if (reason === undefined) return
    this.#stopReason = undefined
    this.owner.registry.stop(this.cell, reason, true)
  }

  protected discardEffects(): void {
    this.#effects.length = 0
    this.raised.length = 0
    this.#stopReason = undefined
  }

  /** Ends all that would run by itself. Returns whom the actor owes an answer. */
  protected releaseOwned(): ReplyTo[] {
    this.ownTimers.clear()
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#subscriptions.clear()
    for (const forget of this.#requests) forget()
    this.#requests.clear()
    this.#aborter?.abort()
    return this.asks.abandon()
  }

  get timers(): number {
    return this.ownTimers.size
  }

  get subscriptions(): number {
    return this.#subscriptions.size
  }

  // ---- Context

  get node(): string {
    return this.owner.name
  }

  get cluster(): string {
    return this.owner.cluster
  }

  get maxPayload(): number {
    return this.owner.connections.lane().maxPayload
  }

  get from(): Pid {
    return this.current?.from ?? ('' as Pid)
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
    const current = this.current
    return current === undefined || current.ask === 0
      ? undefined
      : { to: current.from, ask: current.ask, ...(current.urgent && { urgent: true }) }
  }

  answer(held: ReplyTo | undefined, body: unknown): void {
    this.#respond(held, { ok: true, value: body })
  }

  deny(held: ReplyTo | undefined, error: AskError): void {
    this.#respond(held, { ok: false, error })
  }

  #respond(held: ReplyTo | undefined, outcome: Outcome<unknown>): void {
    if (held === undefined) return
    const { to, ask, urgent } = held
    this.#effects.push(this.owner.seal(REPLY, outcome, this.self, to, ask, urgent))
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
    const envelope = this.owner.seal(message.name, body, this.self, to, ask, options.urgent)
    this.#effects.push(() => {
      const what = `${message.name} from ${to}`
      const group = this.owner.asksTo(to)
      this.asks.expect(ask, timeoutMs, what, then as (outcome: Outcome<never>) => void, group)
      this.owner.route(envelope)
    })
  }

  after(id: string, delayMs: number, run: () => void): void {
    if (Number.isNaN(delayMs)) throw new RangeError(`the delay of timer '${id}' is not a number`)
    this.#effects.push(() => this.ownTimers.set(id, delayMs, run))
  }

  cancel(id: string): void {
    this.#effects.push(() => this.ownTimers.cancel(id))
  }

  spawn<A>(spec: ChildSpec<A>): Pid {
    const { registry } = this.owner
    const serial = registry.nextSerial()
    this.#effects.push(() => registry.spawn(spec as unknown as ChildSpec, this.cell, serial))
    return exactPid(spec.id, this.node, this.owner.incarnation, serial)
  }

  stop(target: Pid = this.self, reason: ExitReason = NORMAL): void {
    if (target === this.self || target === nameOf(this.self)) this.#stopReason ??= reason
    else this.#effects.push(() => this.owner.registry.stopChild(this.cell, target, reason))
  }

  fence(name: string, untilMs: number): void {
    this.#effects.push(() => this.owner.fences.set(name, untilMs))
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
      if (target === undefined) return
      this.owner.watch(new Envelope(DEMONITOR, ref, this.self, target, 0), this.cell)
    })
  }

  #control(type: string, to: Pid, ref: number): void {
    parsePid(to)
    this.#effects.push(() => this.owner.watch(new Envelope(type, ref, this.self, to, 0), this.cell))
  }

  job<T>(
    start: (signal: AbortSignal) => Promise<T>,
    then?: (outcome: JobOutcome<T>) => void,
  ): void {
    const settle = (outcome: JobOutcome<T>) =>
      this.owner.call(this.cell, () => {
        if (then !== undefined) then(outcome)
        else if (!outcome.ok) throw outcome.error
      })
    this.#effects.push(() => {
      // A signal is dear, and few want one.
      if (start.length > 0) this.#aborter ??= new AbortController()
      const signal = this.#aborter?.signal as AbortSignal
      // `start` may throw before it returns a promise.
      new Promise<T>((resolve) => resolve(start(signal))).then(
        (value) => settle({ ok: true, value }),
        (error: unknown) =>
          settle({ ok: false, error: error instanceof Error ? error : new Error(String(error)) }),
      )
    })
  }

  subscribe(
    subject: string,
    handle: (delivery: Delivery) => void,
    { queue, lane, urgent = false }: RawSubscribe = {},
  ): void {
    const deliver = ({ subject, reply, noResponders, data }: Delivery) => {
      // Views into the connection's buffer do not outlive the delivery.
      const kept = { subject, reply, noResponders, data: new Uint8Array(data) }
      const fits = this.owner.call(this.cell, () => handle(kept), true, urgent)
      if (!fits) this.#refuseDelivery(kept, lane)
    }
    this.#effects.push(() => {
      this.#subscriptions.get(subject)?.close()
      this.#subscriptions.set(
        subject,
        this.owner.connections.lane(lane).subscribe(subject, deliver, queue),
      )
    })
  }

  /** What does not fit the mailbox is refused aloud, where an answer is awaited. */
  #refuseDelivery({ subject, reply }: Delivery, lane: string | undefined): void {
    const { id, mailboxMax } = this.cell
    this.owner.deadLetters.add(
      new Envelope(subject, undefined, '' as Pid, this.self, 0),
      'MAILBOX_FULL',
    )
    if (reply === undefined) return
    const message = `${id} has ${mailboxMax} messages waiting, try later`
    const refusal = JSON.stringify({ error: { code: 'MAILBOX_FULL', message } })
    this.owner.publish(this.cell, reply, new TextEncoder().encode(refusal), { lane })
  }

  unsubscribe(subject: string): void {
    this.#effects.push(() => {
      this.#subscriptions.get(subject)?.close()
      this.#subscriptions.delete(subject)
    })
  }

  publish(subject: string, data: Uint8Array, options: RawPublish = {}): void {
    this.#effects.push(() => this.owner.publish(this.cell, subject, data, options))
  }

  request(
    subject: string,
    data: Uint8Array,
    options: AskOptions,
    then: (outcome: Outcome<Uint8Array>) => void,
  ): void {
    const timeoutMs = options.timeoutMs ?? ASK_TIMEOUT_MS
    this.#effects.push(() => {
      const forget = this.owner.requests.request(subject, data, timeoutMs, (outcome) => {
        this.#requests.delete(forget)
        this.owner.call(this.cell, () => then(outcome))
      })
      this.#requests.add(forget)
    })
  }

  raise(event: { readonly type: string } & Record<string, unknown>): void {
    this.raised.push(event)
  }

  unhandled(
    envelope: Envelope,
    code: 'NOT_UNDERSTOOD' | 'NOT_ACCEPTED' | 'INVALID_MESSAGE',
    why?: string,
  ): void {
    this.owner.deadLetters.add(envelope, code)
    if (envelope.ask === 0) return
    const held = { to: envelope.from, ask: envelope.ask }
    this.deny(held, { code, message: why ?? `${this.id} does not take ${envelope.type} now` })
  }
}
