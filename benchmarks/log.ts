/**
 * Appends per second to the replicated log, and how long one takes until it is answered: 1 replica and 3,
 * each a process of its own with its own store, the client in this process behind a real broker; 1, 16 and
 * 256 appends in flight, of 100 bytes and of 10 KiB.
 *
 * The limit is the same disk with nothing around it: as many bytes appended to a file as are in flight, one
 * fdatasync, and again. A log with three replicas on one disk pays that three times.
 *
 *     node dist/benchmarks/log.js [--quick] [--json]
 */
import { fork } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { Append, Elect } from '../protocol/log.ts'
import { type ChildSpec, type Context, child, pid, startNode, table } from '../src/runtime/index.ts'
import { systemPorts } from '../src/runtime/ports/index.ts'
import { natsTransport } from '../src/transport/nats.ts'
import { startNatsServer } from '../src/transport/nats-server.ts'
import { inWindows, median, percentile, spread } from './support/statistics.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { quick, json } = flags
const windows = { count: 5, ms: quick ? 200 : 2000 }
const ensembles = [1, 3]
const loads = [
  ...[1, 16, 256].map((inFlight) => ({ inFlight, bytes: 100 })),
  { inFlight: 256, bytes: 10 * 1024 },
]
const electionRetryMs = 200

interface Load {
  readonly inFlight: number
  readonly bytes: number
}

interface Line extends Load {
  readonly replicas: number
  readonly perSecond: number
  readonly spread: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Entries per second that the bare disk takes in groups of `inFlight`. */
  readonly limit: number
  readonly ratio: number
}

const root = mkdtempSync(join(tmpdir(), 'meseta-bench-'))
const replicaModule = fileURLToPath(
  new URL(`./support/log-node${extname(import.meta.url)}`, import.meta.url),
)

/** What the client does: as many appends as are wanted, each followed by the next. */
interface Client {
  load: Load
  answered: number
  readonly latenciesMs: number[]
}

function client(state: Client, writer: string, elected: () => void): ChildSpec {
  const to = pid('log-writer', writer)
  let running = 0
  const append = (cx: Context, epoch: number): void => {
    const begin = cx.monotonic()
    const data = new Uint8Array(state.load.bytes)
    running++
    cx.ask(to, Append, { epoch, data }, { timeoutMs: 60_000 }, (outcome) => {
      if (!outcome.ok) throw new Error(`an append failed: ${outcome.error.message}`)
      running--
      state.answered++
      state.latenciesMs.push(cx.monotonic() - begin)
      while (running < state.load.inFlight) append(cx, epoch)
    })
  }
  const elect = (cx: Context): void => {
    cx.ask(to, Elect, {}, { timeoutMs: 60_000 }, (outcome) => {
      if (!outcome.ok) {
        cx.after('elect', electionRetryMs, () => elect(cx))
        return
      }
      append(cx, outcome.value.epoch)
      elected()
    })
  }
  return child({
    id: 'client',
    args: undefined,
    behaviour: table({
      label: 'client',
      messages: [],
      init: (_args, cx) => elect(cx),
      handlers: {},
    }),
  })
}

/** Entries per second of a file that is synced after each `inFlight` of them. */
async function rawDisk({ inFlight, bytes }: Load): Promise<number> {
  const file = openSync(join(root, 'raw'), 'a')
  const group = Buffer.alloc(inFlight * bytes)
  let written = 0
  let stopping = false
  const write = () => {
    if (stopping) return
    writeSync(file, group)
    fdatasyncSync(file)
    written += inFlight
    setImmediate(write)
  }
  write()
  const rates = await inWindows({ count: 3, ms: windows.ms / 2 }, () => written)
  stopping = true
  closeSync(file)
  rmSync(join(root, 'raw'))
  return median(rates)
}

async function startReplica(url: string, name: string, all: readonly string[]) {
  const process = fork(replicaModule, [url, name, join(root, `${all.length}-${name}`), ...all])
  await new Promise<void>((resolve, reject) => {
    process.once('message', () => resolve())
    process.once('exit', (code) => reject(new Error(`replica ${name} ended with ${code}`)))
  })
  return process
}

async function measure(size: number): Promise<Line[]> {
  const server = await startNatsServer()
  const names = Array.from({ length: size }, (_, i) => `replica-${i}`)
  const replicas = await Promise.all(names.map((name) => startReplica(server.url, name, names)))
  const state: Client = { load: loads[0] as Load, answered: 0, latenciesMs: [] }
  let elected = () => {}
  const ready = new Promise<void>((resolve) => {
    elected = resolve
  })
  const node = await startNode({
    name: 'client',
    ports: systemPorts({
      transport: natsTransport({ servers: [server.url] }),
      log: { level: 'warn' },
    }),
    children: [client(state, names[0] as string, elected)],
    // Figures of a client that was started anew would be figures of something else.
    supervision: { intensity: 0 },
    onFailure: () => process.exit(1),
  })
  await ready
  const lines: Line[] = []
  for (const load of loads) {
    state.load = load
    // The first answers are those of the load before.
    const begin = state.answered
    while (state.answered < begin + 2 * load.inFlight)
      await new Promise((next) => setTimeout(next, 5))
    state.latenciesMs.length = 0
    const rates = await inWindows(windows, () => state.answered)
    const { latenciesMs } = state
    const [p50Ms, p99Ms] = [percentile(latenciesMs, 50), percentile(latenciesMs, 99)]
    const figures = { replicas: size, perSecond: median(rates), spread: spread(rates) }
    lines.push({ ...load, ...figures, p50Ms, p99Ms, limit: Number.NaN, ratio: Number.NaN })
  }
  await node.stop()
  for (const replica of replicas) {
    const ended = new Promise((resolve) => replica.once('exit', resolve))
    replica.kill('SIGKILL')
    await ended
  }
  await server.stop()
  return lines
}

async function main(): Promise<Line[]> {
  try {
    const measured: Line[] = []
    for (const size of ensembles) measured.push(...(await measure(size)))
    const limits = new Map<Load, number>()
    for (const load of loads) limits.set(load, await rawDisk(load))
    return measured.map((line) => {
      const load = loads.find((one) => one.inFlight === line.inFlight && one.bytes === line.bytes)
      const limit = limits.get(load as Load) as number
      return { ...line, limit, ratio: line.perSecond / limit }
    })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const lines = await main()
if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'log', lines }, null, 2)}\n`)
else {
  const report = new Table({
    head: ['replicas', 'in flight', 'bytes', 'appends/s', 'p50 ms', 'p99 ms', 'fdatasync', 'ratio'],
    style: { head: [], border: [] },
  })
  const percent = (value: number) => `${(100 * value).toFixed(0)} %`
  for (const line of lines) {
    report.push([
      line.replicas,
      line.inFlight,
      line.bytes,
      `${line.perSecond.toFixed(0)} ± ${percent(line.spread)}`,
      line.p50Ms.toFixed(1),
      line.p99Ms.toFixed(1),
      line.limit.toFixed(0),
      percent(line.ratio),
    ])
  }
  process.stdout.write(`${report}\n`)
}
