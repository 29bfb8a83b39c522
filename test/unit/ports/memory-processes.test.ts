import { memoryProcesses } from '../../../src/runtime/ports/memory-processes.ts'
import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import { memoryDisk } from '../../../src/storage/memory-disk.ts'
import { text } from '../../support/contracts/disk.ts'
import { command, processesContract, processRefusal } from '../../support/contracts/processes.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('memory processes')

processesContract(test, () => {
  const clock = virtualClock()
  const disk = memoryDisk({ clock })
  const wait = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false
    void promise
      .catch(() => undefined)
      .then(() => {
        settled = true
      })
    await clock.advanceUntil(() => settled, 10_000)
    return promise
  }
  const until = (condition: () => boolean): Promise<void> => clock.advanceUntil(condition, 10_000)
  return { processes: memoryProcesses({ clock, disk }), disk, root: '/', wait, until }
})

function host() {
  const clock = virtualClock()
  const disk = memoryDisk({ clock })
  return { clock, disk, processes: memoryProcesses({ clock, disk }) }
}

/** What an exit looked like and when, once it has happened. */
async function exitAt(
  clock: ReturnType<typeof virtualClock>,
  exited: Promise<{ code: number | null; signal: string | null }>,
): Promise<string> {
  let seen = ''
  void exited.then(({ code, signal }) => {
    seen = `${code ?? signal} at ${clock.monotonic()}`
  })
  await clock.advanceUntil(() => seen !== '', 100_000)
  return seen
}

test('sleeping lasts as long as it says', async () => {
  const { clock, processes } = host()
  const sleep = await processes.spawn(command('/', 'sleep 2.5'))
  assert.is(await exitAt(clock, sleep.exited), '0 at 2500')
})

test('a shell runs its commands one after the other', async () => {
  const { clock, disk, processes } = host()
  const run = async (script: string): Promise<string> => {
    const started = clock.monotonic()
    const options = { args: ['-c', script], stdoutPath: '/out' }
    const process = await processes.spawn(command('/', 'sh', options))
    const [code, , at] = (await exitAt(clock, process.exited)).split(' ')
    return `${code} after ${Number(at) - started}`
  }
  assert.is(await run('sleep 1; exit 7; sleep 9'), '7 after 1000')
  assert.is(await run('false && sleep 5'), '1 after 0')
  assert.is(await run('false; exec sleep 2'), '0 after 2000')
  assert.is(await run('true && echo "hello" && nonsense'), '127 after 0')
  assert.is(text(await disk.readFile('/out')), 'hello\n')
})

test('a script decides run time and exit code, and the newest one wins', async () => {
  const { clock, processes } = host()
  processes.script('/opt/server', { runMs: 10 })
  processes.script(({ args }) => args.includes('--broken'), { runMs: 50, exitCode: 9 })
  const fine = await processes.spawn(command('/', '/opt/server'))
  const broken = await processes.spawn(command('/', '/opt/server --broken'))
  assert.is(await exitAt(clock, fine.exited), '0 at 10')
  assert.is(await exitAt(clock, broken.exited), '9 at 50')
})

test('a program can be made impossible to start', async () => {
  const { processes } = host()
  processes.script('sleep', 'DENIED')
  assert.is(await processRefusal(() => processes.spawn(command('/', 'sleep 1'))), 'DENIED')
  assert.equal(processes.running(), [])
})

test('a program may ignore a request to end, but not SIGKILL', async () => {
  const { clock, processes } = host()
  processes.script('stubborn', { onTerminate: 'ignore' })
  const stubborn = await processes.spawn(command('/', 'stubborn'))
  assert.ok(processes.kill(stubborn.pid, 'SIGTERM', true))
  await clock.advance(1000)
  assert.ok(processes.groupAlive(stubborn.pid))
  processes.kill(stubborn.pid, 'SIGKILL', true)
  assert.is(await exitAt(clock, stubborn.exited), 'SIGKILL at 1000')
})

test('a program may clean up first, and a second request does not give it more time', async () => {
  const { clock, processes } = host()
  processes.script('tidy', { onTerminate: { afterMs: 300, exitCode: 4 } })
  const tidy = await processes.spawn(command('/', 'tidy'))
  processes.kill(tidy.pid, 'SIGTERM', true)
  await clock.advance(200)
  processes.kill(tidy.pid, 'SIGTERM', true)
  assert.is(await exitAt(clock, tidy.exited), '4 at 300')
})

test('a stopped process uses up none of its time', async () => {
  const { clock, processes } = host()
  const sleep = await processes.spawn(command('/', 'sleep 1'))
  await clock.advance(400)
  processes.kill(sleep.pid, 'SIGSTOP', true)
  await clock.advance(5000)
  processes.kill(sleep.pid, 'SIGCONT', true)
  assert.is(await exitAt(clock, sleep.exited), '0 at 6000')
})

test('forked processes keep their group alive after its leader', async () => {
  const { clock, processes } = host()
  processes.script('parent', { runMs: 10, forks: [{ runMs: 100 }, { onTerminate: 'ignore' }] })
  const parent = await processes.spawn(command('/', 'parent'))
  await exitAt(clock, parent.exited)
  await clock.advance(200)
  assert.is(processes.running().length, 1)
  assert.ok(processes.groupAlive(parent.pid))
  assert.ok(processes.kill(parent.pid, 'SIGKILL', true))
  assert.not(processes.groupAlive(parent.pid))
})

test('processes outlive the node, whose handles then stay silent', async () => {
  const { clock, processes } = host()
  const sleep = await processes.spawn(command('/', 'sleep 1'))
  void sleep.exited.then(() => assert.unreachable('the node is dead'))
  processes.endProcess()
  await clock.advance(500)
  const adopted = await processes.adopt(sleep.pid, sleep.startTime)
  assert.is(await exitAt(clock, adopted!.exited), 'null at 1000')
})

test('how a recorded process ended is written down, however slow the disk and dead the node', async () => {
  const { clock, disk, processes } = host()
  await processes.spawn({ ...command('/', 'sleep 1'), record: '/run' })
  disk.setFaults({ latencyMs: () => 100 })
  await clock.advance(1000)
  disk.endProcess()
  processes.endProcess()
  disk.setFaults({})
  assert.is(text(await disk.readFile('/run.exit')), '0\n')
})

test('a working directory that is not there is told', async () => {
  const { processes } = host()
  const call = () => processes.spawn(command('/none', 'true'))
  assert.is(await processRefusal(call), 'NOT_FOUND')
})

test('a program begins with its process, may end it, and is told of its end once', async () => {
  const { clock, processes } = host()
  const told: string[] = []
  processes.script('server', ({ args: [name = ''] }) => ({
    program(exit) {
      told.push(`${name} begins`)
      if (name === 'short') clock.setTimeout(() => exit(3), 100)
      return () => told.push(`${name} is over`)
    },
  }))
  const start = (name: string) => processes.spawn(command('/', 'server', { args: [name] }))
  const short = await start('short')
  assert.is(await exitAt(clock, short.exited), '3 at 100')
  const killed = await start('killed')
  processes.kill(killed.pid, 'SIGKILL', false)
  await start('crashed')
  processes.crash()
  const all = ['short', 'killed', 'crashed']
  assert.equal(
    told,
    all.flatMap((name) => [`${name} begins`, `${name} is over`]),
  )
})

test('a crash of the host ends all processes and tells nobody', async () => {
  const { clock, processes } = host()
  const sleep = await processes.spawn(command('/', 'sleep 1'))
  void sleep.exited.then(() => assert.unreachable('the host is dead'))
  processes.crash()
  assert.equal(processes.running(), [])
  assert.is(await processes.adopt(sleep.pid, sleep.startTime), undefined)
  await clock.advance(5000)
  assert.is(clock.pending().timers, 0)
})

test('what was about to start when the host crashed does not start', async () => {
  const { clock, processes } = host()
  void processes.spawn({ ...command('/', 'sleep 1'), record: '/run' })
  processes.crash()
  await clock.settle()
  assert.equal(processes.running(), [])
})

test.run()
