/**
 * Listings: one description of the columns serves the table, the wide table, the names for scripts and,
 * with the documents as they came, JSON.
 */
import { stripVTControlCharacters } from 'node:util'
import { toJson } from '../../protocol/json.ts'
import type { Terminal } from './terminal.ts'

export type OutputFormat = 'table' | 'wide' | 'json' | 'name'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  /** Only with `-o wide`. */
  readonly wide?: boolean
  readonly right?: boolean
  readonly paint?: (text: string, row: Row) => string
}

export interface Listing<Row> {
  /** What `-o name` prints. */
  readonly name: (row: Row) => string
  /** What `-o json` prints. */
  readonly document: (row: Row) => unknown
  readonly columns: readonly Column<Row>[]
  /** Said instead of an empty table. */
  readonly empty: string
}

/** The text of a listing, with a line break at its end. */
export function renderListing<Row>(
  listing: Listing<Row>,
  rows: readonly Row[],
  format: OutputFormat,
  { color }: Pick<Terminal, 'color'>,
): string {
  if (format === 'json') return renderJson(rows.map((row) => listing.document(row)))
  if (format === 'name') return rows.map((row) => `${listing.name(row)}\n`).join('')
  if (rows.length === 0) return `${listing.empty}\n`
  const columns = listing.columns.filter(({ wide }) => format === 'wide' || wide !== true)
  return renderTable(
    columns.map(({ title }) => color.dim(title)),
    rows.map((row) => columns.map(({ value, paint }) => paint?.(value(row), row) ?? value(row))),
    columns.map(({ right }) => right === true),
  )
}

/**
 * A table without borders, that can be read, cut and sorted: one line a row, whatever the cells hold. Blanks
 * at the ends of lines are taken away. In one pass, since listings may have a hundred thousand rows.
 */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[] = [],
): string {
  const lines = [head, ...rows].map((cells) =>
    cells.map((cell) => cell.replaceAll(/\s*\n\s*/g, ' ')),
  )
  const widths = head.map(() => 0)
  for (const cells of lines) {
    for (const [column, cell] of cells.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))
    }
  }
  const text = lines.map((cells) => {
    const padded = cells.map((cell, column) => {
      const blanks = ' '.repeat(widths[column]! - widthOf(cell))
      return right[column] ? blanks + cell : cell + blanks
    })
    return `${padded.join('  ').trimEnd()}\n`
  })
  return text.join('')
}

/** Characters that are seen. */
function widthOf(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}

/** Names and values below one another: what `info` commands print. */
export function renderFacts(
  facts: ReadonlyArray<readonly [name: string, value: string]>,
  { color }: Pick<Terminal, 'color'>,
): string {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2
  return facts
    .map(([name, value]) => {
      const [first = '', ...more] = value.split('\n')
      const rest = more.map((line) => `\n${' '.repeat(width)}${line}`).join('')
      return `${color.dim(name.padEnd(width))}${first}${rest}\n`
    })
    .join('')
}

/** A document as JSON; bytes as Base64. */
export function renderJson(document: unknown): string {
  return `${JSON.stringify(toJson(document), undefined, 2)}\n`
}

export interface WatchOptions {
  readonly watch: boolean
  readonly interval_ms: number
}

/** Prints once, or with `--watch` again and again until SIGINT. On a terminal the screen is cleared. */
export async function printOrWatch(
  { watch, interval_ms }: WatchOptions,
  terminal: Terminal,
  render: () => Promise<string>,
): Promise<void> {
  if (!watch) {
    terminal.out(await render())
    return
  }
  const interrupted = new Promise<'stop'>((resolve) =>
    process.once('SIGINT', () => resolve('stop')),
  )
  for (;;) {
    const text = await render()
    terminal.out(terminal.live ? `\u001b[2J\u001b[H${text}` : `${text}\n`)
    let timer: NodeJS.Timeout | undefined
    const pause = new Promise<'go'>((resolve) => {
      timer = setTimeout(() => resolve('go'), interval_ms)
    })
    const next = await Promise.race([interrupted, pause])
    clearTimeout(timer)
    if (next === 'stop') return
  }
}
