/**
 * One hosted actor: its mailbox, its XState actor, and everything that dies with it. A cell is data and
 * the `Context` over it; the registry moves it through its life, the run queue gives it turns.
 */
import { type Actor, createActor, type Snapshot } from 'xstate'
import type { ChildSpec } from './behaviour.ts'
import type { ReplyTo } from './context.ts'
import { call, type Envelope, type Outcome, REPLY } from './envelope.ts'
import type { ExitReason } from './exit.ts'
import type { Link } from './links.ts'
import { Mailbox } from './mailbox.ts'
import { Meter } from './meter.ts'
import type { Node } from './node.ts'
import type { Pid } from './pid.ts'
import { Recorder } from './recorder.ts'

const MAILBOX_MAX = 100_000

/** `stopping` still serves messages; `dead` serves none. */
export type CellPhase = 'active' | 'stopping' | 'dead'

/** What a turn threw. */
export interface Failure {
  readonly error: unknown
}

/** The parts of an XState actor that have no public name; `test/actors/runtime-statecharts` guards them. */
interface ActorInternals {
  send(event: unknown): void
  readonly system: { _relay(source: unknown, target: unknown, event: unknown): void }
}

export class Cell extends Recorder {
  readonly serial: number
  readonly spec: ChildSpec
  readonly parent: Cell | undefined
  /** In the order of starting. */
  readonly children = new Set<Cell>()
  readonly mailboxMax: number
  /** Its own, or that of whoever spawned it. */
  readonly fencedBy: string | undefined
  readonly mailbox = new Mailbox()

  phase: CellPhase = 'active'
  /** In the run queue. */
  queued = false
  /** In the run queue for its urgent messages. */
  queuedUrgent = false
  /** How often its supervisor has restarted this id. */
  readonly restarts: number
  handled = 0
  readonly startedMs: number
  readonly meter: Meter

  /** Links by `linkKey`. */
  readonly links = new Map<string, Link>()
  /** Links that have ended and whose notice waits in the mailbox. */
  readonly exits = new Set<string>()
  /** Those who monitor this actor. */
  readonly watchers = new Map<string, { readonly pid: Pid; readonly ref: number }>()

  #actor: Actor<never> | undefined
  #failure: Failure | undefined
  /** The statechart has reached its final state. */
  #done = false
  #terminated = false
  #inTurn = false

  protected get cell(): Cell {
    return this
  }

  constructor(
    node: Node,
    spec: ChildSpec,
    serial: number,
    parent: Cell | undefined,
    restarts: number,
  ) {
    super(node, spec.id, serial)
    this.spec = spec
    this.serial = serial
    this.parent = parent
    this.restarts = restarts
    this.mailboxMax = spec.mailboxMax ?? MAILBOX_MAX
    this.fencedBy = spec.fence ?? parent?.fencedBy
    this.startedMs = this.monotonic()
    this.meter = new Meter(this.startedMs)
  }

  // ---- life, driven by the registry and the run queue

  /** Creates and starts the XState actor: the init turn. Returns what it threw, if it did. */
  start(): Failure | undefined {
    this.#inTurn = true
    const actor = createActor(this.spec.behaviour.logic, {
      id: this.id,
      input: { cx: this, args: this.spec.args },
      clock: this.ownTimers.machineClock as never,
      logger: (...items: unknown[]) => this.log('debug', items.map(String).join(' ')),
    }) as unknown as Actor<never>
    this.#actor = actor
    this.#bindToTurns(actor as unknown as ActorInternals)
    actor.subscribe({
      error: (error: unknown) => {
        this.#failure ??= { error }
      },
      complete: () => {
        // A statechart in its final state is done, and so is the actor.
        this.#done = true
        if (this.#failure === undefined) this.stop()
      },
    })
    actor.start()
    this.#drainRaised()
    this.#inTurn = false
    return this.#failure
  }

  /**
   * Promises and callbacks that a statechart has invoked answer whenever they like. Here their answers
   * become turns, so that effects are carried out and a rejection is a crash like any other.
   */
  #bindToTurns({ system }: ActorInternals): void {
    const relay = system._relay.bind(system)
    system._relay = (source, target, event) => {
      if (this.#inTurn) relay(source, target, event)
      else this.owner.call(this, () => relay(source, target, event))
    }
  }

  /** One turn. Returns what it threw, if it did; then no effect of it may be carried out. */
  serve(envelope: Envelope): Failure | undefined {
    if (this.#done) {
      this.owner.undeliverable(envelope)
      return undefined
    }
    let event = envelope
    if (envelope.ask !== 0) {
      if (envelope.type === REPLY) {
        const then = this.asks.take(envelope.ask)
        if (then === undefined) return undefined
        event = call(() => then(envelope.body as Outcome<never>), this.self)
      } else this.asks.received(envelope)
    }
    this.#inTurn = true
    this.current = event
    ;(this.#actor as unknown as ActorInternals).send(event)
    this.#drainRaised()
    this.current = undefined
    this.#inTurn = false
    return this.#failure
  }

  #drainRaised(): void {
    for (let event = this.raised.shift(); event !== undefined; event = this.raised.shift()) {
      if (this.#failure !== undefined) return
      ;(this.#actor as unknown as ActorInternals).send(event)
    }
  }

  /** Its last turn, once. */
  terminate(reason: ExitReason): void {
    const hook = this.spec.behaviour.terminate
    if (hook === undefined || this.#terminated || this.owner.isFenced(this)) return
    this.#terminated = true
    this.#inTurn = true
    try {
      hook(this.snapshot, reason, this)
      this.flush()
    } catch (error) {
      this.discardEffects()
      this.owner.report(this, 'terminate', error)
    }
    this.#inTurn = false
  }

  /** Lets go of everything that it owns. Nothing of it runs afterwards. Returns whom it owes an answer. */
  release(): ReplyTo[] {
    this.phase = 'dead'
    const owed = this.releaseOwned()
    const children = (this.snapshot as { children?: object } | undefined)?.children ?? {}
    // A machine that threw leaves its invoked children running (spec/simulation.md §2).
    for (const invoked of Object.values(children)) {
      ;(invoked as { _stop?: () => void } | undefined)?._stop?.()
    }
    this.#actor?.stop()
    this.discardEffects()
    return owed
  }

  get snapshot(): Snapshot<unknown> | undefined {
    return this.#actor?.getSnapshot()
  }
}
