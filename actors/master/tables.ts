/**
 * Tables that are empty for most agents most of the time (executors, operations): those share one, since
 * an empty `Map` takes 200 bytes. Whoever changes such a table keeps what these functions return.
 */

/** The table without entries that all share. */
export const noEntries: ReadonlyMap<string, never> = new Map<string, never>()

export function withEntry<T>(
  table: ReadonlyMap<string, T>,
  key: string,
  value: T,
): ReadonlyMap<string, T> {
  const own = table === noEntries ? new Map<string, T>() : (table as Map<string, T>)
  return own.set(key, value)
}

export function withoutEntry<T>(
  table: ReadonlyMap<string, T>,
  key: string,
): ReadonlyMap<string, T> {
  if (table === noEntries) return noEntries
  const own = table as Map<string, T>
  own.delete(key)
  return own.size === 0 ? noEntries : own
}
