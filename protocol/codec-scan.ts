/**
 * One pass over an encoded payload, without recursion, before a decoder sees it: is it complete, not
 * nested too deeply, and does it hold only what we speak? Each function returns a sentence about the
 * first fault, or undefined. MessagePack's layout: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import type { DecodeLimits } from './codec.ts'

/** Checks the structure of one MessagePack value that must fill `bytes` exactly. */
export function scanMessagePack(bytes: Uint8Array, limits: DecodeLimits): string | undefined {
  const end = bytes.length
  const view = new DataView(bytes.buffer, bytes.byteOffset, end)
  let position = 0
  let values = 0

  // The containers around the current value: how many values each still lacks. In a map keys and
  // values both count, so that a key is next where an even number is lacking.
  const lackingOutside: number[] = []
  const mapOutside: boolean[] = []
  let lacking = 1
  let inMap = false

  for (;;) {
    while (lacking === 0) {
      const outer = lackingOutside.pop()
      if (outer === undefined) {
        return position === end ? undefined : `${end - position} bytes follow the value`
      }
      lacking = outer
      inMap = mapOutside.pop() === true
    }
    if (position >= end) return truncated(end)
    if (++values > limits.valuesMax) return `it holds more than ${limits.valuesMax} values`

    const at = position
    const type = bytes[position++]!
    const isKey = inMap && lacking % 2 === 0
    lacking--

    const head = lengthBytes(type)
    if (position + head > end) return truncated(end)
    const count = readCount(type, head, view, position)
    position += head

    const kind = kindOf(type)
    if (isKey && kind !== 'string') return `the map key at byte ${at} is no string`
    switch (kind) {
      case 'scalar':
      case 'string':
        position += count
        if (position > end) return truncated(end)
        break
      case 'map':
      case 'array': {
        // Each element takes a byte at least, which makes a claimed length cost its sender.
        const elements = kind === 'map' ? count * 2 : count
        if (elements > end - position) return truncated(end)
        lackingOutside.push(lacking)
        mapOutside.push(inMap)
        if (lackingOutside.length > limits.depthMax) return tooDeep(limits)
        lacking = elements
        inMap = kind === 'map'
        break
      }
      case 'extension':
        return `there is an extension type at byte ${at}; only plain MessagePack is taken`
      default:
        return `0x${type.toString(16)} at byte ${at} is no MessagePack`
    }
  }
}

/** `scalar` covers binary too: a type byte and then payload to skip, never a key. */
type Kind = 'scalar' | 'string' | 'map' | 'array' | 'extension' | 'unused'

function kindOf(type: number): Kind {
  if (type < 0x80 || type >= 0xe0) return 'scalar'
  if (type < 0x90) return 'map'
  if (type < 0xa0) return 'array'
  if (type < 0xc0) return 'string'
  if (type === 0xc1) return 'unused'
  if ((type >= 0xc7 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8)) return 'extension'
  if (type >= 0xd9 && type <= 0xdb) return 'string'
  if (type >= 0xde) return 'map'
  return type >= 0xdc ? 'array' : 'scalar'
}

/** How many bytes after the type byte give the length of what follows. */
function lengthBytes(type: number): number {
  switch (type) {
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return 1
    case 0xc5: // bin 16
    case 0xda: // str 16
    case 0xdc: // array 16
    case 0xde: // map 16
      return 2
    case 0xc6: // bin 32
    case 0xdb: // str 32
    case 0xdd: // array 32
    case 0xdf: // map 32
      return 4
    default:
      return 0
  }
}

/** Bytes of payload of a scalar or string, or elements (pairs) of an array (map). */
function readCount(type: number, head: number, view: DataView, position: number): number {
  if (head === 1) return view.getUint8(position)
  if (head === 2) return view.getUint16(position)
  if (head === 4) return view.getUint32(position)
  if (type < 0x80 || type >= 0xe0) return 0
  if (type < 0xa0) return type & 0x0f
  if (type < 0xc0) return type & 0x1f
  if (type === 0xca) return 4
  if (type === 0xcb) return 8
  // uint 8..64 and int 8..64: 1, 2, 4, 8 bytes in the order of their type bytes.
  if (type >= 0xcc && type <= 0xd3) return 1 << (type & 0x03)
  return 0
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Checks nesting and size of a JSON text; that it is JSON at all is for the parser to say. */
export function scanJson(bytes: Uint8Array, limits: DecodeLimits): string | undefined {
  let depth = 0
  let values = 1
  let inString = false
  for (let position = 0; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (inString) {
      if (byte === backslash) position++
      else if (byte === quote) inString = false
      continue
    }
    switch (byte) {
      case quote:
        inString = true
        break
      case openBrace:
      case openBracket:
        values++
        if (++depth > limits.depthMax) return tooDeep(limits)
        break
      case closeBrace:
      case closeBracket:
        depth--
        break
      case comma:
        if (++values > limits.valuesMax) return `it holds more than ${limits.valuesMax} values`
        break
    }
  }
  return undefined
}

function tooDeep(limits: DecodeLimits): string {
  return `it is nested more than ${limits.depthMax} deep`
}

function truncated(end: number): string {
  return `it is cut off: more was announced than its ${end} bytes hold`
}
