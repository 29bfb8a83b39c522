/**
 * Answers to operators that list: whole, or in pages (protocol/paging.ts). What a list holds is collected
 * at its first page and kept until its last one; the documents of its entries are made page by page, so
 * that a list of a hundred thousand costs its actor some milliseconds at a time. Those of a whole answer are
 * made in slices.
 *
 * Bounded: a page in bytes, a whole answer by what one message holds (beyond that no entry is looked at),
 * and in number, and open lists in number and time. One that is given up for another is told so
 * (PAGE_EXPIRED) and may be asked for anew.
 */
import type { Format } from '../../protocol/codec.ts'
import { errorReply, type Failure, fail, failure } from '../../protocol/errors.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import { type Context, inSlices } from '../runtime/index.ts'
import { EncodedList, encodePiece, encodeSpliced, type Piece, sizeOf } from './encoding.ts'

/** Bytes of one page, about: some milliseconds of work, and less than every broker takes. */
const PAGE_BYTES_MAX = 256 * 1024
/** Bytes of a whole answer, which are joined in one turn. */
const WHOLE_BYTES_MAX = 4 * 1024 * 1024
/** Whole answers that are being made; further ones that do not fit into one slice are refused. */
const WHOLE_MAX = 16
/** What an answer has beside the entries. */
const FRAME_BYTES = 2048
/** Lists of which the next page may be asked for; of more, that asked for longest ago is forgotten. */
const OPEN_MAX = 16
/** A list is forgotten when nobody has asked for its next page for so long. */
const IDLE_MS = 30_000

/** A call that lists, as far as paging goes. */
export interface ListCall {
  readonly type: string
  readonly page_size?: number
  readonly page_token?: string
}

/** Entries of a list whose documents are made when they are told. */
class Entries<T = unknown> {
  readonly items: readonly T[]
  readonly document: (item: T) => unknown
  constructor(items: readonly T[], document: (item: T) => unknown) {
    this.items = items
    this.document = document
  }
}

interface OpenList {
  readonly type: string
  readonly answer: object
  readonly pageSize: number
}

/** The lists of one actor that are under way. */
export interface OpenLists {
  /** Told in pages; by id, that asked for last at the end. */
  readonly paged: Map<string, OpenList>
  /** Told whole. */
  whole: number
}

export function noLists(): OpenLists {
  return { paged: new Map(), whole: 0 }
}

/** Stands in an answer where the array of these documents will. */
export function entries<T>(items: Iterable<T>, document: (item: T) => object): unknown {
  return new Entries([...items], document)
}

/** Whether a call asks for pages. */
export function isPaged({ page_size, page_token }: ListCall): boolean {
  return page_size !== undefined || page_token !== undefined
}

/**
 * Answers a call that begins a list.
 * @param answer the whole answer, with arrays or `entries` in it
 * @param tell takes the outcome, in this turn or a later one
 */
export function answerList(
  open: OpenLists,
  { type, page_size }: ListCall,
  answer: object,
  format: Format,
  cx: Context,
  tell: (outcome: Result<object, Failure>) => void,
): void {
  if (page_size === undefined) {
    answerWhole(open, answer, format, cx, tell)
    return
  }
  const page = pageOf(answer, 0, page_size, format, cx)
  if (page.next === undefined) {
    tell(ok(page.answer))
    return
  }
  const id = cx.newId()
  open.paged.set(id, { type, answer, pageSize: page_size })
  for (const oldest of open.paged.keys()) {
    if (open.paged.size <= OPEN_MAX) break
    forget(open, oldest, cx)
  }
  tell(ok(goOn(open, id, page.answer, page.next, cx)))
}

function answerWhole(
  open: OpenLists,
  answer: object,
  format: Format,
  cx: Context,
  tell: (outcome: Result<object, Failure>) => void,
): void {
  if (open.whole >= WHOLE_MAX) {
    tell(fail('RATE_LIMITED', { sender: 'operators', limit: WHOLE_MAX }))
    return
  }
  open.whole++
  const work = partOf(answer, 0, Number.POSITIVE_INFINITY, wholeMax(cx), format)
  inSlices(work, cx, (whole) => {
    open.whole--
    tell(whole.next === undefined ? ok(whole.answer) : err(tooLarge(wholeMax(cx))))
  })
}

function wholeMax({ maxPayload }: Context): number {
  return Math.min(WHOLE_BYTES_MAX, maxPayload)
}

/** Answers a call that asks for a further page. */
export function continueList(
  open: OpenLists,
  { type, page_size, page_token = '' }: ListCall,
  format: Format,
  cx: Context,
): Result<object, Failure> {
  const [, id = '', position = ''] = /^([^.]+)\.(\d{1,15})$/.exec(page_token) ?? []
  if (id === '') return wrongToken(type, 'is no token of a page')
  const list = open.paged.get(id)
  if (list === undefined) return fail('PAGE_EXPIRED')
  if (list.type !== type) return wrongToken(type, `belongs to ${list.type}`)
  const page = pageOf(list.answer, Number(position), page_size ?? list.pageSize, format, cx)
  if (page.next !== undefined) {
    // Behind all others, since it is the last that was asked for.
    open.paged.delete(id)
    open.paged.set(id, list)
    return ok(goOn(open, id, page.answer, page.next, cx))
  }
  forget(open, id, cx)
  return ok(page.answer)
}

function wrongToken(type: string, what: string) {
  return fail('INVALID_MESSAGE', { problem: `${type}.page_token: ${what}` })
}

function goOn(open: OpenLists, id: string, answer: object, next: number, cx: Context): object {
  cx.after(timerOf(id), IDLE_MS, () => open.paged.delete(id))
  return { ...answer, next_page_token: `${id}.${next}` }
}

function forget(open: OpenLists, id: string, cx: Context): void {
  open.paged.delete(id)
  cx.cancel(timerOf(id))
}

function timerOf(id: string): string {
  return `list ${id}`
}

interface Part {
  readonly answer: object
  /** Where the next part begins; absent from the last one. */
  readonly next?: number
}

function pageOf(
  answer: object,
  from: number,
  sizeMax: number,
  format: Format,
  { maxPayload }: Context,
): Part {
  const bytesMax = Math.min(PAGE_BYTES_MAX, maxPayload - FRAME_BYTES)
  const work = partOf(answer, from, sizeMax, bytesMax, format)
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/** From the entry at `from` on, over all lists of the answer, as many as the bounds allow; one a step. */
function* partOf(
  answer: object,
  from: number,
  sizeMax: number,
  bytesMax: number,
  format: Format,
): Generator<void, Part> {
  let skip = from
  let bytes = 0
  let taken = 0
  let full = false
  const lists: EncodedList[] = []
  for (const { items, document } of listsIn(answer)) {
    const pieces: Piece[] = []
    let at = Math.min(skip, items.length)
    skip -= at
    for (; at < items.length && !full; at++) {
      const piece = encodePiece(document(items[at]), format)
      bytes += sizeOf(piece) + 1
      // One entry always: pages must get on, and what does not fit alone is refused as any answer.
      full = taken > 0 && (taken >= sizeMax || bytes > bytesMax)
      if (full) break
      pieces.push(piece)
      taken++
      yield
    }
    lists.push(new EncodedList(pieces))
  }
  const part = withLists(answer, () => lists.shift())
  return full ? { answer: part, next: from + taken } : { answer: part }
}

function listsIn(answer: object): Entries[] {
  const found: Entries[] = []
  withLists(answer, (list) => found.push(list))
  return found
}

/** A copy of the answer with something else for its lists: arrays and entries in maps, however deep. */
function withLists<T>(answer: T, replace: (list: Entries) => unknown): T {
  if (answer instanceof Entries) return replace(answer) as T
  if (Array.isArray(answer)) return replace(new Entries(answer, (item) => item)) as T
  if (typeof answer !== 'object' || answer === null || ArrayBuffer.isView(answer)) return answer
  const fields = Object.entries(answer).map(([name, value]) => [name, withLists(value, replace)])
  return Object.fromEntries(fields) as T
}

/** The bytes of an answer; of a refusal, if the answer does not fit into one message. */
export function encodeAnswer(answer: object, format: Format, { maxPayload }: Context): Uint8Array {
  const data = encodeSpliced(answer, format)
  if (data.length <= maxPayload) return data
  return encodeSpliced(errorReply(tooLarge(maxPayload)), format)
}

function tooLarge(limit: number): Failure {
  const message = `The answer is more than the ${limit} bytes of a message: ask for pages with page_size.`
  return { ...failure('TOO_LARGE', { limit }), message }
}
