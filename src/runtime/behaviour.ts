/**
 * The two shapes of an actor. `table` is for volume: a handler a message over state changed in place.
 * `statechart` is for life cycles: an XState machine whose states say which messages they accept, with
 * the same kind of handler table for the conversations. Both are XState actor logic underneath.
 */
import type { ActorLogic, AnyMachineSnapshot, AnyStateMachine, Snapshot } from 'xstate'
import type { Message, Payload } from '../../protocol/message.ts'
import type { Context } from './context.ts'
import { CALL, DOWN, Envelope, EXIT, STOPPING } from './envelope.ts'
import type { DownNotice, ExitNotice, ExitReason } from './exit.ts'

/** One function a message name; `body` is what the declaration says. */
export type Handlers<S, Ms extends readonly Message[], Cx = Context> = {
  [K in Ms[number]['name']]: (
    state: S,
    body: Payload<Extract<Ms[number], { name: K }>>,
    cx: Cx,
  ) => void
}

/** What both shapes may answer besides messages. */
export interface Hooks<S> {
  /**
   * A linked actor is gone, or messages to or from it were lost. Without this hook the actor dies with
   * it, unless the reason was orderly.
   */
  readonly exited?: (state: S, notice: ExitNotice, cx: Context) => void
  readonly down?: (state: S, notice: DownNotice, cx: Context) => void
  /**
   * It shall stop and has `shutdownMs` to do so: it must call `cx.stop()` when ready. Without this hook
   * it stops at once.
   */
  readonly stopping?: (state: S, cx: Context) => void
  /** Last turn of an orderly end: may send, answer and publish. Not called after a crash or a kill. */
  readonly terminate?: (state: S, reason: ExitReason, cx: Context) => void
}

/** What a node needs to run an actor. Made by `table` and `statechart`. */
export interface Behaviour<A> {
  readonly label: string
  /** Handles `exited` itself instead of dying along. */
  readonly traps: boolean
  readonly graceful: boolean
  // The event and snapshot types differ by actor; the node only hands them through.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly logic: ActorLogic<any, any, { cx: Context; args: A }, any>
  readonly terminate: ((snapshot: unknown, reason: ExitReason, cx: Context) => void) | undefined
}

export type RestartKind = 'permanent' | 'transient' | 'temporary'

/** How to start, restart and stop an actor. A component's `index.ts` exports a function that makes one. */
export interface ChildSpec<A = unknown> {
  /** Unique on the node. Letters, digits and `_-:,()+=`. */
  readonly id: string
  readonly behaviour: Behaviour<A>
  readonly args: A
  /** permanent: always restarted; transient: after a crash only; temporary (default): never. */
  readonly restart?: RestartKind
  /**
   * Its orderly end is that of its supervisor too, which has nothing left to do (OTP's significant
   * children). Not for permanent ones.
   */
  readonly significant?: boolean
  /** How long it may take to stop before it is killed. Default 5000. */
  readonly shutdownMs?: number
  /** Waits before a restart, doubling from `minMs` to `maxMs`, back to `minMs` after `maxMs` of life. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number }
  /** User messages that may wait; the next is refused (see docs/runtime.md). Default 100,000. */
  readonly mailboxMax?: number
  /** The actor does nothing after the time that `cx.fence` has set for this name; see there. */
  readonly fence?: string
}

/** Hides a child's argument type, for lists of children. */
export function child<A>(spec: ChildSpec<A>): ChildSpec {
  return spec as unknown as ChildSpec
}

export interface TableOptions<S, Ms extends readonly Message[], A> extends Hooks<S> {
  /** Shown in trees and traces. */
  readonly label: string
  /** Bodies that come from other nodes are checked against these declarations before a handler sees them. */
  readonly messages: Ms
  readonly init: (args: A, cx: Context) => S
  readonly handlers: Handlers<S, Ms>
}

/** An event that is no message: XState's own, or one that was raised. */
interface XStateEvent {
  readonly type: string
}

type TableSnapshot<S> = Snapshot<undefined> & { readonly context: { readonly state: S } }

/** An actor that is a handler table. About a million messages a second. */
export function table<S, const Ms extends readonly Message[], A = undefined>(
  options: TableOptions<S, Ms, A>,
): Behaviour<A> {
  const dispatch = dispatcher(options)
  const logic: ActorLogic<TableSnapshot<S>, Envelope | XStateEvent, { cx: Context; args: A }> = {
    getInitialSnapshot: (_scope, { cx, args }) =>
      ({
        status: 'active',
        output: undefined,
        error: undefined,
        context: { state: options.init(args, cx), cx },
      }) as TableSnapshot<S>,
    transition(snapshot, event) {
      const { state, cx } = snapshot.context as { state: S; cx: RuntimeContext }
      if (event instanceof Envelope) {
        if (!dispatch(state, event, cx)) cx.unhandled(event, 'NOT_UNDERSTOOD')
      } else if (!event.type.startsWith('xstate.')) {
        throw new Error(`${event.type} was raised, but ${options.label} is no statechart`)
      }
      return snapshot
    },
    getPersistedSnapshot: (snapshot) => snapshot,
  }
  return {
    label: options.label,
    logic,
    traps: options.exited !== undefined,
    graceful: options.stopping !== undefined,
    terminate: terminator(options.terminate),
  }
}

export interface StatechartOptions<S, Ms extends readonly Message[]> extends Hooks<S> {
  readonly label: string
  readonly messages: Ms
  /**
   * Its input is `{cx, args}`; its context must hold `cx` and the data as `state`. A state names the
   * messages it accepts in `meta: { accepts: [...] }` (parents' count for their children too); others
   * are refused. Messages without a handler are events of the machine: `{type, body, from}`.
   */
  readonly machine: AnyStateMachine
  readonly handlers: Partial<Handlers<S, Ms>>
  /** Answers a message that the present state does not accept; default: refused as NOT_ACCEPTED. */
  readonly refused?: (state: S, type: string, cx: Context) => void
}

/** Carried by a state's `meta`. */
export interface Accepts {
  readonly accepts: readonly string[]
}

/** An actor that is a statechart, with handler tables for the conversations that its states accept. */
export function statechart<S, const Ms extends readonly Message[], A = undefined>(
  options: StatechartOptions<S, Ms>,
): Behaviour<A> {
  const { machine } = options
  const dispatch = dispatcher(options as unknown as TableOptions<S, Ms, A>)
  const declared = new Map<string, Message>(
    options.messages.map((message) => [message.name, message]),
  )
  const transition = machine.transition.bind(machine)
  const logic = Object.create(machine) as AnyStateMachine
  logic.transition = (snapshot, event, scope) => {
    // Raised events, timers and answers of invoked actors are the machine's own.
    if (!((event as XStateEvent) instanceof Envelope)) return transition(snapshot, event, scope)
    const envelope = event as unknown as Envelope
    const { state, cx } = snapshot.context as { state: S; cx: RuntimeContext }
    const { type, body, from } = envelope
    const message = declared.get(type)
    if (message !== undefined && !accepted(snapshot).has(type)) {
      if (options.refused) options.refused(state, type, cx)
      else cx.unhandled(envelope, 'NOT_ACCEPTED')
      return snapshot
    }
    if (dispatch(state, envelope, cx)) return snapshot
    if (message === undefined) {
      cx.unhandled(envelope, 'NOT_UNDERSTOOD')
      return snapshot
    }
    const wrong = envelope.remote ? message.check(body) : undefined
    if (wrong === undefined) return transition(snapshot, { type, body, from } as never, scope)
    cx.unhandled(envelope, 'INVALID_MESSAGE', wrong)
    return snapshot
  }
  return {
    label: options.label,
    logic: logic as unknown as Behaviour<A>['logic'],
    traps: options.exited !== undefined,
    graceful: options.stopping !== undefined,
    terminate: terminator(options.terminate),
  }
}

/** What the runtime's own context has besides the public one. */
export interface RuntimeContext extends Context {
  /** Counts a message that no handler took and answers it, if it was a request. */
  unhandled(
    envelope: Envelope,
    code: 'NOT_UNDERSTOOD' | 'NOT_ACCEPTED' | 'INVALID_MESSAGE',
    why?: string,
  ): void
}

type AnyHandler<S> = (state: S, body: unknown, cx: Context) => void

/** Returns whether the envelope was taken. */
function dispatcher<S, Ms extends readonly Message[], A>(options: TableOptions<S, Ms, A>) {
  // Without prototype, so that a message called `constructor` finds nothing.
  const handlers: Record<string, AnyHandler<S>> = Object.assign(
    Object.create(null),
    options.handlers,
  )
  const checks = new Map(options.messages.map((message) => [message.name, message]))
  return (state: S, envelope: Envelope, cx: RuntimeContext): boolean => {
    const handler = handlers[envelope.type]
    if (handler !== undefined) {
      if (envelope.remote) {
        const wrong = checks.get(envelope.type)?.check(envelope.body)
        if (wrong !== undefined) {
          cx.unhandled(envelope, 'INVALID_MESSAGE', wrong)
          return true
        }
      }
      handler(state, envelope.body, cx)
      return true
    }
    switch (envelope.type) {
      case CALL:
        ;(envelope.body as () => void)()
        return true
      case EXIT:
        if (options.exited === undefined) return false
        options.exited(state, envelope.body as ExitNotice, cx)
        return true
      case DOWN:
        if (options.down === undefined) return false
        options.down(state, envelope.body as DownNotice, cx)
        return true
      case STOPPING:
        options.stopping?.(state, cx)
        return true
      default:
        return false
    }
  }
}

function terminator<S>(hook: Hooks<S>['terminate']): Behaviour<unknown>['terminate'] {
  if (hook === undefined) return undefined
  return (snapshot, reason, cx) => hook((snapshot as TableSnapshot<S>).context.state, reason, cx)
}

const acceptedNames = new WeakMap<AnyMachineSnapshot, ReadonlySet<string>>()

/** The union of `meta.accepts` over the active states; computed once per state. */
function accepted(snapshot: AnyMachineSnapshot): ReadonlySet<string> {
  const known = acceptedNames.get(snapshot)
  if (known !== undefined) return known
  const metas = Object.values(snapshot.getMeta()) as Array<Partial<Accepts> | undefined>
  const names = new Set(metas.flatMap((meta) => meta?.accepts ?? []))
  acceptedNames.set(snapshot, names)
  return names
}
