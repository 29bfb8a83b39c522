import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PinoLogOptions, pinoLog } from '../../../src/runtime/ports/pino-log.ts'
import type { Log } from '../../../src/runtime/ports.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('pino log')

/** What `use` makes a log write to its file descriptor. */
function written(options: PinoLogOptions, use: (log: Log) => void): string {
  const path = join(temporaryDirectory('log'), 'out')
  const fd = openSync(path, 'w')
  use(pinoLog({ ...options, fd }))
  closeSync(fd)
  return readFileSync(path, 'utf8')
}

test('a line is one JSON object with its level, message and fields', () => {
  const output = written({ base: { node: 'n1' } }, (log) => log.write('warn', 'slow', { ms: 12 }))
  const { time, ...line } = JSON.parse(output)
  assert.ok(Number.isInteger(time))
  assert.equal(line, { level: 40, node: 'n1', ms: 12, msg: 'slow' })
})

test('an error is written with its stack and its cause', () => {
  const error = new Error('outer', { cause: new Error('inner') })
  const line = JSON.parse(written({}, (log) => log.write('error', 'failed', { error })))
  assert.is(line.error.message, 'outer')
  assert.match(line.error.stack, 'pino-log.test')
  assert.is(line.error.cause.message, 'inner')
})

test('lines below the level are dropped', () => {
  const output = written({ level: 'warn' }, (log) => {
    log.write('info', 'quiet')
    log.write('fatal', 'loud')
  })
  assert.not.match(output, 'quiet')
  assert.match(output, 'loud')
})

test('a person gets readable text', () => {
  const output = written({ pretty: true }, (log) => log.write('info', 'started', { port: 1 }))
  assert.match(output, /INFO.*started/)
  assert.not.match(output, '{"')
})

test.run()
