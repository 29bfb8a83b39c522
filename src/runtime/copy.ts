/**
 * Local messages keep the wire's semantics: what is sent is a value, not a reference. Anything that
 * msgpack carries may be sent; a frozen object is taken as deeply immutable and is not copied. As on the
 * wire, a field that is undefined is a field not set.
 */

/** Nesting beyond this is refused, as it is on the wire. */
const DEPTH_MAX = 64

/** @throws TypeError for what cannot travel (functions, class instances, symbols). */
export function copy<T>(value: T): T {
  return copyAt(value, 0) as T
}

function copyAt(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return value
    case 'object':
      break
    default:
      throw new TypeError(`a ${typeof value} cannot be sent in a message`)
  }
  if (value === null || Object.isFrozen(value)) return value
  if (depth >= DEPTH_MAX)
    throw new TypeError(`a message may nest ${DEPTH_MAX} levels, this one nests more`)
  if (Array.isArray(value)) {
    const items = new Array<unknown>(value.length)
    for (let i = 0; i < value.length; i++) items[i] = copyAt(value[i] ?? null, depth + 1)
    return items
  }
  if (value instanceof Uint8Array) return new Uint8Array(value)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(
      `an instance of ${value.constructor?.name ?? 'a class'} cannot be sent in a message`,
    )
  }
  const source = value as Record<string, unknown>
  const target: Record<string, unknown> = {}
  for (const key in source) {
    const field = source[key]
    // Assigned, `__proto__` would be the prototype of the copy.
    if (field !== undefined && key !== '__proto__') target[key] = copyAt(field, depth + 1)
  }
  return target
}
