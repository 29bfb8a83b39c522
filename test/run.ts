/**
 * Runs the test files, each in a process of its own: `node --import tsx test/run.ts [patterns...]`.
 *
 * A pattern is a part of a path below the project, such as `unit/transport`; no pattern means every
 * file below `test/` named `*.test.ts`. Options: `--jobs N` (or MESETA_TEST_JOBS; default one for each
 * core), `--timeout SECONDS` for one file (or MESETA_TEST_TIMEOUT; default 600), and `--in DIRECTORY`
 * to look for the files elsewhere than in `test`.
 *
 * Prints one line for each file, the whole output of files that failed, and at the end exactly one
 * line `N passed, N failed` that counts tests. A file that crashes, hangs or reports nothing counts as
 * one failed test at least. Exit code 1 after any failure and when no test ran, 2 for bad usage.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Report, reportVariable } from './support/report.ts'

/** It takes as long as many others together: it begins first, lest it end long after them, alone. */
const longest = join('test', 'simulation', 'simulation.test.ts')
/** The end of a file's output that is kept, in characters. */
const outputKept = 1_000_000
/** How long to wait for the output of a process that has ended: a stray child may hold the pipe. */
const drainMs = 2_000

interface FileResult {
  readonly file: string
  readonly passed: number
  readonly skipped: number
  /** Names of failed tests, and sentences about what else went wrong. */
  readonly failures: readonly string[]
  readonly output: string
  readonly durationMs: number
}

const project = resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'meseta-tests-'))
// Tasks that run as other users must get to their sandboxes.
chmodSync(scratch, 0o711)
const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) killGroup(child)
  rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
})
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

const { jobs, timeoutMs, directory, patterns } = readArguments()
const files = testFiles(directory, patterns)
const results = await runAll(files)
const total = (count: (result: FileResult) => number) =>
  results.reduce((sum, result) => sum + count(result), 0)
const passed = total((result) => result.passed)
const failed = total((result) => result.failures.length)
for (const { file, failures } of results) {
  for (const failure of failures) print(`failed: ${file}: ${failure}`)
}
print(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        jobs: { type: 'string' },
        timeout: { type: 'string' },
        in: { type: 'string', default: 'test' },
      },
    })
    const { MESETA_TEST_JOBS, MESETA_TEST_TIMEOUT } = process.env
    return {
      jobs: positive('--jobs', values.jobs ?? MESETA_TEST_JOBS ?? availableParallelism()),
      timeoutMs: positive('--timeout', values.timeout ?? MESETA_TEST_TIMEOUT ?? 600) * 1000,
      directory: values.in,
      patterns: positionals,
    }
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function positive(name: string, value: string | number): number {
  const number = Number(value)
  if (!(number > 0)) throw new Error(`${name} must be a number above 0, not "${value}"`)
  return number
}

/** Paths relative to the project, sorted but for the longest. A pattern that matches no file is an error of usage. */
function testFiles(directory: string, patterns: readonly string[]): readonly string[] {
  const all = readdirSync(resolve(project, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(directory, path))
    .sort((a, b) => Number(b === longest) - Number(a === longest) || (a < b ? -1 : 1))
  const matches = (file: string, pattern: string) =>
    file.includes(pattern) || resolve(project, file) === resolve(pattern)
  for (const pattern of patterns) {
    if (!all.some((file) => matches(file, pattern))) refuse(`no test file matches "${pattern}"`)
  }
  if (patterns.length === 0) return all
  return all.filter((file) => patterns.some((pattern) => matches(file, pattern)))
}

async function runAll(files: readonly string[]): Promise<readonly FileResult[]> {
  const results: FileResult[] = []
  const queue = files.entries()
  const worker = async () => {
    for (const [index, file] of queue) {
      const result = await runFile(file, join(scratch, String(index)))
      results.push(result)
      show(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, worker))
  return results.sort((a, b) => (a.file < b.file ? -1 : 1))
}

/** Runs one file as the leader of a process group, which is killed once the file has ended. */
async function runFile(file: string, directory: string): Promise<FileResult> {
  // The file's temporary directories are made in here: a killed process cannot remove its own.
  const temporary = join(directory, 't')
  const journal = join(directory, 'report')
  mkdirSync(temporary, { recursive: true })
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=development', file], {
    cwd: project,
    detached: true,
    env: { ...process.env, TMPDIR: temporary, [reportVariable]: journal },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  const collect = (chunk: string) => {
    output = (output + chunk).slice(-outputKept)
  }
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))

  const problems: string[] = []
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup(child)
  }, timeoutMs)
  await new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      if (timedOut) problems.push(`killed after its limit of ${timeoutMs / 1000} s`)
      else if (code !== 0) problems.push(`ended with ${signal ?? `exit code ${code}`}`)
      resolve()
    })
    child.once('error', (error) => {
      problems.push(`could not be started: ${error.message}`)
      resolve()
    })
  })
  clearTimeout(timer)
  killGroup(child)
  running.delete(child)
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, drainMs).unref())])
  child.stdout.destroy()
  child.stderr.destroy()

  const result = tally(readJournal(journal), problems)
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  return { file, ...result, output, durationMs: performance.now() - startedAt }
}

function readJournal(path: string): readonly Report[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    // A killed process may leave a torn last line; a whole one ends with a line break.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Report)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Weighs what the file reported against how its process ended. */
function tally(reports: readonly Report[], problems: readonly string[]) {
  const failures: string[] = []
  const open = new Set<string>()
  let passed = 0
  let skipped = 0
  for (const report of reports) {
    if (report.type === 'started') open.add(report.name)
    else if (report.type === 'passed') passed++
    else if (report.type === 'skipped') skipped++
    else if (report.type === 'failed') failures.push(report.name)
    if (report.type === 'passed' || report.type === 'failed') open.delete(report.name)
  }
  const ended = reports.at(-1)?.type === 'ended'
  for (const name of open) failures.push(`${name}: never ended`)
  if (reports.length === 0) failures.push(['reported no tests', ...problems].join(', '))
  // A non-zero exit code after reported failures is their consequence, not a further one.
  else if (!ended || failures.length === 0) failures.push(...problems)
  if (failures.length === 0 && passed + skipped === 0) failures.push('ran no tests')
  return { passed, skipped, failures }
}

function show(result: FileResult): void {
  const { file, passed, skipped, failures, output, durationMs } = result
  const counts = [
    `${passed} passed`,
    failures.length > 0 ? `${failures.length} failed` : '',
    skipped > 0 ? `${skipped} skipped` : '',
  ]
  const line = `${file}  ${counts.filter(Boolean).join(', ')}  ${(durationMs / 1000).toFixed(1)} s`
  print(failures.length > 0 ? `✘ ${line}\n${output.replace(/^(?=.)/gm, '    ')}` : `✓ ${line}`)
}

/** Ends whatever is left of the file's process group. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nothing left.
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function refuse(message: string): never {
  process.stderr.write(`test/run.ts: ${message}\n`)
  process.exit(2)
}
