import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Report, reportVariable } from '../support/report.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'

const test = suite('suite')
const harness = pathToFileURL(join(import.meta.dirname, '../support/suite.ts')).href
const directory = temporaryDirectory()

/** Runs a test file with the given body and returns its exit code, output and journal. */
async function run(body: string) {
  const path = join(directory, `case-${Math.random().toString(36).slice(2)}.mts`)
  const journal = `${path}.report`
  writeFileSync(
    path,
    `import { suite, assert } from '${harness}'\nconst test = suite('s')\n${body}\n`,
  )
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    env: { ...process.env, [reportVariable]: journal },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  const lines = readFileSync(journal, 'utf8').trimEnd().split('\n')
  const reports = lines.map((line) => JSON.parse(line) as Report)
  const named = (type: Report['type']) =>
    reports.flatMap((report) => (report.type === type && 'name' in report ? [report.name] : []))
  const message = reports.flatMap((report) => (report.type === 'failed' ? [report.message] : []))
  return { code, output, passed: named('passed'), failed: named('failed'), message: message.join() }
}

test('passing tests are reported and the file ends with 0', async () => {
  const result = await run(`
    let calls = []
    test.before(() => calls.push('before'))
    test.before.each(() => calls.push('each'))
    test('a', () => assert.equal(calls, ['before', 'each']))
    test('b', async () => assert.equal(calls, ['before', 'each', 'each']))
    test.skip('c', () => assert.unreachable())
    test.run()`)
  assert.equal([result.code, result.passed, result.failed], [0, ['s: a', 's: b'], []])
})

test('a failed assertion fails its test alone, and its name is printed', async () => {
  const result = await run(`
    test('a', () => assert.is(1, 2))
    test('b', () => {})
    test.run()`)
  assert.equal([result.code, result.passed, result.failed], [1, ['s: b'], ['s: a']])
  assert.match(result.output, 'failed:\n  s: a')
})

test('a throwing before hook fails every test of the suite', async () => {
  const result = await run(`
    test.before(() => { throw new Error('no broker') })
    test('a', () => {})
    test('b', () => {})
    test.run()`)
  assert.equal([result.code, result.failed], [1, ['s: a', 's: b']])
  assert.match(result.message, 'no broker')
})

test('a throwing after hook fails the file though each test passed', async () => {
  const result = await run(`
    test.after(async () => { throw undefined })
    test('a', () => {})
    test.run()`)
  assert.equal([result.code, result.passed, result.failed], [1, ['s: a'], ['s: after']])
})

test('a throwing after.each hook fails the test', async () => {
  const result = await run(`
    test.after.each(() => { throw new Error('left open') })
    test('a', () => {})
    test.run()`)
  assert.equal([result.code, result.failed], [1, ['s: a']])
})

test('a test that does not end within its limit fails', async () => {
  const result = await run(`
    test('a', { timeoutMs: 20 }, () => new Promise(() => {}))
    test('b', () => {})
    test.run()`)
  assert.equal([result.code, result.failed, result.passed], [1, ['s: a'], ['s: b']])
  assert.match(result.message, 'its limit of 20 ms')
})

test('an unhandled rejection fails the test that was running', async () => {
  const result = await run(`
    test('a', () => { Promise.reject(new Error('nobody awaits')) })
    test('b', () => new Promise(() => setTimeout(() => { throw new Error('thrown late') })))
    test('c', () => {})
    test.run()`)
  assert.equal([result.code, result.failed, result.passed], [1, ['s: a', 's: b'], ['s: c']])
  assert.match(result.message, 'nobody awaits')
})

test('an unhandled rejection after the tests fails the file', async () => {
  const result = await run(`
    test('a', () => { setTimeout(() => Promise.reject(new Error('late')), 50) })
    test.run()`)
  assert.equal([result.code, result.failed], [1, ['outside of a test']])
})

test('a suite that is never run fails', async () => {
  const result = await run(`test('a', () => {})`)
  assert.equal([result.code, result.failed], [1, ['s']])
  assert.match(result.message, '.run()')
})

test('a suite without tests fails', async () => {
  const result = await run('test.run()')
  assert.equal([result.code, result.failed], [1, ['s']])
})

test('a process that exits in the midst of its tests fails, whatever its code', async () => {
  const result = await run(`
    test('a', () => process.exit(0))
    test('b', () => {})
    test.run()`)
  assert.equal([result.code, result.failed, result.passed], [1, ['process'], []])
})

test('what keeps the process alive after the last test is named', async () => {
  const result = await run(`
    test('a', () => { setInterval(() => {}, 1000) })
    test.run()`)
  assert.equal([result.code, result.failed], [1, ['process']])
  assert.match(result.message, 'Timeout')
})

test.run()
