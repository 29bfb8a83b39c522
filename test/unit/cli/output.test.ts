import { createColors } from 'picocolors'
import { type Listing, renderFacts, renderJson, renderListing } from '../../../src/cli/output.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('output')

interface Row {
  readonly id: string
  readonly count: number
  readonly data: Uint8Array
}

const rows: readonly Row[] = [
  { id: 'a', count: 5, data: new Uint8Array([1, 2]) },
  { id: 'bcd', count: 120, data: new Uint8Array() },
]
const listing: Listing<Row> = {
  empty: 'There is nothing.',
  name: ({ id }) => id,
  document: ({ id, data }) => ({ id, data }),
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'COUNT', value: ({ count }) => String(count), right: true },
    { title: 'BYTES', value: ({ data }) => String(data.length), wide: true },
  ],
}
const plain = { color: createColors(false) }

test('a table is aligned text without borders, colours or blanks at the ends of lines', () => {
  const text = renderListing(listing, rows, 'table', plain)
  assert.equal(text.split('\n'), ['ID   COUNT', 'a        5', 'bcd    120', ''])
})

test('the wide table has all columns', () => {
  assert.match(renderListing(listing, rows, 'wide', plain), /^ID +COUNT +BYTES\na +5 +2\n/)
})

test('a row is one line, and a hundred thousand of them are soon there', () => {
  const many = Array.from({ length: 100_000 }, (_, count) => ({ ...rows[0]!, id: 'a\n b', count }))
  const lines = renderListing(listing, many, 'table', plain).split('\n')
  assert.is(lines.length, many.length + 2)
  assert.is(lines[1], 'a b      0')
})

test('names are one a line', () => {
  assert.is(renderListing(listing, rows, 'name', plain), 'a\nbcd\n')
})

test('JSON is the documents, with bytes as Base64, and an empty list if there are none', () => {
  const documents = JSON.parse(renderListing(listing, rows, 'json', plain))
  assert.equal(documents, [
    { id: 'a', data: 'AQI=' },
    { id: 'bcd', data: '' },
  ])
  assert.equal(JSON.parse(renderListing(listing, [], 'json', plain)), [])
})

test('an empty table says a sentence; names of nothing are nothing', () => {
  assert.is(renderListing(listing, [], 'table', plain), 'There is nothing.\n')
  assert.is(renderListing(listing, [], 'name', plain), '')
})

test('colours do not disturb the alignment', () => {
  const painted: Listing<Row> = {
    ...listing,
    columns: [
      { ...listing.columns[0]!, paint: (text) => `\u001b[32m${text}\u001b[39m` },
      listing.columns[1]!,
    ],
  }
  const colored = renderListing(painted, rows, 'table', { color: createColors(true) })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins a colour
  const stripped = colored.replaceAll(/\u001b\[\d+m/g, '')
  assert.is(stripped, renderListing(listing, rows, 'table', plain))
})

test('facts are aligned, and further lines stand below the first', () => {
  const text = renderFacts(
    [
      ['id', 'x'],
      ['history', 'one\ntwo'],
    ],
    plain,
  )
  assert.is(text, 'id       x\nhistory  one\n         two\n')
})

test('JSON of what JSON cannot say is still JSON', () => {
  assert.equal(JSON.parse(renderJson({ limit: Number.POSITIVE_INFINITY })), { limit: 'Infinity' })
})

test.run()
