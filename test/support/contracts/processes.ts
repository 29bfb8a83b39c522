/** What every `Processes` promises (src/runtime/ports.ts), on commands that both kinds know. */

import { parseExit, parseIdentity } from '../../../src/runtime/ports/record.ts'
import {
  type Disk,
  ProcessError,
  type Processes,
  type SpawnOptions,
} from '../../../src/runtime/ports.ts'
import { assert, type Suite } from '../suite.ts'
import { until } from '../wait.ts'
import { text } from './disk.ts'

export interface ProcessesSubject {
  readonly processes: Processes
  readonly disk: Disk
  /** An empty directory. */
  readonly root: string
  /** Awaits something, letting time pass meanwhile. */
  wait<T>(promise: Promise<T>): Promise<T>
  /** Lets time pass until something holds. */
  until(condition: () => boolean): Promise<void>
}

/** The code of the `ProcessError` that a call rejects with or throws. */
export async function processRefusal(call: () => unknown): Promise<ProcessError['code'] | 'none'> {
  try {
    await call()
    return 'none'
  } catch (error) {
    if (error instanceof ProcessError) return error.code
    throw error
  }
}

export function command(
  root: string,
  line: string,
  options: Partial<SpawnOptions> = {},
): SpawnOptions {
  const [program, ...args] = line.split(' ')
  return {
    command: program!,
    args,
    cwd: root,
    env: { PATH: '/usr/bin:/bin' },
    detached: true,
    ...options,
  }
}

export function processesContract(test: Suite, make: () => ProcessesSubject): void {
  test('a process that ends tells its exit code', async () => {
    const { processes, root, wait } = make()
    for (const [line, code] of [
      ['true', 0],
      ['false', 1],
    ] as const) {
      const process = await wait(processes.spawn(command(root, line)))
      assert.equal(await wait(process.exited), { code, signal: null })
    }
    const shell = command(root, 'sh', { args: ['-c', 'exit 3'] })
    const process = await wait(processes.spawn(shell))
    assert.equal(await wait(process.exited), { code: 3, signal: null })
  })

  test('output is appended to its file', async () => {
    const { processes, disk, root, wait } = make()
    const stdoutPath = `${root}/stdout`
    for (const word of ['one', 'two']) {
      const process = await wait(processes.spawn(command(root, `echo ${word}`, { stdoutPath })))
      await wait(process.exited)
    }
    assert.is(text(await disk.readFile(stdoutPath)), 'one\ntwo\n')
  })

  test('a program that does not exist is refused', async () => {
    const { processes, root, wait } = make()
    const call = () => wait(processes.spawn(command(root, 'no-such-program')))
    assert.is(await processRefusal(call), 'NOT_FOUND')
  })

  test('a signal ends a process and is named as the reason', async () => {
    const { processes, root, wait } = make()
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT'] as const) {
      const process = await wait(processes.spawn(command(root, 'sleep 600')))
      assert.ok(processes.kill(process.pid, signal, false))
      assert.equal(await wait(process.exited), { code: null, signal })
    }
  })

  test('signals to processes and groups that are gone reach nobody', async () => {
    const { processes, root, wait } = make()
    const process = await wait(processes.spawn(command(root, 'true')))
    await wait(process.exited)
    assert.not(processes.kill(process.pid, 'SIGTERM', false))
    assert.not(processes.kill(process.pid, 'SIGKILL', true))
    assert.not(processes.groupAlive(process.pid))
  })

  test('a detached process leads a group that can be killed as one', async () => {
    const { processes, root, wait, until } = make()
    const process = await wait(processes.spawn(command(root, 'sleep 600')))
    assert.ok(processes.groupAlive(process.pid))
    assert.ok(processes.kill(process.pid, 'SIGKILL', true))
    assert.equal(await wait(process.exited), { code: null, signal: 'SIGKILL' })
    await until(() => !processes.groupAlive(process.pid))
  })

  test('ids that mean the own group or everybody are refused', async () => {
    const { processes } = make()
    for (const pid of [0, 1, -1, 1.5, Number.NaN])
      for (const group of [true, false])
        assert.is(await processRefusal(() => processes.kill(pid, 'SIGCONT', group)), 'NOT_FOUND')
  })

  test('a live process is adopted, and its end is noticed without a status', async () => {
    const { processes, root, wait } = make()
    const process = await wait(processes.spawn(command(root, 'sleep 600')))
    const adopted = await wait(processes.adopt(process.pid, process.startTime))
    assert.is(adopted?.pid, process.pid)
    assert.is(adopted?.startTime, process.startTime)
    assert.ok(processes.kill(process.pid, 'SIGTERM', false))
    assert.equal(await wait(adopted!.exited), { code: null, signal: null })
  })

  test('another start time or a dead process is not adopted', async () => {
    const { processes, root, wait } = make()
    const process = await wait(processes.spawn(command(root, 'sleep 600')))
    assert.is(await wait(processes.adopt(process.pid, `${process.startTime}0`)), undefined)
    processes.kill(process.pid, 'SIGKILL', true)
    await wait(process.exited)
    assert.is(await wait(processes.adopt(process.pid, process.startTime)), undefined)
  })

  test('a stopped process goes on when continued', async () => {
    const { processes, root, wait } = make()
    const process = await wait(processes.spawn(command(root, 'sleep 600')))
    assert.ok(processes.kill(process.pid, 'SIGSTOP', true))
    assert.ok(processes.groupAlive(process.pid))
    assert.ok(processes.kill(process.pid, 'SIGCONT', true))
    // One that stands still would not hear this.
    assert.ok(processes.kill(process.pid, 'SIGTERM', true))
    assert.equal(await wait(process.exited), { code: null, signal: 'SIGTERM' })
  })

  test('many processes are started at once, each with a pid of its own', async () => {
    const { processes, root, wait } = make()
    const starts = Array.from({ length: 50 }, () => processes.spawn(command(root, 'true')))
    const started = await wait(Promise.all(starts))
    assert.is(new Set(started.map(({ pid }) => pid)).size, 50)
    for (const { exited } of started) assert.is((await wait(exited)).code, 0)
  })

  test('a recorded process leaves who it is and how it ended, and leads a group', async () => {
    const { processes, disk, root, wait } = make()
    const record = `${root}/run`
    const script = { args: ['-c', 'sleep 0.2; exit 3'], record }
    const process = await wait(processes.spawn(command(root, 'sh', script)))
    assert.equal(await wait(process.exited), { code: 3, signal: null })
    assert.is(parseExit(text(await disk.readFile(`${record}.exit`))), 3)
    for (const suffix of ['.shim', '.pid'])
      assert.ok(parseIdentity(text(await disk.readFile(record + suffix))), suffix)
    const leader = parseIdentity(text(await disk.readFile(`${record}.pid`)))
    assert.not(processes.groupAlive(leader?.pid ?? 0))
  })

  test('the status of a recorded process that a signal ended is as shells say it', async () => {
    const { processes, disk, root, wait, until: untilHere } = make()
    const record = `${root}/run`
    const process = await wait(processes.spawn(command(root, 'sleep 600', { record })))
    const group = await leaderOf(record, disk)
    await untilHere(() => processes.groupAlive(group))
    assert.ok(processes.kill(group, 'SIGINT', true))
    assert.equal(await wait(process.exited), { code: 130, signal: null })
    assert.is(parseExit(text(await disk.readFile(`${record}.exit`))), 130)
    await untilHere(() => !processes.groupAlive(group))
  })

  test('a record that another has claimed starts nothing', async () => {
    const { processes, disk, root, wait } = make()
    const record = `${root}/run`
    await disk.symlink('claimed', `${record}.shim`)
    const stdoutPath = `${root}/stdout`
    const options = { record, stdoutPath }
    const started = wait(processes.spawn(command(root, 'echo no', options)))
    const outcome = await started.then(({ exited }) => wait(exited)).catch(({ code }) => code)
    if (typeof outcome === 'string') assert.is(outcome, 'SPAWN_FAILED')
    else assert.equal(outcome, { code: null, signal: null })
    assert.is(await disk.stat(`${record}.exit`), undefined)
    const written = await disk.stat(stdoutPath)
    assert.ok(written === undefined || written.size === 0)
  })

  test('a recorded program that does not exist ends as in a shell', async () => {
    const { processes, root, wait } = make()
    const options = { record: `${root}/run` }
    const process = await wait(processes.spawn(command(root, 'no-such-program', options)))
    assert.is((await wait(process.exited)).code, 127)
  })
}

/** Process group of a recorded command, which may just be beginning. */
async function leaderOf(record: string, disk: Disk): Promise<number> {
  const read = async () => parseIdentity(text(await disk.readFile(`${record}.pid`)))?.pid
  return until(read, { what: 'a recorded command' })
}
