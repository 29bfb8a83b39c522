/**
 * The JSON mapping of protobuf as Mesos does it (scheduler-api.md §1.1), driven by schemas.
 *
 * It is applied to MessagePack too: a client that sends Base64 text for bytes, or the text "3" for a
 * number, is understood in either format.
 */
import type { TSchema } from 'typebox'
import { bytesEncoding } from './schema.ts'

/** Brings a value nearer to its schema; undefined means that the field counts as not set. */
type Normaliser = (value: unknown) => unknown

/** What the mapping needs to know of a schema: the keywords of JSON Schema that documents use. */
interface Shape {
  readonly type?: string
  readonly contentEncoding?: string
  readonly enum?: readonly unknown[]
  readonly items?: Shape
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Shape>>
  readonly patternProperties?: Readonly<Record<string, Shape>>
  readonly additionalProperties?: Shape | boolean
  readonly $defs?: Readonly<Record<string, Shape>>
  readonly $ref?: string
}

const normalisers = new WeakMap<TSchema, Normaliser>()

/**
 * Understands what a client may write:
 * - `null` and undefined mean "not set", and so does an unknown name where an enum is optional;
 * - numbers and booleans may be given as text, bytes as Base64 text;
 * - a single value may stand for a list of one;
 * - fields that the schema does not declare are dropped, so that nothing unchecked is kept.
 *
 * What cannot be understood stays as it is, for the check to name. The input is not changed; where
 * nothing has to be, it is returned itself.
 */
export function fromJson(schema: TSchema, value: unknown): unknown {
  let normalise = normalisers.get(schema)
  if (!normalise) {
    normalise = normaliserOf(schema as Shape, {})
    normalisers.set(schema, normalise)
  }
  return normalise(value)
}

/**
 * Makes data fit for JSON: bytes become Base64 text; numbers that JSON lacks become the text that
 * `fromJson`'s peers in other languages read ("Infinity"), BigInts become text. What needs no change is
 * returned itself.
 */
export function toJson(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return String(value)
    case 'object':
      if (value === null) return value
      if (value instanceof Uint8Array) return base64(value)
      if (Array.isArray(value)) return mapItems(value, toJson)
      return mapValues(value as Record<string, unknown>, toJson)
    default:
      return value
  }
}

function normaliserOf(shape: Shape, outerDefs: Readonly<Record<string, Shape>>): Normaliser {
  const defs = shape.$defs ?? outerDefs
  if (shape.$ref !== undefined) return referenceNormaliser(shape.$ref, defs)
  if (shape.contentEncoding === bytesEncoding) return bytesOf
  switch (shape.type) {
    case 'number':
    case 'integer':
      return numberOf
    case 'boolean':
      return booleanOf
    case 'array':
      return arrayNormaliser(shape, defs)
    case 'object':
      return objectNormaliser(shape, defs)
    default:
      return (value) => value
  }
}

/** Resolved when first needed, since documents may refer to themselves. */
function referenceNormaliser(name: string, defs: Readonly<Record<string, Shape>>): Normaliser {
  let normalise: Normaliser | undefined
  return (value) => {
    normalise ??= normaliserOf(defs[name]!, defs)
    return normalise(value)
  }
}

function arrayNormaliser(shape: Shape, defs: Readonly<Record<string, Shape>>): Normaliser {
  const item = fieldNormaliser(shape.items ?? {}, false, defs)
  return (value) => (Array.isArray(value) ? mapItems(value, item) : [item(value)])
}

function objectNormaliser(shape: Shape, defs: Readonly<Record<string, Shape>>): Normaliser {
  if (shape.additionalProperties === true) return (value) => value
  const entryShape =
    shape.additionalProperties || Object.values(shape.patternProperties ?? {})[0] || undefined
  const entry = entryShape && fieldNormaliser(entryShape, true, defs)
  const fields = new Map<string, Normaliser>()
  for (const [name, field] of Object.entries(shape.properties ?? {})) {
    fields.set(name, fieldNormaliser(field, shape.required?.includes(name) === true, defs))
  }
  return (value) => {
    if (!isObject(value)) return value
    return mapValues(value, (each, name) => {
      if (each === null) return undefined
      return (fields.get(name) ?? entry)?.(each)
    })
  }
}

/** An unknown name of an enum is an error only where the field must be there. */
function fieldNormaliser(
  shape: Shape,
  required: boolean,
  defs: Readonly<Record<string, Shape>>,
): Normaliser {
  if (!shape.enum || required) return normaliserOf(shape, defs)
  const names = new Set(shape.enum)
  return (value) => (typeof value === 'string' && !names.has(value) ? undefined : value)
}

const numberText = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/

function numberOf(value: unknown): unknown {
  return typeof value === 'string' && numberText.test(value) ? Number(value) : value
}

function booleanOf(value: unknown): unknown {
  if (value === 'true') return true
  return value === 'false' ? false : value
}

/** Standard alphabet with padding; white space is not taken. */
const base64Text = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function bytesOf(value: unknown): unknown {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !base64Text.test(value)) return value
  // A copy of its own: small Buffers are views into a shared pool.
  return new Uint8Array(Buffer.from(value, 'base64'))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  )
}

/** As `map`, but returns `items` itself if nothing changes; items that become undefined are left out. */
function mapItems(items: readonly unknown[], change: Normaliser): readonly unknown[] {
  let changed: unknown[] | undefined
  for (let index = 0; index < items.length; index++) {
    const item = change(items[index])
    if (!changed) {
      if (item === items[index]) continue
      changed = items.slice(0, index)
    }
    if (item !== undefined) changed.push(item)
  }
  return changed ?? items
}

/** The same for the fields of an object. */
function mapValues(
  object: Readonly<Record<string, unknown>>,
  change: (value: unknown, name: string) => unknown,
): Readonly<Record<string, unknown>> {
  const names = Object.keys(object)
  let changed: Record<string, unknown> | undefined
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!
    const value = change(object[name], name)
    if (!changed) {
      if (value === object[name] && value !== undefined) continue
      changed = {}
      for (const earlier of names.slice(0, index)) set(changed, earlier, object[earlier])
    }
    if (value !== undefined) set(changed, name, value)
  }
  return changed ?? object
}

/** Assigning to `__proto__` would change the prototype instead of adding a field. */
function set(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value
}
