import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { scheduler } from '../../protocol/index.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('docs')
const root = resolve(import.meta.dirname, '..', '..')
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

/** The fenced blocks of one language. */
function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)]
    .filter(([, tag]) => tag === language)
    .map(([, , body]) => body ?? '')
}

test('every JSON call in the guides is a call that a master takes', () => {
  const calls = pages.flatMap((page) => blocks(page, 'json'))
  assert.ok(calls.length >= 3, 'the guides show calls')
  for (const text of calls) {
    // An uuid is 16 bytes in Base64; the guide can only say where it comes from.
    const call = JSON.parse(text.replace("<the status' uuid>", Buffer.alloc(16).toString('base64')))
    const checked = scheduler.validateCall(call)
    assert.ok(checked.ok, `${text}\n${JSON.stringify(checked)}`)
  }
})

test('every link between pages leads to a file', () => {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue
      const path = join(root, page, '..', target)
      assert.not.throws(() => readFileSync(path), `${page} links to ${target}`)
    }
  }
})

test('every folder and example that a page names exists', () => {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, path = ''] of text.matchAll(
      /`((?:examples|benchmarks|src|actors|protocol)\/[\w./-]*)`/g,
    )) {
      assert.not.throws(
        () => readdirSync(join(root, path.endsWith('/') ? path : join(path, '..'))),
        `${page} names ${path}`,
      )
    }
  }
})

test.run()
