import { memoryPorts, stream, virtualClock } from '../../../src/runtime/ports/index.ts'
import { memoryLog } from '../../../src/runtime/ports/memory-log.ts'
import type { Transport } from '../../../src/runtime/ports.ts'
import { bytes } from '../../support/contracts/disk.ts'
import { command } from '../../support/contracts/processes.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('memory ports')

const nowhere: Transport = { connect: () => Promise.reject(new Error('no network here')) }
const broker = { transport: () => nowhere }

function host(seed: number, name = 'agent-1') {
  const clock = virtualClock()
  return { clock, ports: memoryPorts({ clock, seed, broker, name, host: { cpus: 16 } }) }
}

test('the facts of the host are those that were given', async () => {
  const { ports } = host(1)
  assert.is(ports.host.hostname, 'agent-1')
  assert.is(ports.host.cpus(), 16)
  assert.is(ports.host.ip(), '192.0.2.1')
  assert.is(ports.host.memory(), 8 * 2 ** 30)
  assert.equal(ports.host.env(), {})
})

test('nodes of one seed draw differently, and each the same again', () => {
  const draw = (seed: number, name: string) => host(seed, name).ports.random.uuid()
  assert.is(draw(1, 'a'), draw(1, 'a'))
  assert.not.equal(draw(1, 'a'), draw(1, 'b'))
  assert.not.equal(draw(1, 'a'), draw(2, 'a'))
})

test('when the node ends, its disk, stores and processes stay, and its stores can be opened', async () => {
  const { clock, ports } = host(1)
  await ports.disk.writeFile('/a', bytes('x'))
  const store = await ports.storage.open('/log')
  const commit = store.commit([{ type: 'put', key: 'a', value: bytes('x') }])
  await clock.settle()
  await commit
  const sleep = await ports.processes.spawn(command('/', 'sleep 100'))
  const bootId = await ports.host.bootId()
  ports.endProcess()
  assert.equal(await ports.disk.readFile('/a'), bytes('x'))
  assert.equal(await (await ports.storage.open('/log')).get('a'), bytes('x'))
  assert.is((await ports.processes.adopt(sleep.pid, sleep.startTime))?.pid, sleep.pid)
  assert.is(await ports.host.bootId(), bootId)
})

test('when the host dies, processes end, unsynced files may go, and the boot id changes', async () => {
  const kept = new Set<boolean>()
  for (let seed = 0; seed < 20; seed += 1) {
    const { ports } = host(seed)
    await ports.disk.writeFile('/a', bytes('x'))
    await ports.processes.spawn(command('/', 'sleep 100'))
    const bootId = await ports.host.bootId()
    ports.crashHost()
    kept.add((await ports.disk.stat('/a')) !== undefined)
    assert.equal(ports.processes.running(), [])
    assert.is.not(await ports.host.bootId(), bootId)
  }
  assert.is(kept.size, 2)
})

test('log lines are kept in order, and only the newest', () => {
  const log = memoryLog(10)
  for (let i = 0; i < 1000; i += 1) log.write('info', `line ${i}`, { i })
  assert.ok(log.lines.length >= 10 && log.lines.length < 20)
  assert.equal(log.lines.at(-1), { level: 'info', message: 'line 999', fields: { i: 999 } })
  assert.is(log.lines[0]!.message, `line ${1000 - log.lines.length}`)
})

test('the named streams of a seed are at hand', () => {
  assert.is(stream(1, 'x').uuid(), stream(1, 'x').uuid())
})

test.run()
