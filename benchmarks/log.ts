/**
 * Appends per second to the replicated log, and how long one takes until it is answered: 1 replica and 3,
 * each a process of its own with its own store, the client in this process behind a real broker; 1, 16 and
 * 256 appends in flight, of 100 bytes and of 10 KiB.
 *
 * The limit is the same disk with nothing around it: as many bytes appended to a file as are in flight, one
 * fdatasync, and again. A log with three replicas on one disk pays that three times. Beside three replicas
 * stands a real etcd of three processes that is given the same values in the same way, if it is installed
 * (Debian: etcd-server).
 *
 * Then a log of a million small entries: how long a replica takes that finds it on its disk, and one that
 * has to fetch all of it from the others.
 *
 *     node dist/benchmarks/log.js [--quick] [--json] [--entries N]
 */
import { fork } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { Append, CatchUp, Elect, Positions } from '../protocol/log.ts'
import { defaultCluster } from '../protocol/subjects.ts'
import { connectAsker } from '../src/framework/asking.ts'
import { type ChildSpec, type Context, child, pid, startNode, table } from '../src/runtime/index.ts'
import { systemPorts } from '../src/runtime/ports/index.ts'
import { natsTransport } from '../src/transport/nats.ts'
import { startNatsServer } from '../src/transport/nats-server.ts'
import { etcdVersion, startEtcd } from './support/etcd.ts'
import { inWindows, median, percentile, spread } from './support/statistics.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Length of the log that is recovered. */
    entries: { type: 'string' },
  },
})
const { quick, json } = flags
const entries = Number(flags.entries ?? (quick ? 20_000 : 1_000_000))
const fillInFlight = 1024
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
  /** Puts per second of etcd with as many members, and how many times that the log does. */
  readonly etcdPerSecond?: number
  readonly toEtcd?: number
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

interface Recovery {
  readonly entries: number
  /** Until a replica that was killed votes and knows all again, from its disk. */
  readonly loadSeconds: number
  /** The same with an empty disk, from the others. */
  readonly catchUpSeconds: number
}

/** Fills a log of three, and has one replica find it again in two ways. */
async function measureRecovery(): Promise<Recovery> {
  const server = await startNatsServer()
  const names = ['recovering-0', 'recovering-1', 'recovering-2']
  const last = names[2] as string
  const start = (name: string) => startReplica(server.url, name, names)
  const replicas = new Map<string, Awaited<ReturnType<typeof startReplica>>>()
  for (const name of names) replicas.set(name, await start(name))
  const transport = natsTransport({ servers: [server.url] })
  const { ask, close } = await connectAsker(
    systemPorts({ transport, log: { level: 'warn' } }),
    defaultCluster,
  )
  const votesTo = async (end: number) => {
    for (;;) {
      const replica = pid('log', last)
      // Nobody writes: it must ask how far the log goes.
      const known = await ask(replica, CatchUp, {}, 60_000).catch(() => undefined)
      const is = known && (await ask(replica, Positions, {}).catch(() => undefined))
      if (is?.status === 'VOTING' && is.learned >= end) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const restart = async (empty: boolean, end: number): Promise<number> => {
    const replica = replicas.get(last)
    const ended = new Promise((resolve) => replica?.once('exit', resolve))
    replica?.kill('SIGKILL')
    await ended
    if (empty) rmSync(join(root, `${names.length}-${last}`), { recursive: true })
    const begin = performance.now()
    replicas.set(last, await start(last))
    await votesTo(end)
    return (performance.now() - begin) / 1000
  }
  try {
    const writer = pid('log-writer', names[0] as string)
    const elect = async (): Promise<number> => {
      const elected = await ask(writer, Elect, {}, 60_000).catch(() => undefined)
      if (elected !== undefined) return elected.epoch
      await new Promise((resolve) => setTimeout(resolve, electionRetryMs))
      return elect()
    }
    const epoch = await elect()
    let left = entries
    let end = 0
    const one = async () => {
      while (left-- > 0) {
        const { position } = await ask(writer, Append, { epoch, data: new Uint8Array(100) }, 60_000)
        end = Math.max(end, position)
      }
    }
    await Promise.all(Array.from({ length: fillInFlight }, one))
    const loadSeconds = await restart(false, end)
    return { entries, loadSeconds, catchUpSeconds: await restart(true, end) }
  } finally {
    await close()
    for (const replica of replicas.values()) {
      const ended = new Promise((resolve) => replica.once('exit', resolve))
      replica.kill('SIGKILL')
      await ended
    }
    await server.stop()
  }
}

/** Puts per second of etcd; empty if it is not installed. */
async function measureEtcd(): Promise<Map<Load, number>> {
  const figures = new Map<Load, number>()
  if (etcdVersion() === undefined) {
    process.stderr.write(
      'etcd is not installed (Debian: etcd-server): there is no peer to compare with\n',
    )
    return figures
  }
  const etcd = await startEtcd(root)
  try {
    for (const load of loads) {
      let done = 0
      let stopping = false
      const one = async (): Promise<void> => {
        while (!stopping) {
          await etcd.put(Buffer.alloc(load.bytes))
          done++
        }
      }
      const all = Array.from({ length: load.inFlight }, one)
      figures.set(load, median(await inWindows(windows, () => done)))
      stopping = true
      await Promise.all(all)
    }
  } finally {
    await etcd.stop()
  }
  return figures
}

async function main(): Promise<{ lines: Line[]; recovery: Recovery }> {
  try {
    const measured: Line[] = []
    for (const size of ensembles) measured.push(...(await measure(size)))
    const limits = new Map<Load, number>()
    for (const load of loads) limits.set(load, await rawDisk(load))
    const peer = await measureEtcd()
    const recovery = await measureRecovery()
    const lines = measured.map((line) => {
      const load = loads.find((one) => one.inFlight === line.inFlight && one.bytes === line.bytes)
      const limit = limits.get(load as Load) as number
      const etcdPerSecond = line.replicas === 3 ? peer.get(load as Load) : undefined
      return {
        ...line,
        limit,
        ratio: line.perSecond / limit,
        ...(etcdPerSecond && { etcdPerSecond, toEtcd: line.perSecond / etcdPerSecond }),
      }
    })
    return { lines, recovery }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const { lines, recovery } = await main()
if (json)
  process.stdout.write(`${JSON.stringify({ benchmark: 'log', lines, recovery }, null, 2)}\n`)
else {
  const report = new Table({
    head: [
      ...['replicas', 'in flight', 'bytes', 'appends/s', 'p50 ms', 'p99 ms', 'fdatasync', 'ratio'],
      ...['etcd', 'to etcd (target 1)'],
    ],
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
      line.etcdPerSecond?.toFixed(0) ?? '',
      line.toEtcd === undefined ? '' : `${line.toEtcd.toFixed(1)} x`,
    ])
  }
  process.stdout.write(`${report}\n`)
  const { loadSeconds, catchUpSeconds } = recovery
  process.stdout.write(
    `a replica of ${recovery.entries} entries votes again ${loadSeconds.toFixed(1)} s after its start, with an empty disk ${catchUpSeconds.toFixed(1)} s\n`,
  )
}
