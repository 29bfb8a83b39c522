/**
 * Long lists in pages. A call that lists can ask for its answer in pages by `page_size`; an answer that is
 * not the last page has a `next_page_token`, with which the same call goes on. What is listed, and its
 * order, is decided when the first page is asked for: nothing is left out or comes twice, whatever changes
 * in the meantime. Without `page_size` the answer comes whole, or is refused if it does not fit into one
 * message.
 *
 * Ours: Mesos' operator API answers whole, over HTTP.
 */
import Type, { type TProperties } from 'typebox'
import { member } from './family.ts'
import type { Message } from './message.ts'

/** What a call that lists takes beside its own fields. */
export const pageRequest = {
  /** Most entries of one page; it has fewer where more would not fit. Absent: the whole list at once. */
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  /** Goes on with a list; from the page before, for the same call. */
  page_token: Type.Optional(Type.String()),
}

/** What its answer has beside the list. */
const pageReply = {
  /** Asks for the next page. Absent from the last one. */
  next_page_token: Type.Optional(Type.String()),
}

/** A call that lists: `fields` beside `type` and those of paging; its answer says its type. */
export function list<
  const Name extends string,
  Answer extends TProperties,
  Fields extends TProperties = Record<never, never>,
>(name: Name, doc: string, answer: Answer, fields: Fields = {} as Fields) {
  const reply = Type.Object({ type: Type.Literal(name), ...answer, ...pageReply })
  return member(name, doc, { ...fields, ...pageRequest }, reply)
}

/** Whether the answer to a call may come in pages. */
export function isList({ body }: Message): boolean {
  return 'page_size' in (body as unknown as { properties: object }).properties
}

/** One answer of all pages, in their order: arrays at the same place follow one another. */
export function joinPages<Answer extends object>(pages: readonly Answer[]): Answer {
  const { next_page_token: _, ...joined } = pages.reduce(join) as Record<string, unknown>
  return joined as Answer
}

function join<T>(left: T, right: T): T {
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right] as T
  if (!isMap(left) || !isMap(right)) return right
  const joined: Record<string, unknown> = { ...left }
  for (const [name, value] of Object.entries(right)) {
    joined[name] = name in joined ? join(joined[name], value) : value
  }
  return joined as T
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
