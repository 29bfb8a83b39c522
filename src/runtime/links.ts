/**
 * Links and monitors. A link is kept at both ends, and each end knows it by two addresses: the other's,
 * and its own as the other wrote it (a link may be asked of a name, `agent@host`). Control messages travel
 * on the same path as user messages of the same pair, so that an exit comes after everything its actor
 * had sent before.
 */
import type { Cell } from './cell.ts'
import { DEMONITOR, DOWN, Envelope, EXIT, LINK, MONITOR, UNLINK } from './envelope.ts'
import { type DownNotice, type ExitNotice, type ExitReason, NOPROC } from './exit.ts'
import type { Node } from './node.ts'
import { nameOf, type Pid } from './pid.ts'

/** Links and foreign monitors that one actor may have; the next is refused as `overloaded`. */
const TIES_MAX = 100_000
const CROWDED: ExitReason = Object.freeze({ kind: 'overloaded', detail: `${TIES_MAX} links` })

/** One end of a link. */
export interface Link {
  readonly other: Pid
  /** This end's address, as the other knows it. */
  readonly me: Pid
}

export function linkKey(other: Pid, me: Pid): string {
  return `${other} ${me}`
}

const CONTROL: ReadonlySet<string> = new Set([LINK, UNLINK, MONITOR, DEMONITOR, EXIT, DOWN])

export function isControl(type: string): boolean {
  return type.startsWith('@') && CONTROL.has(type)
}

/** Links a child with its parent. */
export function join(child: Cell, parent: Cell): void {
  child.links.set(linkKey(parent.self, child.self), { other: parent.self, me: child.self })
  parent.links.set(linkKey(child.self, parent.self), { other: child.self, me: parent.self })
}

export function part(child: Cell, parent: Cell): void {
  child.links.delete(linkKey(parent.self, child.self))
  parent.links.delete(linkKey(child.self, parent.self))
}

function add(node: Node, cell: Cell, other: Pid, me: Pid): void {
  const key = linkKey(other, me)
  cell.links.set(key, { other, me })
  if (node.isRemote(other)) node.peers.watched(other).links.set(key, { cell, other, me })
}

/** Returns whether there was such a link. */
function remove(node: Node, cell: Cell, other: Pid, me: Pid): boolean {
  const key = linkKey(other, me)
  if (!cell.links.delete(key)) return false
  if (node.isRemote(other)) node.peers.watched(other).links.delete(key)
  return true
}

/** `link`, `unlink`, `monitor`, `demonitor`, asked by `from`: notes its end and tells the other. */
export function request(node: Node, envelope: Envelope, from: Cell): void {
  const { type, to } = envelope
  if (to === from.self) return
  const ref = envelope.body as number
  switch (type) {
    case LINK:
      add(node, from, to, from.self)
      break
    case UNLINK:
      if (isFamily(node, from, to)) return
      remove(node, from, to, from.self)
      from.exits.delete(linkKey(to, from.self))
      break
    case MONITOR:
      from.monitors.set(ref, to)
      if (node.isRemote(to)) {
        const key = `${from.self} ${ref}`
        node.peers.watched(to).monitors.set(key, { cell: from, ref, target: to })
      }
      break
    case DEMONITOR:
      from.monitors.delete(ref)
      if (node.isRemote(to)) node.peers.watched(to).monitors.delete(`${from.self} ${ref}`)
      break
  }
  tell(node, type, ref, from.self, to)
}

/** A parent and its child cannot part: a supervisor would not learn of the death. */
function isFamily(node: Node, cell: Cell, other: Pid): boolean {
  if (node.isRemote(other)) return false
  const relative = node.registry.find(other)
  return relative !== undefined && (relative === cell.parent || relative.parent === cell)
}

/** A request or notice for `cell` here (absent = there is no such actor). */
export function receive(node: Node, cell: Cell | undefined, envelope: Envelope): void {
  const { type, from, to, body } = envelope
  switch (type) {
    case LINK:
      if (cell === undefined) tell(node, EXIT, { pid: to, reason: NOPROC }, to, from)
      else if (isCrowded(cell)) tell(node, EXIT, { pid: to, reason: CROWDED }, to, from)
      else add(node, cell, from, to)
      break
    case UNLINK:
      if (cell !== undefined) remove(node, cell, from, to)
      break
    case MONITOR:
      receiveMonitor(node, cell, envelope)
      break
    case DEMONITOR: {
      const key = `${from} ${String(body)}`
      cell?.watchers.delete(key)
      if (cell !== undefined && node.isRemote(from))
        node.peers.watched(from).watchers.delete(`${key} ${cell.self}`)
      break
    }
    case EXIT: {
      const notice = body as Partial<ExitNotice> | null
      if (cell === undefined || typeof notice?.pid !== 'string') break
      if (typeof notice.reason?.kind !== 'string') break
      if (remove(node, cell, notice.pid, to)) notifyExit(node, cell, notice.pid, to, notice.reason)
      break
    }
    case DOWN: {
      const { ref, reason } = (body ?? {}) as Partial<DownNotice>
      if (cell === undefined || typeof ref !== 'number' || !cell.monitors.has(ref)) break
      if (typeof reason?.kind !== 'string') break
      if (node.isRemote(from)) node.peers.watched(from).monitors.delete(`${cell.self} ${ref}`)
      node.enqueue(cell, envelope)
      break
    }
  }
}

function receiveMonitor(node: Node, cell: Cell | undefined, { from, to, body }: Envelope): void {
  const ref = body as number
  if (cell === undefined || isCrowded(cell)) {
    const reason = cell === undefined ? NOPROC : CROWDED
    tell(node, DOWN, { ref, pid: to, reason }, to, from)
    return
  }
  const key = `${from} ${ref}`
  cell.watchers.set(key, { pid: from, ref })
  if (node.isRemote(from)) {
    node.peers.watched(from).watchers.set(`${key} ${cell.self}`, { cell, key })
  }
}

function isCrowded(cell: Cell): boolean {
  return cell.links.size + cell.watchers.size >= TIES_MAX
}

/** A link has ended, and is forgotten already: its end here gets a notice. */
export function notifyExit(node: Node, cell: Cell, other: Pid, me: Pid, reason: ExitReason): void {
  cell.exits.add(linkKey(other, me))
  node.enqueue(cell, new Envelope(EXIT, { pid: other, reason }, other, me, 0))
}

/** Whether a notice about to be served is still wanted: not after `unlink` or `demonitor`. */
export function isWanted(cell: Cell, { type, body, to }: Envelope): boolean {
  if (type === EXIT) return cell.exits.delete(linkKey((body as ExitNotice).pid, to))
  return cell.monitors.delete((body as DownNotice).ref)
}

/** Tells all who are linked with a cell or monitor it that it has ended. */
export function announceEnd(node: Node, cell: Cell, reason: ExitReason): void {
  for (const { other, me } of [...cell.links.values()]) {
    remove(node, cell, other, me)
    tell(node, EXIT, { pid: me, reason }, cell.self, other)
  }
  for (const [key, { pid, ref }] of cell.watchers) {
    if (node.isRemote(pid)) node.peers.watched(pid).watchers.delete(`${key} ${cell.self}`)
    tell(node, DOWN, { ref, pid: cell.self, reason }, cell.self, pid)
  }
  cell.watchers.clear()
  for (const [ref, target] of [...cell.monitors]) {
    request(node, new Envelope(DEMONITOR, ref, cell.self, target, 0), cell)
  }
}

/** A message was refused by a full mailbox: if the two are linked, both learn that one was lost. */
export function overload(node: Node, cell: Cell, sender: Pid): void {
  if (sender === '' || isFamily(node, cell, sender)) return
  const detail = `${cell.id} has ${cell.mailboxMax} messages waiting`
  const reason: ExitReason = { kind: 'overloaded', detail }
  for (const other of [sender, nameOf(sender)]) {
    for (const me of [cell.self, nameOf(cell.self)]) {
      if (!remove(node, cell, other, me)) continue
      tell(node, EXIT, { pid: me, reason }, cell.self, other)
      notifyExit(node, cell, other, me, reason)
    }
  }
}

function tell(node: Node, type: string, body: unknown, from: Pid, to: Pid): void {
  if (node.isRemote(to)) node.peers.post(node.seal(type, body, from, to, 0))
  else receive(node, node.registry.find(to), new Envelope(type, body, from, to, 0))
}
