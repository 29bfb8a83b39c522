/**
 * Test suites: uvu with what uvu lets pass.
 *
 * uvu alone swallows an error in `before`, `after` and `each` hooks, knows no time limits, and calls a
 * file green whose author forgot `.run()`. Here each of these fails the file:
 *
 * - a throwing hook (`before`: every test of the suite fails with its message);
 * - a test that lasts longer than its limit (60 s unless said otherwise: it is there for what hangs);
 * - an unhandled rejection or an uncaught exception, charged to the test that was running;
 * - a suite that was never run or holds no tests; a process that exits before its tests have ended;
 * - something that keeps the process alive after the last test: an open socket, a process, a timer.
 *
 * `test/run.ts` learns the results from a journal that it names in the environment (`reportVariable`).
 * House rule: style.md §7.
 */
import { appendFileSync } from 'node:fs'
import { suite as uvuSuite } from 'uvu'
import { type Report, reportVariable } from './report.ts'

export * as assert from 'uvu/assert'

/** What a test or a hook runs. Failure is a throw or a rejection. */
export type Body = () => unknown

export interface TestOptions {
  /** Limit for the test together with its `each` hooks, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number
}

interface Hook {
  (body: Body): void
  /** Around each test instead of around the suite. */
  each(body: Body): void
}

/** A suite in the making: call it to add a test, and end the file with `test.run()`. */
export interface Suite {
  (name: string, body: Body): void
  (name: string, options: TestOptions, body: Body): void
  /** Runs only such tests of the suite. For the desk: the tidy test refuses it. */
  only(name: string, body: Body): void
  /** Leaves a test out and says so. */
  skip(name: string, ...rest: readonly unknown[]): void
  before: Hook
  after: Hook
  run(): void
}

const defaultTimeoutMs = 60_000
/** Limit for what is done once before or after all tests of a suite, such as starting a cluster. */
const hooksTimeoutMs = 180_000
/** How long the process may live on after the last test before that counts as a leak. */
const lingerMs = 5_000

// Simulated worlds may replace the globals; the harness stays on the real ones.
const { setTimeout, clearTimeout, setImmediate } = globalThis

const reportPath = process.env[reportVariable]
// Processes started by a test, perhaps test runs themselves, must not write to this journal.
delete process.env[reportVariable]

const failures: string[] = []
/** Names of the suites created and not run yet. */
const idle = new Map<object, string>()
/** Tests handed to uvu that have not ended. */
let outstanding = 0
let suiteCount = 0
/** Errors that no code awaited, not yet charged to a test. */
let strays: unknown[] = []
let onStray: ((error: unknown) => void) | undefined

/**
 * Starts a suite. Titles are sentences about behaviour.
 *
 * @example
 * const test = suite('offers')
 * test('an offer ends once', () => assert.is(1, 1))
 * test.run()
 */
export function suite(name: string): Suite {
  const inner = uvuSuite(name)
  const before: Body[] = []
  const after: Body[] = []
  const beforeEach: Body[] = []
  const afterEach: Body[] = []
  let planned = 0
  let skipped = 0
  let setUpFailure: unknown
  suiteCount++
  idle.set(inner, name)

  const wrap = (title: string, options: TestOptions, body: Body) => async () => {
    const fullName = `${name}: ${title}`
    report({ type: 'started', name: fullName })
    try {
      if (setUpFailure) throw setUpFailure
      const error = await outcome([...beforeEach, body], options.timeoutMs)
      // Cleaning up is due even after a time-out.
      const cleanUpError = await outcome(afterEach)
      if (error && cleanUpError) {
        process.stderr.write(`${fullName}: after.each failed as well: ${show(cleanUpError)}\n`)
      }
      if (error ?? cleanUpError) throw error ?? cleanUpError
      report({ type: 'passed', name: fullName })
    } catch (error) {
      fail(fullName, error)
      throw error instanceof Error ? error : new Error(String(error))
    } finally {
      ended()
    }
  }

  const add = (
    register: (title: string, run: () => Promise<void>) => void,
    title: string,
    options: TestOptions | Body,
    body?: Body,
  ) => {
    planned++
    if (typeof options === 'function') register(title, wrap(title, {}, options))
    else if (body) register(title, wrap(title, options, body))
    else throw new TypeError(`test "${title}" of suite "${name}" has no body`)
  }

  let onlyCount = 0
  return Object.assign(
    (title: string, options: TestOptions | Body, body?: Body) => add(inner, title, options, body),
    {
      only(title: string, body: Body) {
        onlyCount++
        add(inner.only, title, body)
      },
      skip(title: string) {
        skipped++
        inner.skip(title)
        process.stdout.write(`skipped: ${name}: ${title}\n`)
        report({ type: 'skipped', name: `${name}: ${title}` })
      },
      before: Object.assign((body: Body) => void before.push(body), {
        each: (body: Body) => void beforeEach.push(body),
      }),
      after: Object.assign((body: Body) => void after.push(body), {
        each: (body: Body) => void afterEach.push(body),
      }),
      run() {
        idle.delete(inner)
        if (planned + skipped === 0) failAloud(name, new Error('the suite holds no tests'))
        // One more for the `after` hooks, so that the end of the file is behind them.
        outstanding += (onlyCount || planned) + 1
        inner.before(async () => {
          setUpFailure = await outcome(before, hooksTimeoutMs)
        })
        inner.after(async () => {
          const error = await outcome(after, hooksTimeoutMs)
          if (error) failAloud(`${name}: after`, error)
          ended()
        })
        inner.run()
      },
    },
  )
}

/**
 * Runs bodies one after the other within a common limit. Resolves with the error that ended them, or
 * undefined. A falsy error becomes an `Error` that shows it.
 */
async function outcome(
  bodies: readonly Body[],
  timeoutMs: number = defaultTimeoutMs,
): Promise<unknown> {
  try {
    await limited(timeoutMs, async () => {
      for (const body of bodies) await body()
    })
    return undefined
  } catch (error) {
    return error || new Error(`threw ${String(error)}`)
  }
}

/** Runs within a time limit; a stray error ends the wait too, so that its test is the one to fail. */
async function limited(timeoutMs: number, run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const interrupted = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`still running after its limit of ${timeoutMs} ms`)),
      timeoutMs,
    )
    onStray = reject
  })
  try {
    await Promise.race([run(), interrupted])
    // Node reports unhandled rejections after the microtasks of this turn.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), interrupted])
  } finally {
    clearTimeout(timer)
    onStray = undefined
  }
}

function fail(name: string, error: unknown): void {
  failures.push(name)
  report({ type: 'failed', name, message: show(error) })
}

/** For failures that uvu does not print, being of no test. */
function failAloud(name: string, error: unknown): void {
  process.stderr.write(`${name}: ${show(error)}\n`)
  fail(name, error)
}

function show(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function report(line: Report): void {
  if (reportPath) appendFileSync(reportPath, `${JSON.stringify(line)}\n`)
}

function ended(): void {
  outstanding--
  if (outstanding > 0) return
  setTimeout(() => {
    // Another suite of the file may have begun after a wait at top level.
    if (outstanding > 0) return
    const open = process.getActiveResourcesInfo().join(', ')
    failAloud(
      'process',
      new Error(`still alive ${lingerMs} ms after the last test, held by: ${open}`),
    )
    process.exit(1)
  }, lingerMs).unref()
}

function stray(error: unknown): void {
  if (onStray) onStray(error)
  else strays.push(error)
}

process.on('unhandledRejection', stray)
process.on('uncaughtException', stray)
// Without a listener a signal ends the process without its exit handlers, which clean up.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

process.on('exit', () => {
  for (const error of strays) failAloud('outside of a test', error)
  strays = []
  for (const name of idle.values()) {
    failAloud(name, new Error('the file never calls .run() of this suite'))
  }
  if (suiteCount === 0) failAloud('file', new Error('the file holds no suite'))
  if (idle.size === 0 && outstanding > 0) {
    failAloud('process', new Error(`exited with ${outstanding} tests or hooks not ended`))
  }
  if (failures.length > 0) {
    process.exitCode = 1
    process.stderr.write(`failed:\n${failures.map((name) => `  ${name}\n`).join('')}`)
  }
  report({ type: 'ended' })
})
