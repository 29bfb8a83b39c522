/** Answers whose lists are encoded entry by entry, each once, while it is found out how many there is room for. */
import { encode, encodeText, type Format } from '../../protocol/codec.ts'
import { field, joinFields, joinItems } from '../../protocol/splice.ts'

/** One value: in MessagePack, or the text of its JSON. */
export type Piece = Uint8Array | string

/** Stands in an answer where the array of these values is. */
export class EncodedList {
  readonly items: readonly Piece[]
  constructor(items: readonly Piece[]) {
    this.items = items
  }
}

export function encodePiece(value: unknown, format: Format): Piece {
  return format === 'json' ? encodeText(value) : encode(value)
}

/** Bytes of a piece on the wire. */
export function sizeOf(piece: Piece): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
}

const textEncoder = new TextEncoder()

/** The bytes of an answer with lists of that format in it, in maps however deep. */
export function encodeSpliced(answer: object, format: Format): Uint8Array {
  return format === 'json' ? textEncoder.encode(textOf(answer)) : packed(answer)
}

function textOf(value: unknown): string {
  if (value instanceof EncodedList) return `[${value.items.join()}]`
  if (!isMap(value)) return encodeText(value)
  const fields = fieldsOf(value).map(([name, each]) => `${JSON.stringify(name)}:${textOf(each)}`)
  return `{${fields.join()}}`
}

function packed(value: unknown): Uint8Array {
  if (value instanceof EncodedList) return joinItems(value.items as Uint8Array[])
  if (!isMap(value)) return encode(value)
  return joinFields(...fieldsOf(value).map(([name, each]) => field(name, packed(each))))
}

function fieldsOf(map: object): [string, unknown][] {
  return Object.entries(map).filter(([, value]) => value !== undefined)
}

function isMap(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  )
}
