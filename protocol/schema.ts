/**
 * The vocabulary that documents are written in: protobuf's scalar types as TypeBox schemas, and the
 * two wrappers that TypeBox lacks.
 *
 * Fields that nobody declared are allowed everywhere, so that a newer peer may say more than an older
 * one understands. Spec: scheduler-api.md §1.1 and the notation of Appendix A.
 */
import Type, { type Static, type TSchema, type TUnsafe } from 'typebox'

/** Keyword that marks a schema of bytes, for the JSON mapping and for the generated documents. */
export const bytesEncoding = 'base64'

/** protobuf `bytes`: binary in MessagePack, Base64 text in JSON, a `Uint8Array` in the program. */
export const Bytes: TUnsafe<Uint8Array> = Type.Refine(
  Type.Unsafe<Uint8Array>({ contentEncoding: bytesEncoding } as TSchema),
  (value) => value instanceof Uint8Array,
  () => 'must be bytes (binary in MessagePack, Base64 text in JSON)',
)

/** protobuf `double`, but finite: JSON has no other numbers and no field of ours means anything by them. */
export const Double = Type.Number()

export const Int32 = Type.Integer({ minimum: -(2 ** 31), maximum: 2 ** 31 - 1 })
export const Uint32 = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })

/** protobuf `int64`, within the integers that a double holds exactly. */
export const Int64 = Type.Integer({
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
})

/** protobuf `uint64`, within the integers that a double holds exactly. */
export const Uint64 = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** A message without fields, whose presence is all it says. */
export const Empty = Type.Object({})

/**
 * protobuf `map<string, Item>`. Unlike `Type.Record`, whose pattern for keys lets those with a line
 * break past unchecked, this checks every value.
 */
export function mapOf<Item extends TSchema>(item: Item): TUnsafe<Record<string, Static<Item>>> {
  return Type.Unsafe<Record<string, Static<Item>>>({
    type: 'object',
    additionalProperties: item,
  } as TSchema)
}

/**
 * Gives a document its name in the generated documents, and its interface in the program: compiler
 * messages and declaration files then say `TaskInfo` instead of repeating all that it is made of.
 *
 * @example
 * const taskInfo = Type.Object({ name: Type.String() })
 * export interface TaskInfo extends Static<typeof taskInfo> {}
 * export const TaskInfo = named<TaskInfo>('TaskInfo', taskInfo)
 */
export function named<Document>(name: string, schema: TSchema): TUnsafe<Document> {
  return Type.Unsafe<Document>({ ...schema, title: name } as TSchema)
}
