/**
 * MessagePack from ready-made pieces. Most of an offer is the same each time it is made; that part is
 * encoded once per agent and spliced with what differs (design.md §4).
 *
 * @example
 * const fixed = encodeFields({ agent_id, hostname, attributes })         // once
 * const offer = joinFields(fixed, encodeFields({ id, resources }))        // each time
 * const event = joinFields(
 *   encodeFields({ type: 'OFFERS' }),
 *   field('offers', joinFields(field('offers', joinItems([offer])))),
 * )
 */
import { encode } from './codec.ts'

/** Encoded entries of a map, without the header that says how many there are. */
export interface Fields {
  readonly count: number
  readonly bytes: Uint8Array
}

/** Encodes the fields of an object for `joinFields`. Those set to undefined are left out. */
export function encodeFields(object: object): Fields {
  const whole = encode(object)
  const type = whole[0]!
  if (type === 0xde) return { count: (whole[1]! << 8) | whole[2]!, bytes: whole.subarray(3) }
  if (type >= 0x80 && type < 0x90) return { count: type & 0x0f, bytes: whole.subarray(1) }
  throw new RangeError('encodeFields takes a plain object of at most 65,535 fields')
}

/** One field whose value is encoded already. */
export function field(name: string, value: Uint8Array): Fields {
  return { count: 1, bytes: concat([encode(name), value]) }
}

/** A map of all these fields. Names must be distinct: the last of two would win. */
export function joinFields(...parts: readonly Fields[]): Uint8Array {
  let count = 0
  for (const part of parts) count += part.count
  return concat([header(count, 0x80, 0xde), ...parts.map((part) => part.bytes)])
}

/** An array of encoded values. */
export function joinItems(items: readonly Uint8Array[]): Uint8Array {
  return concat([header(items.length, 0x90, 0xdc), ...items])
}

/** Joins byte strings into a new one. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let position = 0
  for (const part of parts) {
    whole.set(part, position)
    position += part.length
  }
  return whole
}

/** Header of a map or array: the shortest of the forms with 4, 16 and 32 bits. */
function header(count: number, short: number, long: number): Uint8Array {
  if (count < 16) return Uint8Array.of(short | count)
  if (count < 0x10000) return Uint8Array.of(long, count >> 8, count & 0xff)
  const bytes = new Uint8Array(5)
  bytes[0] = long + 1
  new DataView(bytes.buffer).setUint32(1, count)
  return bytes
}
