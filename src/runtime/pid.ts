/**
 * Addresses of actors. A pid is a string, so that it is a cheap map key and travels as it is:
 *
 *     counter@host-1                 whoever has that id on that node now
 *     counter@host-1~k3v9x0qa.17     exactly that actor: incarnation of its node, then its serial
 *
 * A message to an exact pid is never handed to a successor of the same id (spec/actors.md §1).
 */
declare const pidBrand: unique symbol
export type Pid = string & { readonly [pidBrand]: true }

export interface ParsedPid {
  readonly id: string
  readonly node: string
  /** Empty for a pid that means "whoever has that id". */
  readonly incarnation: string
  /** Counts the actors of one incarnation from 1; 0 for a pid that names no exact actor. */
  readonly serial: number
}

const TOKEN = /^[A-Za-z0-9_:,()+=-]{1,400}$/
/** Addresses that were parsed before; begun anew when it is full. Looked into for every message. */
const cache = new Map<string, ParsedPid>()
const CACHED_MAX = 65_536

/** True for what may be an actor id or node name: one subject token without `@` and `~`. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The address of whoever has `id` on `node`. */
export function pid(id: string, node: string): Pid {
  return `${id}@${node}` as Pid
}

export function exactPid(id: string, node: string, incarnation: string, serial: number): Pid {
  return `${id}@${node}~${incarnation}.${serial}` as Pid
}

/** The same actor's address without its incarnation: survives a restart. */
export function nameOf(address: Pid): Pid {
  const tilde = address.indexOf('~')
  return (tilde < 0 ? address : address.slice(0, tilde)) as Pid
}

/** @throws Error naming the text, if it is no pid. */
export function parsePid(address: string): ParsedPid {
  const known = cache.get(address)
  if (known !== undefined) return known
  const parsed = tryParsePid(address)
  if (parsed === undefined) {
    throw new Error(`'${address}' is not a pid: expected id@node or id@node~incarnation.serial`)
  }
  if (cache.size >= CACHED_MAX) cache.clear()
  cache.set(address, parsed)
  return parsed
}

export function isPid(value: unknown): value is Pid {
  return typeof value === 'string' && (cache.has(value) || tryParsePid(value) !== undefined)
}

function tryParsePid(address: string): ParsedPid | undefined {
  const at = address.indexOf('@')
  if (at < 1) return undefined
  const id = address.slice(0, at)
  const tilde = address.indexOf('~', at)
  const node = address.slice(at + 1, tilde < 0 ? undefined : tilde)
  if (!isToken(id) || !isToken(node)) return undefined
  if (tilde < 0) return { id, node, incarnation: '', serial: 0 }
  const dot = address.indexOf('.', tilde)
  const serial = Number(address.slice(dot + 1))
  if (dot < tilde + 2 || !Number.isSafeInteger(serial) || serial < 1) return undefined
  return { id, node, incarnation: address.slice(tilde + 1, dot), serial }
}

/** Forgets the addresses that were parsed: for a process in which one simulated cluster follows another. */
export function forgetPids(): void {
  cache.clear()
}
