/**
 * What a handler sees of the runtime. Everything that changes the world outside the actor is *recorded*
 * and carried out after the handler has returned; if it throws, none of it happens (design.md §3).
 */
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import type { ChildSpec } from './behaviour.ts'
import type { AskError, Outcome } from './envelope.ts'
import type { ExitReason } from './exit.ts'
import type { Pid } from './pid.ts'
import type { Delivery, Host, LogLevel, Ports, Random } from './ports.ts'

export interface RawSubscribe {
  /** Of all subscribers that name the same one, one gets a message. */
  readonly queue?: string | undefined
  /** One of the node's `lanes`. */
  readonly lane?: string | undefined
  /** Its turns go before those of what is not urgent. For a few short ones. */
  readonly urgent?: boolean | undefined
}

export interface RawPublish {
  /** Answers arrive at this subject's subscribers; that there are none, at those of the same lane. */
  readonly reply?: string | undefined
  /** One of the node's `lanes`. */
  readonly lane?: string | undefined
}

/** The right to answer one request later. Plain data; it dies with the actor. */
export interface ReplyTo {
  readonly to: Pid
  readonly ask: number
  /** As the request was. */
  readonly urgent?: boolean
}

export interface AskOptions {
  /** Default 5000. After it the outcome is TIMEOUT and a late answer is dropped. */
  readonly timeoutMs?: number
  /** On its way to an actor of the same node and back it goes before what is not urgent. */
  readonly urgent?: boolean | undefined
}

export interface Context {
  /** This actor, exactly. */
  readonly self: Pid
  /** Its id on its node. */
  readonly id: string
  readonly node: string
  /** The cluster's name, first token of all subjects. */
  readonly cluster: string
  /** Bytes that one publication on a raw subject may have; messages between actors are cut into pieces. */
  readonly maxPayload: number
  /** Sender of the message in service. Empty where there is none (timers, subscriptions). */
  readonly from: Pid
  readonly random: Random
  readonly host: Host
  /** Ports for jobs. Handlers themselves must not call them. */
  readonly ports: Ports

  /** Wall clock, ms. For documents and people only. */
  now(): number
  /** Monotonic clock, ms. For deadlines. */
  monotonic(): number
  newId(): string
  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void

  /** Ordered per pair of actors, at most once; loss breaks links. The body is copied at the call. */
  send<M extends Message>(to: Pid, message: M, body: Payload<M>): void
  /** Answers the request in service; nothing happens if it was no request. */
  reply(body: unknown): void
  /** Answers the request in service with an error. */
  refuse(error: AskError): void
  /** Takes the request in service along, to be answered later; undefined if it was no request. */
  hold(): ReplyTo | undefined
  answer(held: ReplyTo | undefined, body: unknown): void
  deny(held: ReplyTo | undefined, error: AskError): void
  /** A request. `then` runs as a turn of this actor, once, unless the actor dies before. */
  ask<M extends Message>(
    to: Pid,
    message: M,
    body: Payload<M>,
    options: AskOptions,
    then: (outcome: Outcome<Reply<M>>) => void,
  ): void

  /** Runs `run` as a turn of this actor in `delayMs`. A timer of the same id is replaced. */
  after(id: string, delayMs: number, run: () => void): void
  /** After it returns the timer does not fire, even if it was already due. */
  cancel(id: string): void

  /** Starts a child, linked to this actor; it dies with it. Its pid is valid at once. */
  spawn<A>(spec: ChildSpec<A>): Pid
  /** Stops this actor, after all other effects of the turn, or a child: children first, last started first. */
  stop(target?: Pid, reason?: ExitReason): void

  /**
   * For those who may act only for a time, as the holder of a lease: all actors of this node whose spec
   * names the fence die at their first turn from `untilMs` of the monotonic clock on, before any effect of
   * it, however late the process comes to it. A later call moves the time; Infinity opens the fence.
   */
  fence(name: string, untilMs: number): void

  /** Both ends get `exited` once, when the other dies or messages between them may be lost. */
  link(to: Pid): void
  unlink(to: Pid): void
  /** This actor gets `down` with the returned ref, once. */
  monitor(target: Pid): number
  demonitor(ref: number): void

  /**
   * Waits for disk or network: `start` is called after the handler, `then` runs as a turn of this actor.
   * The signal aborts when the actor dies. Without `then` a rejection crashes the actor.
   */
  job<T>(start: (signal: AbortSignal) => Promise<T>, then?: (outcome: JobOutcome<T>) => void): void

  /** Raw broker subjects, for those who are no actors. The subscription dies with the actor. */
  subscribe(subject: string, handle: (delivery: Delivery) => void, options?: RawSubscribe): void
  unsubscribe(subject: string): void
  /** The buffer is given away. */
  publish(subject: string, data: Uint8Array, options?: RawPublish): void

  /**
   * A request on a raw subject. `then` runs as a turn of this actor, once: with the answer's bytes, or
   * with an error NO_RESPONDERS, TIMEOUT or SEND_FAILED.
   */
  request(
    subject: string,
    data: Uint8Array,
    options: AskOptions,
    then: (outcome: Outcome<Uint8Array>) => void,
  ): void

  /** Sends an event to the actor's own statechart, after this turn's handler; still part of the turn. */
  raise(event: { readonly type: string } & Record<string, unknown>): void
}

export type JobOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Error }
