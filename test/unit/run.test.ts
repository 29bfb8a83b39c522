import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isRunning } from '../support/process.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('test runner')
const support = join(import.meta.dirname, '../support')
const harness = pathToFileURL(join(support, 'suite.ts')).href
const temp = pathToFileURL(join(support, 'temp.ts')).href

/** Runs the runner on these files (name to body) and returns its exit code and its output. */
async function run(files: Readonly<Record<string, string>>, ...options: string[]) {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
  mkdirSync(join(directory, 'deep'))
  for (const [name, body] of Object.entries(files)) {
    writeFileSync(join(directory, name), `import { suite, assert } from '${harness}'\n${body}\n`)
  }
  const runner = join(import.meta.dirname, '../run.ts')
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', runner, '--in', directory, '--jobs', '2', ...options],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  return { code, output, last: output.trimEnd().split('\n').at(-1) }
}

const passing = (name: string) => `
  const test = suite('${name}')
  test('one', () => {})
  test('two', () => {})
  test.run()`

test('tests are counted, not files, and 0 is the answer only when all passed', async () => {
  const result = await run({
    'a.test.ts': passing('a'),
    'deep/b.test.ts': passing('b'),
    'helper.ts': 'throw new Error("is no test file")',
  })
  assert.is(result.last, '4 passed, 0 failed')
  assert.is(result.code, 0)
})

test('a failed test is named, and its file shown, while the rest counts', async () => {
  const result = await run({
    'a.test.ts': passing('a'),
    'b.test.ts': `
      const test = suite('b')
      test('the sum is right', () => assert.is(1 + 1, 3))
      test('fine', () => {})
      test.run()`,
  })
  assert.is(result.last, '3 passed, 1 failed')
  assert.is(result.code, 1)
  assert.match(result.output, 'b: the sum is right')
  assert.match(result.output, 'Expected')
})

test('crashed, empty and silent files fail', async () => {
  const result = await run({
    'empty.test.ts': '',
    'load.test.ts': 'throw new Error("at load")',
    'dies.test.ts': `
      const test = suite('dies')
      test('at once', () => process.kill(process.pid, 'SIGKILL'))
      test.run()`,
  })
  assert.is(result.code, 1)
  assert.match(result.output, 'at load')
  assert.match(result.output, 'dies: at once: never ended')
  assert.match(result.output, /^failed: .*empty.test.ts/m)
  assert.match(result.last ?? '', /^0 passed, [3-9] failed$/)
})

test('a file that hangs is killed with what it started', async () => {
  const result = await run(
    {
      'hangs.test.ts': `
        import { spawn } from 'node:child_process'
        import { temporaryDirectory } from '${temp}'
        const test = suite('hangs')
        test('fine', () => {})
        test('for ever', () => {
          const child = spawn('sleep', ['1000'])
          console.log('child=' + child.pid + ' directory=' + temporaryDirectory())
          for (;;);
        })
        test.run()`,
    },
    '--timeout',
    // Long enough for it to be loaded on a busy machine.
    '15',
  )
  const [, pid, directory] = /child=(\d+) directory=(\S+)/.exec(result.output) ?? []
  assert.ok(directory && !existsSync(directory), 'its temporary directory is gone')
  await until(() => !isRunning(Number(pid)), { what: 'the end of the process that it started' })
  assert.match(result.output, 'killed after its limit of 15 s')
  assert.match(result.last ?? '', /^1 passed, [12] failed$/)
  assert.is(result.code, 1)
})

test('no file and no match are errors', async () => {
  assert.is((await run({})).code, 1)
  const unmatched = await run({ 'a.test.ts': passing('a') }, 'nothing-like-it')
  assert.is(unmatched.code, 2)
  assert.match(unmatched.output, '"nothing-like-it"')
})

test.run()
