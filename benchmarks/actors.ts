/**
 * The actor runtime: messages, requests, starts, timers and links on one node, and messages and requests
 * between two nodes in two processes over NATS, beside what bare NATS clients do in the same run.
 *
 *     node dist/benchmarks/actors.js [--quick] [--json]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { connect, type NatsConnection } from 'nats'
import {
  type ChildSpec,
  type Context,
  child,
  type Node,
  pid,
  startNode,
  table,
} from '../src/runtime/index.ts'
import { systemClock, systemPorts } from '../src/runtime/ports/index.ts'
import { memoryBroker } from '../src/transport/memory.ts'
import { natsTransport } from '../src/transport/nats.ts'
import { startNatsServer } from '../src/transport/nats-server.ts'
import { asker, Enough, Flood, sink, source } from './support/actor-load.ts'
import { rawThroughput } from './support/raw-nats.ts'
import { inWindows, median, spread } from './support/statistics.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { quick, json } = flags
const windows = { count: quick ? 5 : 3, ms: quick ? 100 : 300 }
/** Pairs of linker and linkee, as in libprocess' benchmark LargeNumberOfLinks (spec/actors.md §13). */
const pairs = quick ? 1000 : 5000
const rounds = 5
/** Of a figure and its limit, one after the other. */
const turns = quick ? 1 : 5
const inFlight = 250

interface Line {
  readonly what: string
  readonly value: number
  readonly unit: '/s'
  readonly spread?: number
  /** What bare clients do in the same run, same unit. */
  readonly limit?: number
  /** Share of the limit that was reached; over 1 is faster. */
  readonly ratio?: number
  readonly target?: string
}

/** An actor of which nothing is asked. */
const idle = table({ label: 'idle', messages: [], init: () => null, handlers: {} })

const lines = [...(await onOneNode()), ...(await betweenTwoNodes())]
if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'actors', lines }, null, 2)}\n`)
else print(lines)

/** Starts a child under the node's root, and returns how to stop it. */
function host(node: Node, spec: ChildSpec): () => void {
  const root = node.cell('root')
  if (root === undefined) throw new Error('the node does not run')
  node.call(root, () => root.spawn(spec))
  return () => node.call(root, () => root.stop(pid(spec.id, node.name)))
}

/** An actor that does nothing but run turns of the benchmark's. */
async function startStage(node: Node): Promise<(run: (cx: Context) => void) => void> {
  const stage = await new Promise<Context>((resolve) => {
    const behaviour = table({
      label: 'stage',
      messages: [],
      init: (_args, cx) => resolve(cx),
      handlers: {},
      exited: () => undefined,
    })
    host(node, child({ id: 'stage', behaviour, args: undefined }))
  })
  return (run) => {
    const cell = node.cell('stage')
    if (cell === undefined) throw new Error('the stage is dead')
    node.call(cell, () => run(stage))
  }
}

async function onOneNode(): Promise<Line[]> {
  const broker = memoryBroker({ clock: systemClock })
  const ports = systemPorts({ transport: broker.transport('one'), log: { level: 'error' } })
  const count = { items: 0, answers: 0 }
  const node = await startNode({ name: 'one', ports, children: [sink(count), source()] })
  const turn = await startStage(node)
  try {
    turn((cx) => cx.send(pid('source', 'one'), Flood, { to: pid('sink', 'one'), bytes: 16 }))
    const sends = await inWindows(windows, () => count.items)
    turn((cx) => cx.send(pid('source', 'one'), Enough, {}))
    const stop = host(node, asker({ id: 'sink', node: 'one' }, inFlight, 16, count))
    const asks = await inWindows(windows, () => count.answers)
    stop()
    return [
      rate('local messages, one way', sends, '1 M/s'),
      rate(`local requests, ${inFlight} in flight`, asks),
      rate('start and stop of an actor', await repeated((done) => startAndStop(turn, done))),
      rate('timer set and cancelled', await repeated((done) => setTimers(turn, done))),
      rate(`exits told, ${pairs} linked pairs`, await repeated((done) => breakLinks(node, done))),
    ]
  } finally {
    await node.stop()
  }
}

/** Operations per second of a few runs of something that says how many it did; the first is to warm up. */
async function repeated(run: (done: (operations: number) => void) => void): Promise<number[]> {
  const rates: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const begin = performance.now()
    const operations = await new Promise<number>(run)
    if (round > 0) rates.push((operations / (performance.now() - begin)) * 1000)
  }
  return rates
}

function startAndStop(
  turn: (run: (cx: Context) => void) => void,
  done: (operations: number) => void,
): void {
  turn((cx) => {
    for (let i = 0; i < pairs; i++)
      cx.stop(cx.spawn(child({ id: `idle-${i}`, behaviour: idle, args: undefined })))
  })
  turn(() => done(pairs))
}

function setTimers(
  turn: (run: (cx: Context) => void) => void,
  done: (operations: number) => void,
): void {
  const timers = 20_000
  turn((cx) => {
    for (let i = 0; i < timers; i++) cx.after(`${i}`, 60_000, () => undefined)
  })
  turn((cx) => {
    for (let i = 0; i < timers; i++) cx.cancel(`${i}`)
  })
  turn(() => done(timers))
}

/** Starts linkees and as many linkers, stops the linkees and waits until each linker has been told. */
function breakLinks(node: Node, done: (operations: number) => void): void {
  let told = 0
  const linker = table<null, [], string>({
    label: 'linker',
    messages: [],
    init(to, cx) {
      cx.link(pid(to, cx.node))
      return null
    },
    handlers: {},
    exited(_state, _notice, cx) {
      cx.stop()
      if (++told === pairs) done(pairs)
    },
  })
  const stops: Array<() => void> = []
  for (let i = 0; i < pairs; i++) {
    stops.push(host(node, child({ id: `linkee-${i}`, behaviour: idle, args: undefined })))
    host(node, child({ id: `linker-${i}`, behaviour: linker, args: `linkee-${i}` }))
  }
  for (const stop of stops) stop()
}

async function betweenTwoNodes(): Promise<Line[]> {
  const server = await startNatsServer()
  const extension = extname(fileURLToPath(import.meta.url))
  const path = fileURLToPath(new URL(`./support/actor-peer${extension}`, import.meta.url))
  const peer = spawn(process.execPath, [...process.execArgv, path, server.url], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    await once(peer, 'message')
    const nats = await connect({ servers: server.url, noAsyncTraces: true })
    const ports = systemPorts({
      transport: natsTransport({ servers: [server.url] }),
      log: { level: 'error' },
    })
    const count = { items: 0, answers: 0 }
    const node = await startNode({ name: 'here', ports, children: [sink(count)] })
    const turn = await startStage(node)
    const measured: Line[] = []
    for (const bytes of [128, 1024]) {
      const ours = async () => {
        turn((cx) => cx.send(pid('source', 'peer'), Flood, { to: pid('sink', 'here'), bytes }))
        const rates = await inWindows(windows, () => count.items)
        turn((cx) => cx.send(pid('source', 'peer'), Enough, {}))
        return rates
      }
      const raw = () => rawThroughput(nats, server.url, bytes, windows)
      const target = bytes === 128 ? '60 %' : undefined
      measured.push(await besides(`two nodes, one way, ${bytes} B`, ours, raw, target))
    }
    for (const window of [inFlight, 1]) {
      const ours = async () => {
        const stop = host(node, asker({ id: 'sink', node: 'peer' }, window, 128, count))
        const rates = await inWindows(windows, () => count.answers)
        stop()
        return rates
      }
      const raw = () => rawRequests(nats, window)
      const target = window === 1 ? undefined : '20 k/s'
      measured.push(await besides(`two nodes, requests, ${window} in flight`, ours, raw, target))
    }
    await node.stop()
    await nats.close()
    return measured
  } finally {
    peer.kill('SIGKILL')
    await server.stop()
  }
}

/** Requests per second of a bare client to another one in the other process. */
async function rawRequests(nats: NatsConnection, window: number): Promise<number[]> {
  const payload = new Uint8Array(128)
  let answers = 0
  let stopping = false
  const one = async (): Promise<void> => {
    while (!stopping) {
      await nats.request('raw.echo', payload, { timeout: 5000 })
      answers++
    }
  }
  const all = Array.from({ length: window }, one)
  const rates = await inWindows(windows, () => answers)
  stopping = true
  await Promise.all(all)
  return rates
}

function rate(what: string, rates: readonly number[], target?: string): Line {
  const line = { what, value: median(rates), unit: '/s' as const, spread: spread(rates) }
  return target === undefined ? line : { ...line, target }
}

/**
 * Measures ours and the limit in turns, as the load of the machine changes under both. The ratio is the
 * median of the ratios of the turns.
 */
async function besides(
  what: string,
  ours: () => Promise<number[]>,
  raw: () => Promise<number[]>,
  target?: string,
): Promise<Line> {
  const rates: number[] = []
  const limits: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    rates.push(median(await ours()))
    limits.push(median(await raw()))
  }
  const ratio = median(rates.map((value, turn) => value / (limits[turn] ?? Number.NaN)))
  return { ...rate(what, rates, target), limit: median(limits), ratio }
}

function print(lines: readonly Line[]): void {
  const table = new Table({
    head: ['', 'figure', 'bare NATS', 'ratio', 'target'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  })
  const percent = (value: number) => `${(100 * value).toFixed(0)} %`
  const perSecond = (value: number) => `${Math.round(value).toLocaleString('en')}/s`
  for (const { what, value, spread, limit, ratio, target } of lines) {
    table.push([
      what,
      `${perSecond(value)}${spread === undefined ? '' : ` ± ${percent(spread)}`}`,
      limit === undefined ? '' : perSecond(limit),
      ratio === undefined ? '' : percent(ratio),
      target ?? '',
    ])
  }
  process.stdout.write(`${table}\n`)
}
