/**
 * What nodes say to each other, in plain msgpack. A NATS message between nodes is a *frame*: an array of
 * a header, one or more envelopes, all for the actor that the subject's last token names, and a checksum: a
 * frame that was changed on its way is refused, never acted on (`spec/simulation.md` §4). A frame above the
 * broker's payload limit travels in pieces.
 *
 *     header    [2, node, incarnation, receiver's incarnation or '', stream, sequence, seen, kind]
 *     envelope  [type, sender's id, sender's serial, receiver, ask, body]
 *     receiver  0 = whoever has the id; its serial in the header's incarnation; or 'incarnation.serial'
 *     piece     in a frame of kind 1, alone after the header: [count of pieces, index, bytes]
 *     checksum  CRC-32 of all bytes before it, as an integer of 32 bits
 *
 * `stream`, `sequence` and `seen` are how loss is noticed: see peers.ts.
 */
import { crc32 } from 'node:zlib'
import { type DecodeLimits, decode, decodeLimits, encode } from '../../protocol/codec.ts'
import { exactPid, isToken, type Pid, parsePid, pid } from './pid.ts'

export const WIRE_VERSION = 2
export const KIND_ENVELOPES = 0
export const KIND_PIECE = 1

/** Largest frame, all pieces together. A larger send fails loudly. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024

/** Frames are a little more than what they carry: the header, and two levels of nesting. */
const limits: DecodeLimits = Object.freeze({
  ...decodeLimits,
  bytesMax: FRAME_BYTES_MAX + 4096,
  depthMax: decodeLimits.depthMax + 2,
})

export interface Header {
  readonly node: string
  readonly incarnation: string
  /** Empty if the sender has not heard of the receiver yet. */
  readonly toIncarnation: string
  readonly stream: number
  readonly sequence: number
  readonly seen: number
  readonly kind: number
}

export interface WireEnvelope {
  readonly type: string
  readonly from: Pid
  /** Incarnation of the receiving actor's node; empty = whoever has the id. */
  readonly toIncarnation: string
  readonly toSerial: number
  readonly ask: number
  readonly body: unknown
}

/** `known` is the incarnation that the frame's header will name as the receiver's. */
export function encodeEnvelope(
  type: string,
  from: Pid,
  to: Pid,
  ask: number,
  body: unknown,
  known: string,
): Uint8Array {
  const sender = parsePid(from)
  const { serial, incarnation } = parsePid(to)
  const receiver = serial === 0 || incarnation === known ? serial : `${incarnation}.${serial}`
  return encode([type, sender.id, sender.serial, receiver, ask, body])
}

export function encodeFrame(header: Header, values: readonly Uint8Array[]): Uint8Array {
  const head = encode([
    WIRE_VERSION,
    header.node,
    header.incarnation,
    header.toIncarnation,
    header.stream,
    header.sequence,
    header.seen,
    header.kind,
  ])
  const frame = joinArray([head, ...values, noChecksum])
  const end = frame.length - noChecksum.length
  frame.writeUInt32BE(crc32(frame.subarray(0, end)), end + 1)
  return frame
}

/** The checksum before it is known: MessagePack's type of an integer of 32 bits, and its place. */
const noChecksum = new Uint8Array([0xce, 0, 0, 0, 0])

/** Splits the content of a frame that is too large into pieces whose frames fit `maxPayload`. */
export function encodePieces(
  nextHeader: () => Header,
  envelopes: readonly Uint8Array[],
  maxPayload: number,
): Uint8Array[] {
  const content = joinArray(envelopes)
  const room = Math.max(1024, maxPayload - HEADER_BYTES_MAX)
  const count = Math.ceil(content.length / room)
  const frames: Uint8Array[] = []
  for (let index = 0; index < count; index++) {
    const bytes = content.subarray(index * room, (index + 1) * room)
    frames.push(encodeFrame(nextHeader(), [encode([count, index, bytes])]))
  }
  return frames
}

/** More than a header, with names of the greatest length, and the frame of a piece take. */
export const HEADER_BYTES_MAX = 1024

export interface Frame {
  readonly header: Header
  /** Envelopes, or the one piece, still as decoded arrays. */
  readonly values: readonly unknown[]
}

/** @throws Error if the bytes are no frame. */
export function decodeFrame(data: Uint8Array): Frame {
  const values = decodeArray(data)
  const sum = values.pop()
  const head = values.shift()
  if (!Array.isArray(head) || head.length !== 8) throw new Error('a frame without header')
  const [version, node, incarnation, toIncarnation, stream, sequence, seen, kind] = head
  if (version !== WIRE_VERSION)
    throw new Error(`wire version ${String(version)}, expected ${WIRE_VERSION}`)
  if (sum !== crc32(data.subarray(0, data.length - noChecksum.length)))
    throw new Error('a frame that was changed on its way')
  if (
    !isName(node) ||
    !isName(incarnation) ||
    (toIncarnation !== '' && !isName(toIncarnation)) ||
    !isCount(stream) ||
    !isCount(sequence) ||
    !isCount(seen) ||
    (kind !== KIND_ENVELOPES && kind !== KIND_PIECE)
  ) {
    throw new Error('a frame with a malformed header')
  }
  return { header: { node, incarnation, toIncarnation, stream, sequence, seen, kind }, values }
}

/** Reads the envelopes of one frame. Most of them are of one sender, whose pid is made once. */
export class EnvelopeReader {
  readonly #header: Header
  #id = ''
  #serial = -1
  #from = '' as Pid

  constructor(header: Header) {
    this.#header = header
  }

  /** @throws Error if the value is no envelope. */
  read(value: unknown): WireEnvelope {
    if (!Array.isArray(value) || value.length !== 6) throw new Error('a malformed envelope')
    const [type, id, serial, receiver, ask, body] = value
    if (typeof type !== 'string' || !isCount(ask)) throw new Error('a malformed envelope')
    if (id !== this.#id || serial !== this.#serial) this.#setSender(id, serial)
    const from = this.#from
    if (receiver === 0) return { type, from, toIncarnation: '', toSerial: 0, ask, body }
    return { type, from, ...readReceiver(receiver, this.#header), ask, body }
  }

  #setSender(id: unknown, serial: unknown): void {
    if (!isName(id) || !isCount(serial)) throw new Error('a malformed envelope')
    const { node, incarnation } = this.#header
    this.#from = serial === 0 ? pid(id, node) : exactPid(id, node, incarnation, serial)
    this.#id = id
    this.#serial = serial
  }
}

function readReceiver(value: unknown, header: Header) {
  if (isCount(value)) return { toIncarnation: header.toIncarnation, toSerial: value }
  const [incarnation, serial] = typeof value === 'string' ? value.split('.') : []
  const toSerial = Number(serial)
  if (!isName(incarnation) || !isCount(toSerial) || toSerial === 0)
    throw new Error('a malformed receiver')
  return { toIncarnation: incarnation, toSerial }
}

export interface Piece {
  readonly count: number
  readonly index: number
  readonly bytes: Uint8Array
}

/** @throws Error if the value is no piece. */
export function readPiece(value: unknown): Piece {
  if (!Array.isArray(value) || value.length !== 3) throw new Error('a malformed piece')
  const [count, index, bytes] = value
  if (!isCount(count) || !isCount(index) || index >= count || !(bytes instanceof Uint8Array)) {
    throw new Error('a malformed piece')
  }
  return { count, index, bytes }
}

/** The elements of an encoded array. @throws Error if the bytes are not one. */
export function decodeArray(data: Uint8Array): unknown[] {
  const decoded = decode(data, limits)
  if (!decoded.ok) throw new Error(decoded.error)
  const { value } = decoded.value
  if (!Array.isArray(value)) throw new Error('not an array')
  return value
}

/** Bytes before the elements of an array: its type (array 32) and their number. */
const ARRAY_HEAD_BYTES = 5

/** One encoded array of values that are encoded already. */
function joinArray(values: readonly Uint8Array[]): Buffer {
  let length = ARRAY_HEAD_BYTES
  for (const value of values) length += value.length
  // Most are small, and come from memory that is there: to allocate each costs more than to fill it.
  const joined = Buffer.allocUnsafe(length)
  joined[0] = 0xdd
  joined.writeUInt32BE(values.length, 1)
  let at = ARRAY_HEAD_BYTES
  for (const value of values) {
    joined.set(value, at)
    at += value.length
  }
  return joined
}

/** Bytes one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && isToken(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
