/**
 * What nodes say to each other, in msgpack. A NATS message between nodes is a *frame*: a header and one
 * or more envelopes, all for the actor that the subject's last token names. Frames of a pair of nodes are
 * counted, so that a lost one is noticed. A frame above the broker's payload limit travels in pieces.
 *
 *     header    [1, node, incarnation, incarnation of the receiver or '', sequence, kind]
 *     envelope  [type, sender's id, sender's serial, receiver's serial or 0, ask, body]
 *     piece     header of kind 1, then [count of pieces, index, bytes]
 */
import { Packr } from 'msgpackr'
import type { Pid } from './pid.ts'
import { exactPid, parsePid } from './pid.ts'

export const WIRE_VERSION = 1
export const KIND_ENVELOPES = 0
export const KIND_PIECE = 1

/** Largest frame, all pieces together. A larger send fails loudly. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024

export interface Header {
  readonly node: string
  readonly incarnation: string
  readonly toIncarnation: string
  readonly sequence: number
  readonly kind: number
}

export interface WireEnvelope {
  readonly type: string
  readonly from: Pid
  readonly toSerial: number
  readonly ask: number
  readonly body: unknown
}

// Plain maps, no records: bytes must not depend on what was sent before. No moreTypes: no classes.
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  mapsAsObjects: true,
  int64AsType: 'number',
  copyBuffers: true,
})

export function encodeEnvelope(
  type: string,
  from: Pid,
  to: Pid,
  ask: number,
  body: unknown,
): Uint8Array {
  const sender = parsePid(from)
  return packr.pack([type, sender.id, sender.serial, parsePid(to).serial, ask, body])
}

export function encodeFrame(header: Header, envelopes: readonly Uint8Array[]): Uint8Array {
  return join(encodeHeader(header), envelopes)
}

/** Splits a frame's content into pieces whose frames fit `maxPayload`. */
export function encodePieces(
  headerOf: (index: number) => Header,
  content: Uint8Array,
  maxPayload: number,
): Uint8Array[] {
  const room = Math.max(1024, maxPayload - 512)
  const count = Math.ceil(content.length / room)
  const frames: Uint8Array[] = []
  for (let index = 0; index < count; index++) {
    const piece = content.subarray(index * room, (index + 1) * room)
    frames.push(join(encodeHeader(headerOf(index)), [packr.pack([count, index, piece])]))
  }
  return frames
}

export interface Frame {
  readonly header: Header
  /** Envelopes, or the one piece, still as decoded arrays. */
  readonly values: readonly unknown[]
}

/** @throws Error if the bytes are no frame. */
export function decodeFrame(data: Uint8Array): Frame {
  const values: unknown[] = []
  packr.unpackMultiple(data, (value: unknown) => {
    values.push(value)
  })
  const head = values.shift()
  if (!Array.isArray(head) || head.length !== 6) throw new Error('a frame without header')
  const [version, node, incarnation, toIncarnation, sequence, kind] = head
  if (version !== WIRE_VERSION)
    throw new Error(`wire version ${String(version)}, expected ${WIRE_VERSION}`)
  if (
    typeof node !== 'string' ||
    typeof incarnation !== 'string' ||
    typeof toIncarnation !== 'string' ||
    !Number.isSafeInteger(sequence)
  ) {
    throw new Error('a frame with a malformed header')
  }
  return { header: { node, incarnation, toIncarnation, sequence, kind }, values }
}

/** @throws Error if the value is no envelope. */
export function readEnvelope(value: unknown, header: Header): WireEnvelope {
  if (!Array.isArray(value) || value.length !== 6) throw new Error('a malformed envelope')
  const [type, id, serial, toSerial, ask, body] = value
  if (
    typeof type !== 'string' ||
    typeof id !== 'string' ||
    !isCount(serial) ||
    !isCount(toSerial) ||
    !isCount(ask)
  ) {
    throw new Error('a malformed envelope')
  }
  return { type, from: exactPid(id, header.node, header.incarnation, serial), toSerial, ask, body }
}

export function readPiece(value: unknown): { count: number; index: number; bytes: Uint8Array } {
  if (!Array.isArray(value) || value.length !== 3) throw new Error('a malformed piece')
  const [count, index, bytes] = value
  if (!isCount(count) || !isCount(index) || index >= count || !(bytes instanceof Uint8Array)) {
    throw new Error('a malformed piece')
  }
  return { count, index, bytes }
}

/** The envelopes of a frame that came in pieces. */
export function decodeContent(content: Uint8Array): unknown[] {
  const values: unknown[] = []
  packr.unpackMultiple(content, (value: unknown) => {
    values.push(value)
  })
  return values
}

function encodeHeader(header: Header): Uint8Array {
  return packr.pack([
    WIRE_VERSION,
    header.node,
    header.incarnation,
    header.toIncarnation,
    header.sequence,
    header.kind,
  ])
}

export function join(head: Uint8Array, rest: readonly Uint8Array[]): Uint8Array {
  let length = head.length
  for (const part of rest) length += part.length
  const joined = new Uint8Array(length)
  joined.set(head, 0)
  let at = head.length
  for (const part of rest) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
