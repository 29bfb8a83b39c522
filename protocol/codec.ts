/**
 * Bytes and values: MessagePack (plain maps, no extension types) or JSON, told apart by the first
 * byte (design.md §4).
 *
 * Decoding takes whatever the network brings. The structure of the input is checked before a decoder
 * that recurses or trusts lengths sees it, so that no input overflows the stack, asks for more memory
 * than it has paid for in bytes, or throws.
 *
 * Numbers: an integer in int64/uint64 becomes a number if a double holds it exactly and a BigInt
 * otherwise, which every schema refuses. Integers beyond 32 bits are written as float64.
 */
import { Packr, Unpackr } from 'msgpackr'
import { scanJson, scanMessagePack } from './codec-scan.ts'
import { toJson } from './json.ts'
import { err, ok, type Result } from './result.ts'

export type Format = 'msgpack' | 'json'

export interface Decoded {
  readonly format: Format
  readonly value: unknown
}

/** What one input may cost. */
export interface DecodeLimits {
  readonly bytesMax: number
  /** Maps and arrays inside one another. */
  readonly depthMax: number
  /** Values in all, keys included: an element may take 1 byte on the wire and 50 in memory. */
  readonly valuesMax: number
}

/** The runtime reassembles messages up to 64 MiB; listings of 50,000 agents have some 10 million values. */
export const decodeLimits: DecodeLimits = Object.freeze({
  bytesMax: 64 * 1024 * 1024,
  depthMax: 64,
  valuesMax: 16 * 1024 * 1024,
})

/**
 * For what frameworks, executors and operators send: enough for some 5,000 tasks in one ACCEPT, and at
 * most some 20 MB of memory while it is looked at.
 */
export const callLimits: DecodeLimits = Object.freeze({
  bytesMax: 4 * 1024 * 1024,
  depthMax: 64,
  valuesMax: 256 * 1024,
})

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  // A field set to undefined is a field not set, as in JSON; msgpackr's own way is an extension type.
  skipValues: [undefined],
  encodeUndefinedAsNil: true,
} as ConstructorParameters<typeof Packr>[0])

const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  // Views would pin the whole received frame.
  copyBuffers: true,
  int64AsType: 'auto',
} as unknown as ConstructorParameters<typeof Unpackr>[0])

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder('utf-8', { fatal: true })

/** `{` in ASCII; in MessagePack the number 123, which no message of ours is. */
const openingBrace = 0x7b

/** The format of a payload. An empty one counts as MessagePack. */
export function formatOf(bytes: Uint8Array): Format {
  return bytes[0] === openingBrace ? 'json' : 'msgpack'
}

/**
 * Encodes plain data into bytes that nobody else holds or will overwrite. Fields that are undefined
 * count as not set; in JSON, bytes become Base64 text.
 */
export function encode(value: unknown, format: Format = 'msgpack'): Uint8Array {
  return format === 'json' ? textEncoder.encode(encodeText(value)) : packr.pack(value)
}

/** The same as the text of JSON. */
export function encodeText(value: unknown): string {
  return JSON.stringify(toJson(value))
}

/** Decodes one payload. The error is a sentence; this never throws, whatever the bytes. */
export function decode(bytes: Uint8Array, limits: DecodeLimits = decodeLimits): Result<Decoded> {
  if (bytes.length === 0) return err('the payload is empty')
  if (bytes.length > limits.bytesMax) {
    return err(`the payload has ${bytes.length} bytes, at most ${limits.bytesMax} are taken`)
  }
  const format = formatOf(bytes)
  const problem = format === 'json' ? scanJson(bytes, limits) : scanMessagePack(bytes, limits)
  if (problem) return err(problem)
  try {
    const value = format === 'json' ? JSON.parse(textDecoder.decode(bytes)) : unpack(bytes)
    return ok({ format, value })
  } catch (error) {
    return err(`the payload is no valid ${format}: ${(error as Error).message}`)
  }
}

/**
 * Decodes MessagePack that this program wrote itself (its own disk, its own node).
 * @throws if it is malformed; for input of others use `decode`.
 */
export function unpack(bytes: Uint8Array): unknown {
  // A Node Buffer would make every binary field a Buffer too, which prints and compares differently.
  const plain = Buffer.isBuffer(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : bytes
  return unpackr.unpack(plain)
}
