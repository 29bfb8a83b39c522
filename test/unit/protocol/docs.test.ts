/** The generated pages of the documentation. style.md §3, §5. */
import { outdated, yaml } from '../../../docs/generate.ts'
import { asyncApiDocument } from '../../../protocol/asyncapi.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('protocol documentation')

test('the committed pages say what the code says (npm run docs)', async () => {
  assert.equal(await outdated(), [])
})

test('every reference within the AsyncAPI document leads somewhere', () => {
  const document = asyncApiDocument()
  const references = new Set<string>()
  JSON.stringify(document, (key, value) => {
    if (key === '$ref') references.add(value)
    return value
  })
  assert.ok(references.size > 100)
  for (const reference of references) {
    let target: unknown = document
    for (const step of reference.slice(2).split('/')) {
      target = (target as Record<string, unknown> | undefined)?.[step]
    }
    assert.ok(target, reference)
  }
})

test('keys of channels, operations and components are those that AsyncAPI allows', () => {
  const { channels, operations, components } = asyncApiDocument() as Record<string, object>
  const sections = [channels, operations, ...Object.values(components!)]
  for (const section of sections as object[]) {
    for (const key of Object.keys(section)) assert.match(key, /^[A-Za-z0-9._-]+$/)
  }
})

test('each call and event has its schema, summary and, where there is one, its reply', () => {
  const { operations, components } = asyncApiDocument() as Record<string, Record<string, object>>
  const messages = components!.messages as Record<string, { summary: string; payload: unknown }>
  for (const key of ['frameworkCall.ACCEPT', 'executorEvent.LAUNCH', 'clusterEvent.TASK_ADDED']) {
    assert.ok(messages[key]?.summary && messages[key]?.payload, key)
    assert.ok(operations![key], key)
  }
  assert.ok('reply' in operations!['masterCall.GET_STATE']!)
  assert.not.ok('reply' in operations!['frameworkEvent.OFFERS']!)
})

test('YAML blocks hold members, scalars are quoted as JSON', () => {
  const value = { a: 1, 'b c': ['x', { d: null, e: {} }, []], f: { g: 'yes: "no"' } }
  assert.is(
    yaml(value),
    'a: 1\n"b c":\n  - "x"\n  - d: null\n    e: {}\n  - []\nf:\n  g: "yes: \\"no\\""\n',
  )
})

test.run()
