import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect } from 'nats'
import {
  type Context,
  child,
  type ExitReason,
  type Node,
  type Outcome,
  pid,
  startNode,
  table,
} from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { startNatsCluster } from '../../src/transport/nats-cluster.ts'
import { startNatsServer } from '../../src/transport/nats-server.ts'
import { Bytes, Echo, journal, Note, worker } from '../support/actors.ts'
import { natsServerFor } from '../support/nats.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('runtime on NATS')
const broker = natsServerFor(test)
const running: { children: ChildProcess[]; nodes: Node[] } = { children: [], nodes: [] }

test.after.each(async () => {
  for (const node of running.nodes.splice(0)) await node.stop()
  for (const one of running.children.splice(0)) {
    one.kill('SIGKILL')
    if (one.exitCode === null && one.signalCode === null) await once(one, 'exit')
  }
})

/** Another process with a node of one worker. */
async function startProcess(url: string, name: string): Promise<ChildProcess> {
  const path = fileURLToPath(new URL('../support/linked-node.ts', import.meta.url))
  const one = spawn(process.execPath, ['--import', 'tsx', path, url, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.children.push(one)
  await once(one.stdout!, 'data')
  return one
}

/** A node in this process whose actor `ego` is in the test's hands. */
async function startHere(url: string, name: string, transport = natsTransport({ servers: [url] })) {
  const exits: ExitReason[] = []
  let ego: Context | undefined
  const behaviour = table({
    label: 'ego',
    messages: [],
    init(_args, cx) {
      ego = cx
    },
    handlers: {},
    exited: (_state, { reason }) => void exits.push(reason),
  })
  const log = journal()
  const node = await startNode({
    name,
    ports: systemPorts({ transport, log: { level: 'fatal' } }),
    heartbeatMs: 100,
    // Longer than a busy machine may keep a process waiting.
    silenceMs: 3000,
    children: [child({ id: 'ego', behaviour, args: undefined }), worker({ journal: log })],
  })
  running.nodes.push(node)
  const turn = (run: (cx: Context) => void) => {
    const cell = node.cell('ego')
    if (cell === undefined || ego === undefined) throw new Error('ego does not live')
    const cx = ego
    node.call(cell, () => run(cx))
  }
  const ask = (to: string, text: string) =>
    new Promise<Outcome<string>>((resolve) => {
      turn((cx) => cx.ask(pid('worker', to), Echo, { text }, { timeoutMs: 5000 }, resolve))
    })
  return { node, exits, turn, ask, log }
}

test('kill -9 of a node is noticed by those who are linked with its actors', async () => {
  const { url } = broker()
  const other = await startProcess(url, 'killed')
  const { exits, turn, ask } = await startHere(url, 'survivor')
  turn((cx) => cx.link(pid('worker', 'killed')))
  assert.equal(await ask('killed', 'x'), { ok: true, value: 'x' })
  assert.equal(exits, [])
  other.kill('SIGKILL')
  await until(() => exits.length > 0, { what: 'the exit' })
  assert.is(exits[0]?.kind, 'noconnection')
  const outcome = await ask('killed', 'x')
  assert.is(outcome.ok || outcome.error.code, 'DISCONNECTED')
})

test('a node killed and started again can be linked with again', async () => {
  const { url } = broker()
  const other = await startProcess(url, 'phoenix')
  const { exits, turn, ask } = await startHere(url, 'watcher')
  turn((cx) => cx.link(pid('worker', 'phoenix')))
  await ask('phoenix', 'x')
  other.kill('SIGKILL')
  await startProcess(url, 'phoenix')
  await until(() => exits.length > 0, { what: 'the exit' })
  // The first words tell it of the new incarnation, and may themselves be lost.
  await until(async () => (await ask('phoenix', 'y')).ok, { what: 'an answer' })
  turn((cx) => cx.link(pid('worker', 'phoenix')))
  assert.equal(await ask('phoenix', 'z'), { ok: true, value: 'z' })
  assert.is(exits.length, 1)
})

test('after the broker was killed and restarted, each link holds or has been told to be broken', async () => {
  let server = await startNatsServer()
  try {
    const { port, url } = server
    await startProcess(url, 'far')
    const { node, exits, turn, ask } = await startHere(url, 'near')
    turn((cx) => cx.link(pid('worker', 'far')))
    await ask('far', 'x')
    await server.kill()
    await until(() => !node.connections.actors.connected, { what: 'the connection to be lost' })
    // Lost for certain: there is no broker.
    turn((cx) => cx.send(pid('worker', 'far'), Echo, { text: 'lost' }))
    server = await startNatsServer({ port })
    await until(() => exits.length > 0, { what: 'the loss to be noticed' })
    assert.is(exits[0]?.kind, 'noconnection')
    await until(async () => (await ask('far', 'again')).ok, { what: 'an answer' })
    turn((cx) => cx.link(pid('worker', 'far')))
    assert.equal(await ask('far', 'z'), { ok: true, value: 'z' })
    await Promise.all(running.nodes.splice(0).map((one) => one.stop()))
  } finally {
    await server.stop()
  }
})

test('between nodes at different servers, of which one dies, no message is lost without a word', async () => {
  const cluster = await startNatsCluster({ count: 3 })
  try {
    const [first = '', second = ''] = cluster.urls
    const { node: far, log } = await startHere(second, 'far-away')
    const { exits, turn, ask } = await startHere(first, 'sender-here')
    // Its server hears of the other node by and by.
    await until(async () => (await ask('far-away', 'x')).ok, { what: 'an answer' })
    let sent = 0
    const send = () => turn((cx) => cx.send(pid('worker', 'far-away'), Note, { n: sent++ }))
    turn((cx) => cx.link(pid('worker', 'far-away')))
    for (let index = 0; index < 500; index++) send()
    const killed = cluster.servers[1]!.kill()
    while (far.connections.actors.connected) {
      send()
      await new Promise((next) => setImmediate(next))
    }
    // Lost for certain: the other node is nowhere.
    send()
    await killed
    await until(() => exits.length > 0, { what: 'the loss to be noticed' })
    assert.is(exits[0]?.kind, 'noconnection')
    assert.ok(log.notes.length < sent)
    assert.ok(log.notes.every((n, index) => n > (log.notes[index - 1] ?? -1)))

    await until(async () => (await ask('far-away', 'y')).ok, { what: 'an answer' })
    turn((cx) => cx.link(pid('worker', 'far-away')))
    const begin = sent
    for (let index = 0; index < 100; index++) send()
    await until(() => log.notes.at(-1) === sent - 1, { what: 'the last message' })
    assert.equal(
      log.notes.filter((n) => n >= begin),
      Array.from({ length: 100 }, (_, index) => begin + index),
    )
    assert.is(exits.length, 1)
    await Promise.all(running.nodes.splice(0).map((one) => one.stop()))
  } finally {
    await cluster.stop()
  }
})

test("messages far above the broker's largest payload arrive whole", async () => {
  const { url } = broker()
  const { log } = await startHere(url, 'receiver')
  const { turn, node } = await startHere(url, 'sender')
  const sizes = [1, 1_048_576, 20_000_000, 2]
  for (const size of sizes)
    turn((cx) => cx.send(pid('worker', 'receiver'), Bytes, { data: new Uint8Array(size) }))
  await until(() => log.sizes.length === sizes.length, { what: 'all messages' })
  assert.equal(log.sizes, sizes)
  assert.is(node.peers.breaks, 0)
})

test('a client of micro services finds the node', async () => {
  const { url } = broker()
  await startHere(url, 'found')
  const client = await connect({ servers: [url] })
  try {
    const names: unknown[] = []
    for await (const info of await client.services.client().info('meseta'))
      names.push(info.metadata?.node, info.endpoints[0]?.subject)
    assert.equal(names, ['found', 'meseta.node.found.actors'])
    const answer = await client.request('meseta.node.found.actors')
    assert.is(answer.json<{ node: string }>().node, 'found')
  } finally {
    await client.close()
  }
})

test.run()
