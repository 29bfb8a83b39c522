/**
 * Freezes a tree of plain data, so that local messages need not copy it. What is frozen already is taken
 * as frozen throughout.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  // Typed arrays with elements cannot be frozen; documents that hold some are copied where sent.
  if (ArrayBuffer.isView(value)) return value
  for (const each of Object.values(value)) deepFreeze(each)
  return Object.freeze(value)
}
