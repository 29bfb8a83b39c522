/**
 * The actors of a node by id, and their lives: start, stop in order, death. Everything that is told to
 * others when an actor ends is told here.
 */
import type { ChildSpec } from './behaviour.ts'
import { Cell } from './cell.ts'
import { Envelope, REPLY, STOPPING } from './envelope.ts'
import { crashed, describe, type ExitReason, KILLED, SHUTDOWN } from './exit.ts'
import * as links from './links.ts'
import type { Node } from './node.ts'
import { exactPid, isToken, type Pid, parsePid } from './pid.ts'
import type { TimerHandle } from './ports.ts'

const SHUTDOWN_MS = 5000

export type Started =
  | { readonly ok: true; readonly cell: Cell }
  | { readonly ok: false; readonly error: unknown }

/** A stop under way. */
interface Stop {
  readonly reason: ExitReason
  killTimer: TimerHandle
  /** Whoever waits for the end; a later one takes the place of an earlier. */
  onEnd: (() => void) | undefined
  /** It has said that it is ready, and its children are being stopped. */
  descending: boolean
}

export class Registry {
  readonly #node: Node
  readonly #cells = new Map<string, Cell>()
  readonly #stops = new Map<Cell, Stop>()
  #serial = 0

  constructor(node: Node) {
    this.#node = node
  }

  get size(): number {
    return this.#cells.size
  }

  cells(): IterableIterator<Cell> {
    return this.#cells.values()
  }

  get(id: string): Cell | undefined {
    return this.#cells.get(id)
  }

  /** The actor here that an address means. */
  find(address: Pid): Cell | undefined {
    const { id, serial, incarnation } = parsePid(address)
    const cell = this.#cells.get(id)
    if (cell === undefined || serial === 0) return cell
    return serial === cell.serial && incarnation === this.#node.incarnation ? cell : undefined
  }

  nextSerial(): number {
    return ++this.#serial
  }

  /** Creates an actor and runs its init turn. A failed start leaves nothing behind. */
  start(
    spec: ChildSpec,
    parent: Cell | undefined,
    restarts = 0,
    serial = this.nextSerial(),
  ): Started {
    const node = this.#node
    if (!isToken(spec.id)) return this.#refuse(spec, `'${spec.id}' cannot be an actor's id`)
    if (this.#cells.has(spec.id))
      return this.#refuse(spec, `an actor called ${spec.id} lives on ${node.name}`)
    const cell = new Cell(node, spec, serial, parent, restarts)
    this.#cells.set(cell.id, cell)
    if (parent !== undefined) {
      parent.children.add(cell)
      links.join(cell, parent)
    }
    let failure = cell.start()
    try {
      if (failure === undefined) cell.flush()
    } catch (error) {
      failure = { error }
    }
    if (failure === undefined) return { ok: true, cell }
    if (parent !== undefined) links.part(cell, parent)
    this.bury(cell, crashed(failure.error))
    return this.#refuse(spec, failure.error)
  }

  #refuse(spec: ChildSpec, reason: unknown): Started {
    const error = typeof reason === 'string' ? new Error(reason) : reason
    const stack = error instanceof Error ? error.stack : String(error)
    this.#node.log('error', `${spec.id} could not start`, { actor: spec.id, stack })
    return { ok: false, error }
  }

  /** What `cx.spawn` does. The parent knows the pid already, and learns of a failure by its link. */
  spawn(spec: ChildSpec, parent: Cell, serial: number): void {
    const started = this.start(spec, parent, 0, serial)
    if (started.ok) return
    const child = exactPid(spec.id, this.#node.name, this.#node.incarnation, serial)
    links.notifyExit(this.#node, parent, child, parent.self, crashed(started.error))
  }

  /** What `cx.stop(child)` does. */
  stopChild(by: Cell, target: Pid, reason: ExitReason): void {
    const cell = this.find(target)
    if (cell === undefined) return
    if (cell.parent !== by) {
      this.#node.log('error', `${by.id} may not stop ${cell.id}, which is not its child`)
      return
    }
    this.stop(cell, reason.kind === 'normal' ? SHUTDOWN : reason)
  }

  /**
   * Stops an actor: children first, last started first, each in its own time. With `ready`, it is the
   * actor that says so; otherwise one with a `stopping` hook is asked first, and killed if it is late.
   */
  stop(cell: Cell, reason: ExitReason, ready = false, onEnd?: () => void): void {
    if (cell.phase === 'dead') {
      onEnd?.()
      return
    }
    const known = this.#stops.get(cell)
    const stop = known ?? { reason, killTimer: undefined, onEnd, descending: false }
    if (onEnd !== undefined) stop.onEnd = onEnd
    if (known === undefined) {
      cell.phase = 'stopping'
      this.#stops.set(cell, stop)
      if (!ready && cell.spec.behaviour.graceful) {
        const shutdownMs = cell.spec.shutdownMs ?? SHUTDOWN_MS
        const kill = () => this.bury(cell, KILLED)
        stop.killTimer = this.#node.ports.clock.setTimeout(kill, shutdownMs)
        this.#node.enqueueFirst(cell, new Envelope(STOPPING, undefined, '' as Pid, cell.self, 0))
        return
      }
    } else if (!ready || stop.descending) return
    stop.descending = true
    this.#stopChildren(cell, stop, [...cell.children])
  }

  /** A loop and no recursion over those that end at once: there may be very many. */
  #stopChildren(cell: Cell, stop: Stop, left: Cell[]): void {
    while (cell.phase !== 'dead') {
      const youngest = left.pop()
      if (youngest !== undefined) {
        let [ended, waiting] = [false, false]
        this.stop(youngest, SHUTDOWN, false, () => {
          ended = true
          if (waiting) this.#stopChildren(cell, stop, left)
        })
        if (!ended) {
          waiting = true
          return
        }
      } else if (cell.children.size > 0) {
        // Started while the others were being stopped.
        left = [...cell.children]
      } else {
        cell.terminate(stop.reason)
        this.bury(cell, stop.reason)
      }
    }
  }

  /** The end of a cell and of all its children, whatever they were doing. */
  bury(cell: Cell, reason: ExitReason): void {
    if (cell.phase === 'dead') return
    const node = this.#node
    for (const child of [...cell.children].reverse()) this.bury(child, KILLED)
    const owed = cell.release()
    this.#cells.delete(cell.id)
    cell.parent?.children.delete(cell)
    const stop = this.#stops.get(cell)
    this.#stops.delete(cell)
    node.ports.clock.clearTimeout(stop?.killTimer)
    for (
      let envelope = cell.mailbox.take();
      envelope !== undefined;
      envelope = cell.mailbox.take()
    ) {
      node.undeliverable(envelope)
    }
    const error = { code: 'ACTOR_DIED', message: `${cell.id} ended: ${describe(reason)}` }
    for (const { to, ask } of owed) {
      node.route(node.seal(REPLY, { ok: false, error }, cell.self, to, ask))
    }
    links.announceEnd(node, cell, reason)
    stop?.onEnd?.()
    if (cell.parent === undefined) node.rootEnded(reason)
  }

  /** Ends all at once and tells nobody. */
  abandon(): void {
    for (const cell of this.#cells.values()) cell.release()
    this.#cells.clear()
    const stops = [...this.#stops.values()]
    this.#stops.clear()
    for (const stop of stops) this.#node.ports.clock.clearTimeout(stop.killTimer)
    // The stop of the whole node waits for its root.
    for (const stop of stops) stop.onEnd?.()
  }
}
