/**
 * Writes the pages that are made from the code, or says which of them are out of date.
 *
 *     npm run docs               brings the pages up to date
 *     npx tsx docs/generate.ts   exits with 1 if a page differs from what the code says
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { asyncApiDocument } from '../protocol/asyncapi.ts'
import { errorPage } from '../protocol/errors.ts'
import { commandPage } from './command-page.ts'

/** A generated page; `path` is relative to this folder. */
export interface Page {
  readonly path: string
  readonly content: string
}

/** All generated pages as they should be. */
export async function pages(): Promise<Page[]> {
  return [
    { path: 'asyncapi.yaml', content: yaml(asyncApiDocument()) },
    { path: 'command.md', content: await commandPage() },
    { path: 'errors.md', content: errorPage() },
  ]
}

/** Paths of the pages whose file is absent or differs. */
export async function outdated(): Promise<string[]> {
  return (await pages()).filter((page) => read(page.path) !== page.content).map((page) => page.path)
}

/** Plain data as YAML: blocks for what has members, JSON's notation (which is YAML) for scalars. */
export function yaml(value: unknown): string {
  return `${lines(value).join('\n')}\n`
}

function lines(value: unknown): string[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.flatMap((item) => {
      const [first, ...rest] = lines(item)
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)]
    })
  }
  if (hasMembers(value)) {
    return Object.entries(value).flatMap(([name, member]) => {
      const label = /^[A-Za-z][\w.]*$/.test(name) ? name : JSON.stringify(name)
      const inner = lines(member)
      if (!hasMembers(member)) return [`${label}: ${inner[0]}`]
      return [`${label}:`, ...inner.map((line) => `  ${line}`)]
    })
  }
  return [JSON.stringify(value)]
}

function hasMembers(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

function locate(path: string): URL {
  return new URL(path, import.meta.url)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(locate(path), 'utf8')
  } catch {
    return undefined
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) {
    for (const page of await pages()) writeFileSync(locate(page.path), page.content)
  } else {
    const stale = await outdated()
    if (stale.length > 0) {
      process.stderr.write(`out of date: ${stale.join(', ')}; run "npm run docs"\n`)
      process.exitCode = 1
    }
  }
}
