import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readProcStat } from '../../../src/runtime/ports/proc-stat.ts'
import { parseExit } from '../../../src/runtime/ports/record.ts'
import { systemClock } from '../../../src/runtime/ports/system-clock.ts'
import { systemProcesses } from '../../../src/runtime/ports/system-processes.ts'
import type { Processes } from '../../../src/runtime/ports.ts'
import { systemDisk } from '../../../src/storage/disk.ts'
import { text } from '../../support/contracts/disk.ts'
import { command, processesContract, processRefusal } from '../../support/contracts/processes.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'
import { until } from '../../support/wait.ts'

const test = suite('system processes')

const root = temporaryDirectory('processes')
const started = new Set<number>()
const system = systemProcesses({ clock: systemClock, adoptedPollMs: 20 })
const withoutPerl = systemProcesses({ clock: systemClock, adoptedPollMs: 20, perl: '' })

function noted(processes: Processes): Processes {
  return {
    ...processes,
    async spawn(options) {
      const handle = await processes.spawn(options)
      started.add(handle.pid)
      return handle
    },
  }
}

const processes = noted(system)

// Each one leads a group; what a failed test left behind must not stay.
test.after(() => {
  for (const pid of started) if (system.groupAlive(pid)) system.kill(pid, 'SIGKILL', true)
  system.close()
  withoutPerl.close()
})

for (const subject of [processes, noted(withoutPerl)]) {
  processesContract(test, () => ({
    processes: subject,
    disk: systemDisk,
    root: temporaryDirectory('processes'),
    wait: (promise) => promise,
    until: async (condition) => {
      await until(condition, { what: 'the condition of a process' })
    },
  }))
}

const shell = (script: string, options = {}) =>
  command(root, 'sh', { args: ['-c', script], ...options })

test('a process sees its directory, exactly its environment, and an empty input', async () => {
  const stdoutPath = `${root}/seen`
  const env = { PATH: '/usr/bin:/bin', MESETA_TASK_ID: 't1' }
  const process = await processes.spawn(shell('pwd; env | sort; cat', { stdoutPath, env }))
  assert.is((await process.exited).code, 0)
  const lines = text(await systemDisk.readFile(stdoutPath))
    .trimEnd()
    .split('\n')
  const own = lines.filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line))
  assert.equal(own, [root, 'MESETA_TASK_ID=t1', 'PATH=/usr/bin:/bin'])
})

test('both outputs may share one file', async () => {
  const path = `${root}/both`
  const options = { stdoutPath: path, stderrPath: path }
  const process = await processes.spawn(shell('echo out; echo err >&2', options))
  await process.exited
  assert.is(text(await systemDisk.readFile(path)), 'out\nerr\n')
})

test('a detached process leads its own session and group', async () => {
  const process = await processes.spawn(command(root, 'sleep 600'))
  const stat = readProcStat(process.pid)
  assert.is(stat?.processGroup, process.pid)
  assert.is(stat?.startTime, process.startTime)
  processes.kill(process.pid, 'SIGKILL', true)
  await process.exited
})

test('a missing directory, a file that is no program and an impossible output are told apart', async () => {
  const missing = command(`${root}/none`, 'true')
  assert.is(await processRefusal(() => processes.spawn(missing)), 'NOT_FOUND')
  const error = await processes.spawn(missing).catch((reason: Error) => reason)
  assert.match((error as Error).message, `working directory ${root}/none does not exist`)
  await systemDisk.writeFile(`${root}/data`, new Uint8Array(4))
  const data = command(root, `${root}/data`)
  assert.is(await processRefusal(() => processes.spawn(data)), 'DENIED')
  const output = command(root, 'true', { stdoutPath: `${root}/none/out` })
  assert.is(await processRefusal(() => processes.spawn(output)), 'SPAWN_FAILED')
})

test('a group lives as long as any of its processes, and zombies do not count', async () => {
  const pidPath = `${root}/child.pid`
  // The shell never waits for its first child, which stays a zombie until the shell ends.
  const script = `true & sleep 600 & echo $! > ${pidPath}; exec sleep 600`
  const leader = await processes.spawn(shell(script))
  const child = await until(async () => Number(text(await systemDisk.readFile(pidPath))), {
    what: 'the pid of the child',
  })
  processes.kill(leader.pid, 'SIGKILL', false)
  await leader.exited
  assert.ok(processes.groupAlive(leader.pid), 'its child is alive')
  processes.kill(child, 'SIGKILL', false)
  await until(() => !processes.groupAlive(leader.pid), { what: 'the end of the group' })
})

test('an adopted zombie counts as ended, and so does a group of zombies', async () => {
  const pidPath = `${root}/zombie.pid`
  // `exec` turns the parent into a program that never waits for the child it has.
  const waiting = `while [ ! -e ${root}/go ]; do sleep 0.02; done`
  const script = `setsid sh -c '${waiting}' & echo $! > ${pidPath}; exec sleep 600`
  const parent = await processes.spawn(shell(script))
  const child = await until(async () => Number(text(await systemDisk.readFile(pidPath))), {
    what: 'the pid of the child',
  })
  await until(() => processes.groupAlive(child), { what: 'the group of the child' })
  const adopted = await processes.adopt(child, readProcStat(child)!.startTime)
  await systemDisk.writeFile(`${root}/go`, new Uint8Array())
  assert.equal(await adopted!.exited, { code: null, signal: null })
  assert.is(readProcStat(child)?.state, 'Z')
  assert.not(processes.groupAlive(child))
  processes.kill(parent.pid, 'SIGKILL', true)
  await parent.exited
})

test('no file stays open after a start', async () => {
  const count = async () => (await systemDisk.list('/proc/self/fd')).length
  const before = await count()
  const options = { stdoutPath: `${root}/o`, stderrPath: `${root}/e` }
  for (let i = 0; i < 20; i += 1) {
    const process = await processes.spawn(command(root, 'true', options))
    await process.exited
    await processes.spawn(command(root, 'none', options)).catch(() => undefined)
  }
  assert.is(await count(), before)
})

test('a burst of starts leaves turns of the event loop to others', async () => {
  let turns = 0
  let starting = true
  const count = (): void => {
    turns += 1
    if (starting) systemClock.defer(count)
  }
  systemClock.defer(count)
  const starts = Array.from({ length: 60 }, () => processes.spawn(command(root, 'true')))
  const handles = await Promise.all(starts)
  starting = false
  await Promise.all(handles.map(({ exited }) => exited))
  assert.ok(turns >= 4, `${turns} turns`)
})

for (const [how, perl] of [
  ['with Perl', undefined],
  ['without Perl', ''],
] as const) {
  const make = () =>
    systemProcesses({
      clock: systemClock,
      adoptedPollMs: 20,
      ...(perl !== undefined && { perl }),
    })

  test(`${how}: a recorded process tells how it ended though its starter is gone`, async () => {
    const record = join(temporaryDirectory('processes'), 'run')
    const starter = make()
    const script = 'while [ ! -e go ]; do sleep 0.02; done; exit 7'
    const { pid } = await starter.spawn(shell(script, { record, cwd: dirname(record) }))
    started.add(pid)
    starter.close()
    writeFileSync(join(dirname(record), 'go'), '')
    const status = await until(() => parseExit(readFileSync(`${record}.exit`, 'utf8')), {
      what: 'the exit status',
    })
    assert.is(status, 7)
  })
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

test('when the launcher is killed its commands run on, and their end is noticed', async () => {
  const starter = systemProcesses({ clock: systemClock, adoptedPollMs: 20 })
  const record = join(temporaryDirectory('processes'), 'run')
  const { pid, exited } = await starter.spawn(shell('sleep 600', { record }))
  started.add(pid)
  const launcher = parentOf(pid)
  assert.match(readFileSync(`/proc/${launcher}/cmdline`, 'utf8'), /meseta-launcher/)
  process.kill(launcher, 'SIGKILL')
  await until(() => parentOf(pid) !== launcher, { what: 'the end of the launcher' })
  assert.ok(starter.groupAlive(pid))
  assert.ok(starter.kill(pid, 'SIGTERM', true))
  assert.equal(await exited, { code: null, signal: null })
  const next = await starter.spawn(shell('exit 4', { record: `${record}-2` }))
  assert.is((await next.exited).code, 4, 'there is another launcher')
  starter.close()
})

test('what cannot be given to a process is refused', async () => {
  const record = join(temporaryDirectory('processes'), 'run')
  const call = () => processes.spawn(command(root, 'echo', { args: ['a\0b'], record }))
  assert.is(await processRefusal(call), 'SPAWN_FAILED')
})

test.run()
