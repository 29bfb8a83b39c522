import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { assert, suite } from '../support/suite.ts'

const test = suite('tidy')
const root = resolve(import.meta.dirname, '..', '..')

interface Source {
  readonly path: string
  readonly text: string
}

const sources = ['protocol', 'src', 'actors', 'test', 'benchmarks', 'examples'].flatMap(read)

function read(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.(ts|mts|mjs)$/.test(path) && statSync(join(root, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** Paths, relative to the project, of what a file imports of ours. */
function imports({ path, text }: Source): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?['"](\.{1,2}\/[^'"]+)['"]/g)]
  return specifiers.map(([, specifier = '']) =>
    relative(root, resolve(root, dirname(path), specifier)),
  )
}

function below(...folders: string[]): Source[] {
  return sources.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)))
}

function offenders(files: readonly Source[], pattern: RegExp): string[] {
  return files.filter(({ text }) => pattern.test(stripComments(text))).map(({ path }) => path)
}

function stripComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

test('imports run one way: actors -> src -> protocol', () => {
  const allowed: Record<string, string[]> = {
    protocol: ['protocol'],
    src: ['src', 'protocol'],
    actors: ['actors', 'src', 'protocol'],
  }
  for (const [folder, targets] of Object.entries(allowed)) {
    for (const file of below(folder)) {
      for (const target of imports(file)) {
        assert.ok(targets.includes(target.split('/')[0] ?? ''), `${file.path} imports ${target}`)
      }
    }
  }
})

test('a component imports of another one its index only', () => {
  for (const file of below('actors')) {
    const own = file.path.split('/')[1]
    for (const target of imports(file)) {
      const [top, component, ...rest] = target.split('/')
      if (top !== 'actors' || component === own) continue
      assert.is(rest.join('/'), 'index.ts', `${file.path} imports ${target}`)
    }
  }
})

test('every import leads to a file', () => {
  for (const file of sources) {
    for (const target of imports(file))
      assert.ok(existsSync(join(root, target)), `${file.path} imports ${target}`)
  }
})

test('actors and the runtime reach the world through ports only', () => {
  const files = below('actors', 'src/runtime', 'src/resources', 'src/framework', 'protocol').filter(
    ({ path }) => !path.startsWith('src/runtime/ports'),
  )
  const forbidden =
    /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])set(?:Timeout|Interval|Immediate)\(|\bperformance\.now\(|\bprocess\.(?:env|hrtime|nextTick)\b|from ['"](?:node:)?(?:fs|fs\/promises|net|http|child_process|dgram|os|worker_threads|timers)['"]/
  assert.equal(offenders(files, forbidden), [])
})

test('one file knows the NATS client', () => {
  const files = sources.filter(({ path }) => !/^(?:test|examples|benchmarks)\//.test(path))
  assert.equal(offenders(files, /from ['"]nats['"]/), ['src/transport/nats.ts'])
})

test('files are named in kebab-case, and none is a drawer', () => {
  for (const { path } of sources) {
    assert.match(basename(path), /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.(?:ts|mts|mjs)$/, path)
    assert.not.match(path, /\b(?:utils?|common|misc|helpers?)\b/, path)
  }
})

test('nothing exports a default but modules that a node hosts', () => {
  const found = offenders(below('protocol', 'src', 'actors'), /^export default /m)
  for (const path of found) {
    assert.match(
      stripComments(readFileSync(join(root, path), 'utf8')),
      /export default nodeModule\(/,
      path,
    )
  }
})

test('nothing is left over from work in progress', () => {
  const files = sources.filter(({ path }) => basename(path) !== 'tidy.test.ts')
  assert.equal(offenders(files, /\b(?:test|suite)\.only\(/), [])
  assert.equal(
    files.filter(({ text }) => /\b(?:FIXME|TODO|XXX|HACK)\b/.test(text)).map(({ path }) => path),
    [],
  )
  const quiet = files.filter(({ path }) => /^(?:protocol|actors|src\/(?!cli\/|setup))/.test(path))
  assert.equal(offenders(quiet, /\bconsole\.log\(/), [])
})

test.run()
