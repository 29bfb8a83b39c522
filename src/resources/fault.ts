/**
 * How this folder says what is wrong: a value that names the broken rule and the place, never an
 * exception, because bad resources are what outsiders send every day.
 */
import type { Result } from '../../protocol/result.ts'

/** A broken rule. `place` is a path into the checked document; empty when it is the document itself. */
export interface Fault {
  /** The row of resources.md §7 (`R3`, `M2`, `S1`, ...), the name of an operation or check (`RESERVE`,
   * `TASK`, `CLAIM`, `LIMIT`, ...), or `PARSE`. */
  readonly rule: string
  readonly place: string
  readonly message: string
}

/** What was asked for, or the rule that it breaks. */
export type Checked<T> = Result<T, Fault>

/** Messages quote what outsiders wrote; longer ones are cut. */
const MESSAGE_LENGTH_MAX = 1000

export function fault(rule: string, place: string, message: string): Fault {
  const cut = message.length > MESSAGE_LENGTH_MAX
  return { rule, place, message: cut ? `${message.slice(0, MESSAGE_LENGTH_MAX)}...` : message }
}

/** The same fault seen from a document that holds the checked one at `outer`. */
export function within(outer: string, inner: Fault): Fault {
  return { ...inner, place: joinPlace(outer, inner.place) }
}

/** One line for people: `resources[0].scalar: must not be negative (R3)`. */
export function formatFault(error: Fault): string {
  const where = error.place === '' ? '' : `${error.place}: `
  return `${where}${error.message} (${error.rule})`
}

/** The first fault that `check` finds, with the index of its item in the place. */
export function firstFault<T>(
  items: readonly T[],
  place: string,
  check: (item: T) => Fault | undefined,
): Fault | undefined {
  for (let index = 0; index < items.length; index++) {
    const found = check(items[index] as T)
    if (found !== undefined) return within(`${place}[${index}]`, found)
  }
  return undefined
}

function joinPlace(outer: string, inner: string): string {
  if (outer === '' || inner === '' || inner.startsWith('[')) return outer + inner
  return `${outer}.${inner}`
}
