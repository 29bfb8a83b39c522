/**
 * Links and monitors. A link is kept at both ends; each end remembers under which address the other end
 * knows it (a link may be asked of a name, `agent@host`). Control messages travel on the same path as
 * user messages of the same pair, so that an exit comes after everything its actor had sent before.
 */
import type { Cell } from './cell.ts'
import { DEMONITOR, DOWN, Envelope, EXIT, LINK, MONITOR, UNLINK } from './envelope.ts'
import { type ExitNotice, type ExitReason, NOPROC } from './exit.ts'
import type { Node } from './node.ts'
import type { Peer } from './peers.ts'
import { nameOf, type Pid, parsePid } from './pid.ts'

const CONTROL: ReadonlySet<string> = new Set([LINK, UNLINK, MONITOR, DEMONITOR, EXIT, DOWN])

export function isControl(type: string): boolean {
  return CONTROL.has(type)
}

/** Links two cells of one node. */
export function join(a: Cell, b: Cell): void {
  a.links.add(b.self)
  b.links.add(a.self)
}

export function part(a: Cell, b: Cell): void {
  a.links.delete(b.self)
  b.links.delete(a.self)
}

/** The local half of `link`, `unlink`, `monitor`, `demonitor`, asked by `from`. */
export function request(node: Node, envelope: Envelope, from: Cell): void {
  const { to } = envelope
  if (to === from.self) return
  if (!node.isRemote(to)) {
    receive(node, node.find(to), envelope)
    return
  }
  const peer = node.peers.peer(parsePid(to).node)
  const ref = envelope.body as number
  switch (envelope.type) {
    case LINK:
      from.links.add(to)
      addTo(peer.links, to, from)
      break
    case UNLINK:
      from.links.delete(to)
      removeFrom(peer.links, to, from)
      break
    case MONITOR:
      from.monitors.set(ref, to)
      peer.monitors.set(`${from.self} ${ref}`, { cell: from, ref, target: to })
      break
    case DEMONITOR:
      peer.monitors.delete(`${from.self} ${ref}`)
      break
  }
  post(
    node,
    envelope.type,
    envelope.type === LINK || envelope.type === UNLINK ? to : ref,
    from.self,
    to,
  )
}

/** The far half: a request or notice that concerns `cell` here (absent = no such actor). */
export function receive(node: Node, cell: Cell | undefined, envelope: Envelope): void {
  const { type, from, to, body } = envelope
  switch (type) {
    case LINK:
      if (cell === undefined) notify(node, EXIT, { pid: to, reason: NOPROC }, to, from)
      else connect(node, cell, from, to)
      break
    case UNLINK:
      if (cell === undefined) break
      cell.links.delete(from)
      cell.aliases.delete(from)
      if (!node.isRemote(from)) node.find(from)?.links.delete(to)
      if (node.isRemote(from)) removeFrom(linksOf(node, from), from, cell)
      break
    case MONITOR: {
      const ref = body as number
      if (cell === undefined) {
        notify(node, DOWN, { ref, pid: to, reason: NOPROC }, to, from)
        break
      }
      const key = `${from} ${ref}`
      cell.watchers.set(key, { pid: from, ref })
      if (node.isRemote(from)) watchersOf(node, from).set(`${key} ${cell.self}`, { cell, key })
      else node.find(from)?.monitors.set(ref, to)
      break
    }
    case DEMONITOR: {
      const key = `${from} ${String(body)}`
      cell?.watchers.delete(key)
      if (cell !== undefined && node.isRemote(from))
        watchersOf(node, from).delete(`${key} ${cell.self}`)
      break
    }
    case EXIT: {
      const notice = body as Partial<ExitNotice> | null
      if (
        cell === undefined ||
        typeof notice?.pid !== 'string' ||
        typeof notice.reason?.kind !== 'string'
      )
        break
      if (!cell.links.delete(notice.pid)) break
      if (node.isRemote(from)) removeFrom(linksOf(node, from), notice.pid, cell)
      node.enqueue(cell, envelope)
      break
    }
    case DOWN: {
      const ref = (body as { ref?: unknown } | null)?.ref
      if (cell === undefined || typeof ref !== 'number' || !cell.monitors.delete(ref)) break
      if (node.isRemote(from))
        node.peers.peer(parsePid(from).node).monitors.delete(`${cell.self} ${ref}`)
      node.enqueue(cell, envelope)
      break
    }
  }
}

/** `from` asked for a link with `cell`, which it addressed as `to`. */
function connect(node: Node, cell: Cell, from: Pid, to: Pid): void {
  cell.links.add(from)
  if (to !== cell.self) cell.aliases.set(from, to)
  if (!node.isRemote(from)) node.find(from)?.links.add(to)
  else addTo(linksOf(node, from), from, cell)
}

/** Tells all who are linked with a cell or monitor it that it has ended. */
export function announceEnd(node: Node, cell: Cell, reason: ExitReason): void {
  for (const other of cell.links) {
    const pid = cell.aliases.get(other) ?? cell.self
    if (node.isRemote(other)) removeFrom(linksOf(node, other), other, cell)
    notify(node, EXIT, { pid, reason }, cell.self, other)
  }
  cell.links.clear()
  for (const [key, { pid, ref }] of cell.watchers) {
    if (node.isRemote(pid)) watchersOf(node, pid).delete(`${key} ${cell.self}`)
    notify(node, DOWN, { ref, pid: cell.self, reason }, cell.self, pid)
  }
  cell.watchers.clear()
  for (const [ref, target] of cell.monitors) {
    request(node, new Envelope(DEMONITOR, ref, cell.self, target, 0), cell)
  }
  cell.monitors.clear()
}

/** A message was refused by a full mailbox: if the two are linked, both learn that one was lost. */
export function overload(node: Node, cell: Cell, sender: Pid): void {
  if (sender === '') return
  const linked = cell.links.has(sender) ? sender : nameOf(sender)
  if (!cell.links.delete(linked)) return
  const reason: ExitReason = {
    kind: 'overloaded',
    detail: `${cell.id} has ${cell.mailboxMax} messages waiting`,
  }
  if (node.isRemote(sender)) removeFrom(linksOf(node, sender), linked, cell)
  notify(node, EXIT, { pid: cell.aliases.get(sender) ?? cell.self, reason }, cell.self, sender)
  node.enqueue(cell, new Envelope(EXIT, { pid: linked, reason }, sender, cell.self, 0))
}

function notify(node: Node, type: string, body: unknown, from: Pid, to: Pid): void {
  if (node.isRemote(to)) post(node, type, body, from, to)
  else receive(node, node.find(to), new Envelope(type, body, from, to, 0))
}

function post(node: Node, type: string, body: unknown, from: Pid, to: Pid): void {
  node.peers.post(node.seal(type, body, from, to, 0))
}

function linksOf(node: Node, remote: Pid): Peer['links'] {
  return node.peers.peer(parsePid(remote).node).links
}

function watchersOf(node: Node, remote: Pid): Peer['watchers'] {
  return node.peers.peer(parsePid(remote).node).watchers
}

function addTo(index: Map<Pid, Set<Cell>>, key: Pid, cell: Cell): void {
  const cells = index.get(key)
  if (cells === undefined) index.set(key, new Set([cell]))
  else cells.add(cell)
}

function removeFrom(index: Map<Pid, Set<Cell>>, key: Pid, cell: Cell): void {
  const cells = index.get(key)
  if (cells === undefined) return
  cells.delete(cell)
  if (cells.size === 0) index.delete(key)
}
