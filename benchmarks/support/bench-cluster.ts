/**
 * A cluster for a benchmark: a broker, a master and whatever else is asked for, each a process of its own,
 * started by the command as a user would. All of them end with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection } from 'nats'
import { subjects } from '../../protocol/subjects.ts'
import { type NatsServer, startNatsServer } from '../../src/transport/nats-server.ts'
import type { Turn } from './turn-probe.ts'

/** Compiled or not, everything is started in the form in which this file runs. */
const extension = extname(fileURLToPath(import.meta.url))
const command = fileURLToPath(new URL(`../../src/cli/main${extension}`, import.meta.url))
/** What `meseta start` takes as the module of simulated agents. */
export const simulatedAgentsModule = fileURLToPath(
  new URL(`./simulated-agents${extension}`, import.meta.url),
)

/** What Node takes so that a process can be asked. */
const probes = {
  memory: ['--expose-gc', '--import', new URL(`./memory-probe${extension}`, import.meta.url).href],
  turns: ['--import', new URL(`./turn-probe${extension}`, import.meta.url).href],
}

const startTimeoutMs = 30_000
const stopTimeoutMs = 5000
/** The end of a process's log that is told when it fails, in characters. */
const logKept = 4000

/** What a process has used since its start. */
export interface Usage {
  /** User and system time, ms. */
  readonly cpuMs: number
  /** Resident memory, bytes. */
  readonly rssBytes: number
}

/** What is left in a process after its garbage is collected. */
export interface Memory {
  readonly rssBytes: number
  /** Of JavaScript's heap. */
  readonly heapBytes: number
  /** Of buffers beside it. */
  readonly externalBytes: number
}

export interface BenchNode {
  readonly pid: number
  readonly name: string
  usage(): Usage
  /** Of a node that was started with the probe `memory`. */
  memory(): Promise<Memory>
  /** Of a node that was started with the probe `turns`: the longest since this was asked last. */
  turns(): Promise<readonly Turn[]>
  stop(): Promise<void>
  /** Kills it with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

export interface StartOptions {
  /** Of the node. Default: one that no other has. */
  readonly name?: string
  /** For Node. */
  readonly execArgv?: readonly string[]
  /** What it can be asked for. */
  readonly probe?: keyof typeof probes
}

export interface BenchCluster {
  readonly url: string
  readonly cluster: string
  /** A connection of the benchmark's own. */
  readonly nats: NatsConnection
  readonly broker: BenchNode
  /** Starts `meseta start <module> <flags>`; resolves when it is up. */
  start(module: string, flags: readonly string[], options?: StartOptions): Promise<BenchNode>
  /** A new directory that goes with the cluster. */
  directory(): string
  /** Stops all in reverse order of starting. */
  stop(): Promise<void>
}

/** Starts a broker and connects to it. */
export async function startBenchCluster(cluster = 'bench'): Promise<BenchCluster> {
  const server = await startNatsServer()
  const nats = await connect({ servers: server.url, noAsyncTraces: true })
  const nodes: BenchNode[] = []
  const directories: string[] = []
  let started = 0
  const directory = () => {
    const path = mkdtempSync(join(tmpdir(), 'meseta-bench-'))
    directories.push(path)
    return path
  }
  return {
    url: server.url,
    cluster,
    nats,
    broker: brokerNode(server),
    directory,
    async start(module, flags, { name = `node-${started++}`, execArgv = [], probe } = {}) {
      const args = ['start', '--nats', server.url, '--cluster', cluster, '--name', name]
      args.push('--log-level', 'warn', module, ...flags)
      const probing = probe === undefined ? [] : probes[probe]
      const node = await startNode(name, args, [...probing, ...execArgv])
      nodes.push(node)
      return node
    },
    async stop() {
      await nats.close()
      for (const node of nodes.reverse()) await node.stop()
      await server.stop()
      for (const path of directories) rmSync(path, { recursive: true, force: true })
    },
  }
}

function brokerNode({ pid, stop, kill }: NatsServer): BenchNode {
  const none = () => Promise.reject(new Error('a broker has no probe'))
  const usage = () => usageOf(pid)
  return { pid, name: 'nats-server', stop, kill, memory: none, turns: none, usage }
}

async function startNode(
  name: string,
  args: readonly string[],
  execArgv: readonly string[],
): Promise<BenchNode> {
  // The channel tells when the node is up, and the node when this process is gone.
  const child = spawn(process.execPath, [...process.execArgv, ...execArgv, command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const log = keepLog(child)
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`meseta ${args.join(' ')} ${why}:\n${log()}`))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`was not up after ${startTimeoutMs} ms`)
    }, startTimeoutMs)
    child.once('message', () => {
      clearTimeout(timer)
      resolve()
    })
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      fail(`ended with ${code ?? signal}`)
    })
  })
  const pid = child.pid!
  let stopping = false
  const ask = <T>() =>
    new Promise<T>((resolve) => {
      child.once('message', (answer) => resolve(answer as T))
      child.send('ask')
    })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      // A figure without one of the processes would be a figure of something else.
      if (!stopping) {
        process.stderr.write(`meseta ${args.join(' ')} ended (${code ?? signal}):\n${log()}\n`)
        process.exit(1)
      }
      resolve()
    })
  })
  return {
    pid,
    name,
    usage: () => usageOf(pid),
    memory: () => ask<Memory>(),
    turns: () => ask<Turn[]>(),
    async kill() {
      stopping = true
      child.kill('SIGKILL')
      await gone
    },
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      await gone
      clearTimeout(timer)
    },
  }
}

function keepLog({ stdout, stderr }: ChildProcess): () => string {
  let text = ''
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-logKept)
    })
  }
  return () => text.trim()
}

/** Clock ticks of 10 ms and pages of 4 KiB, as Linux counts them for programs. Not a number elsewhere. */
function usageOf(pid: number): Usage {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The program's name, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [utime, stime, rss] = [11, 12, 21].map((at) => Number(fields[at]))
    return { cpuMs: (utime! + stime!) * 10, rssBytes: rss! * 4096 }
  } catch {
    return { cpuMs: Number.NaN, rssBytes: Number.NaN }
  }
}

/**
 * Resolves when so many agents are added from `begin` on, as the master announces them, with the time from
 * the first to the last, ms.
 */
export async function agentsAdded(
  { nats, cluster }: BenchCluster,
  count: number,
  begin: () => Promise<unknown>,
): Promise<number> {
  let added = 0
  let firstMs = 0
  let settle = () => {}
  const all = new Promise<void>((resolve) => {
    settle = resolve
  })
  const needle = Buffer.from('AGENT_ADDED')
  const subscription = nats.subscribe(subjects(cluster).events('agent'), {
    callback: (_error, { data }) => {
      if (Buffer.from(data.buffer, data.byteOffset, data.length).includes(needle)) added++
      if (added === 1 && firstMs === 0) firstMs = performance.now()
      if (added >= count) settle()
    },
  })
  await nats.flush()
  await begin()
  await all
  const lastMs = performance.now()
  subscription.unsubscribe()
  return lastMs - firstMs
}
