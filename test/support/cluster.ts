/**
 * A real cluster for tests: brokers, masters and agents as processes of their own, started by the command
 * as an operator would. Each may be killed and started again on its work directory.
 *
 * The compiled command is used where it is newer than the sources (`npm test` sees to that), else the
 * sources run under tsx; `MESETA_BIN` names another one. Nothing outlives the test file: members notice
 * the end of their channel, and what still works in the cluster's directory at the end is killed and
 * counts as a fault.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { NodeInfo } from '../../protocol/node.ts'
import { GetAgents } from '../../protocol/operator.ts'
import { type ClusterClient, connectCluster } from '../../src/cli/connection.ts'
import { killProcessesIn, processesIn } from '../../src/cli/up/leftovers.ts'
import { type NatsCluster, startNatsCluster } from '../../src/transport/nats-cluster.ts'
import type { Suite } from './suite.ts'
import { temporaryDirectory } from './temp.ts'
import { until } from './wait.ts'

/** Options of a module by flag, without the dashes: `{ 'agent-ping-timeout-ms': 500 }`. */
export type Flags = Readonly<Record<string, string | number | boolean>>

export interface ClusterOptions {
  /** Default 1, called `master`; several are called `master-1`, `master-2`, ... */
  readonly masters?: number
  /** Default 1, called `nats-server`; several are called `nats-server-1`, ... */
  readonly brokers?: number
  /** Where the brokers listen. Default: 127.0.0.1. */
  readonly brokerHost?: string
  /** Command that a member's program and arguments are given to, to run it somewhere. Default: none. */
  readonly launcher?: (name: string) => readonly string[]
  /** Of all members. Default `info`. */
  readonly logLevel?: string
  /** Default 1. They are called `agent-1`, `agent-2`, ... */
  readonly agents?: number
  /** Of each agent. Default `cpus:4;mem:4096;disk:4096;ports:[31000-31999]`. */
  readonly resources?: string
  /** Beside `testMasterFlags` and `testAgentFlags`. */
  readonly masterFlags?: Flags
  readonly agentFlags?: Flags
}

/**
 * Time-outs and back-offs short enough for a test; but on a starved machine a leader shall not lose its
 * lease where no test is about that. Tests that kill it wait for the end of the lease, and name a short one.
 */
export const testMasterFlags: Flags = {
  'lease-ms': 10_000,
  'allocation-interval-ms': 50,
  'agent-ping-timeout-ms': 1000,
  'agent-reregister-timeout-ms': 60_000,
  'heartbeat-interval-ms': 500,
}
export const testAgentFlags: Flags = {
  'registration-backoff-ms': 50,
  'update-retry-min-ms': 500,
  'update-retry-max-ms': 2000,
  'executor-shutdown-grace-ms': 1000,
  'executor-reregistration-timeout-ms': 1000,
  'kill-tasks-on-stop': true,
}

export interface TestCluster {
  /** Addresses of all brokers. */
  readonly servers: readonly string[]
  /** The same, separated by commas. */
  readonly natsUrl: string
  /** Work directories and logs of all members are below it. */
  readonly directory: string
  /** A client with operator calls, open until the cluster stops. */
  readonly client: ClusterClient
  /** Names of all members, brokers first, then masters. */
  readonly names: readonly string[]
  readonly masters: readonly string[]
  /** Process id of `master`, `agent-1`, ..., or `nats-server`. */
  pid(name: string): number
  /** Resolves with how a member has ended, or will: `exit 1`, `SIGKILL`. */
  ended(name: string): Promise<string>
  /** Kills a member with SIGKILL; resolves when it is gone. */
  kill(name: string): Promise<void>
  /** Starts a member that was killed again; resolves when it is up. */
  start(name: string): Promise<void>
  /** Resolves when so many agents are registered and active. */
  agentsActive(count: number): Promise<void>
  /** Resolves when the log's replicas of all masters vote: from then on one of them may be lost. */
  replicasVoting(): Promise<void>
  /** What a member has written so far, over all its lives. */
  log(name: string): string
  /** Lines of all logs that tell of errors, without those that match. For a last look in a test. */
  errors(): string[]
  /** The ends of all logs, to be printed when a test fails. */
  tails(): string
  /** Stops all; fails if a member does not stop in order or a task is left. Idempotent. */
  stop(): Promise<void>
}

interface Member {
  readonly name: string
  /** Program and arguments. */
  readonly command: readonly string[]
  process: ChildProcess | undefined
  exited: Promise<string>
}

const root = resolve(import.meta.dirname, '..', '..')
/** Limits for what hangs: on a slow and busy machine one start takes seconds. */
const readyMs = 60_000
const stopMs = 30_000
const requestMs = 10_000
const tailKept = 3000

/** Starts a cluster; resolves when its agents are registered. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = new Processes(options)
  try {
    await cluster.open()
  } catch (error) {
    const tails = cluster.tails()
    await cluster.stop().catch(() => {})
    throw new Error(`the cluster did not start: ${String(error)}\n${tails}`, { cause: error })
  }
  return cluster
}

/** Starts a cluster before the suite's tests and stops it after them, as `natsServerFor` does. */
export function clusterFor(test: Suite, options: ClusterOptions = {}): () => TestCluster {
  let cluster: TestCluster | undefined
  test.before(async () => {
    cluster = await startCluster(options)
  })
  test.after(() => cluster?.stop())
  return () => {
    if (!cluster) throw new Error('the cluster runs only during the tests of the suite')
    return cluster
  }
}

class Processes implements TestCluster {
  readonly directory = temporaryDirectory('cluster')
  readonly #members = new Map<string, Member>()
  readonly #options: ClusterOptions
  #brokers: NatsCluster | undefined
  #client: ClusterClient | undefined
  #stopped: Promise<void> | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    process.on('exit', this.#endByForce)
  }

  async open(): Promise<void> {
    const { agents = 1, brokers = 1, brokerHost: host } = this.#options
    this.#brokers = await startNatsCluster({ count: brokers, ...(host !== undefined && { host }) })
    for (const name of this.masters) {
      const replicas = this.masters.join(',')
      this.#add(name, 'master', { ...testMasterFlags, replicas, ...this.#options.masterFlags })
    }
    const resources = this.#options.resources ?? 'cpus:4;mem:4096;disk:4096;ports:[31000-31999]'
    for (let index = 1; index <= agents; index++) {
      const hostname = `agent-${index}`
      const own = { resources, hostname }
      this.#add(hostname, 'agent', { ...testAgentFlags, ...own, ...this.#options.agentFlags })
    }
    await Promise.all([...this.#members.values()].map((member) => this.#spawn(member)))
    this.#client = await connectCluster({
      nats_url: this.natsUrl,
      nats_credentials: '',
      cluster: 'meseta',
      request_timeout_ms: requestMs,
    })
    await Promise.all([this.agentsActive(agents), this.replicasVoting()])
  }

  get servers(): readonly string[] {
    if (!this.#brokers) throw new Error('the brokers have not been started')
    return this.#brokers.urls
  }

  get natsUrl(): string {
    return this.servers.join(',')
  }

  get client(): ClusterClient {
    if (!this.#client) throw new Error('the cluster has not been started')
    return this.#client
  }

  get masters(): readonly string[] {
    return numbered('master', this.#options.masters ?? 1)
  }

  get names(): readonly string[] {
    return [...this.#brokerNames, ...this.#members.keys()]
  }

  get #brokerNames(): readonly string[] {
    return numbered('nats-server', this.servers.length)
  }

  /** The broker of this name and its index; undefined for a member that is none. */
  #broker(name: string) {
    const index = this.#brokerNames.indexOf(name)
    const server = this.#brokers?.servers[index]
    return server && { index, server }
  }

  pid(name: string): number {
    const pid = this.#broker(name)?.server.pid ?? this.#member(name).process?.pid
    if (pid === undefined) throw new Error(`${name} does not run`)
    return pid
  }

  async ended(name: string): Promise<string> {
    const broker = this.#broker(name)
    if (broker === undefined) return this.#member(name).exited
    await broker.server.exited
    return 'exit'
  }

  async kill(name: string): Promise<void> {
    const broker = this.#broker(name)
    if (broker !== undefined) return broker.server.kill()
    const member = this.#member(name)
    member.process?.kill('SIGKILL')
    await member.exited
  }

  async start(name: string): Promise<void> {
    const broker = this.#broker(name)
    if (broker !== undefined) await this.#brokers?.restart(broker.index)
    else await this.#spawn(this.#member(name))
  }

  async agentsActive(count: number): Promise<void> {
    await until(
      async () => {
        const { get_agents } = await this.client.master(GetAgents)
        return get_agents.agents.filter(({ active }) => active).length === count
      },
      { what: `${count} active agents`, timeoutMs: readyMs, intervalMs: 50 },
    )
  }

  async replicasVoting(): Promise<void> {
    const { subjects } = this.client
    const votes = async (node: string) => {
      const answer = await this.client.request(subjects.nodeActors(node), {}, 500)
      const log = (answer as NodeInfo).actors.find(({ id }) => id === 'log')
      return log?.state === 'voting'
    }
    const all = async () => (await Promise.all(this.masters.map(votes))).every(Boolean)
    await until(all, { what: 'all replicas to vote', timeoutMs: readyMs, intervalMs: 50 })
  }

  log(name: string): string {
    return readFileSync(join(this.directory, `${name}.log`), 'utf8')
  }

  errors(): string[] {
    return [...this.#members.keys()].flatMap((name) =>
      this.log(name)
        .split('\n')
        .filter((line) => line !== '' && (!line.startsWith('{') || levelOf(line) >= errorLevel))
        .map((line) => `${name}: ${line}`),
    )
  }

  tails(): string {
    const tail = (name: string) => `--- ${name}\n${this.log(name).slice(-tailKept)}`
    return [...this.#members.keys()].map(tail).join('\n')
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const faults: string[] = []
    // Agents before their master, which hears them say goodbye.
    for (const member of [...this.#members.values()].reverse()) {
      const how = await stopInOrder(member)
      if (how !== undefined) faults.push(`${member.name} ended by ${how}`)
    }
    await this.#client?.close().catch(() => {})
    await this.#brokers?.stop()
    const left = processesIn(this.directory)
    if (left.length > 0) faults.push(`processes left in the sandboxes: ${left.join(', ')}`)
    this.#endByForce()
    process.off('exit', this.#endByForce)
    if (faults.length > 0) throw new Error(`${faults.join('; ')}\n${this.tails()}`)
  }

  readonly #endByForce = () => {
    for (const { process: child } of this.#members.values()) child?.kill('SIGKILL')
    killProcessesIn(this.directory)
  }

  #add(name: string, module: string, flags: Flags): void {
    const workDirectory = join(this.directory, name)
    mkdirSync(workDirectory)
    const all: Flags = { 'work-dir': workDirectory, ...flags }
    const options = Object.entries(all).map(([flag, value]) =>
      value === true ? `--${flag}` : `--${flag}=${value}`,
    )
    const { launcher, logLevel = 'info' } = this.#options
    const node = ['--nats', this.natsUrl, '--name', name]
    const log = ['--log-format', 'json', '--log-level', logLevel]
    const meseta = [process.execPath, ...mesetaCommand(), 'start', ...node, ...log]
    const command = [...(launcher?.(name) ?? []), ...meseta, module, ...options]
    this.#members.set(name, { name, command, process: undefined, exited: Promise.resolve('') })
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (!member) throw new Error(`the cluster has no ${name}`)
    return member
  }

  /** Resolves when the node says that it is up. */
  async #spawn(member: Member): Promise<void> {
    const log = openSync(join(this.directory, `${member.name}.log`), 'a')
    const [program = '', ...args] = member.command
    const child = spawn(program, args, {
      cwd: root,
      env: userEnvironment(),
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    member.process = child
    member.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        member.process = undefined
        resolve(signal ?? `exit ${code}`)
      })
    })
    const ready = new Promise<string>((resolve) => child.once('message', () => resolve('ready')))
    const late = AbortSignal.timeout(readyMs)
    const timeout = new Promise<string>((resolve) =>
      late.addEventListener('abort', () => resolve(`nothing for ${readyMs} ms`)),
    )
    const what = await Promise.race([ready, member.exited, timeout])
    if (what !== 'ready') throw new Error(`${member.name} did not come up: ${what}`)
  }
}

/** `name`, or `name-1`, `name-2`, ... if there are several. */
function numbered(name: string, count: number): string[] {
  if (count === 1) return [name]
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}`)
}

/** Asks a member to stop; how it ended if that was not in order. */
async function stopInOrder(member: Member): Promise<string | undefined> {
  const child = member.process
  if (child === undefined) return undefined
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMs)
  const how = await member.exited
  clearTimeout(timer)
  return how === 'exit 0' ? undefined : how
}

/** Arguments of Node that run the command. */
export function mesetaCommand(): readonly string[] {
  const { MESETA_BIN } = process.env
  if (MESETA_BIN !== undefined) return [MESETA_BIN]
  const built = statSync(join(root, 'dist', '.built'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = ['src', 'actors', 'protocol'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
      join(root, folder, path),
    ),
  )
  const fresh = sources.every((path) => statSync(path).mtimeMs < built)
  return fresh
    ? [join(root, 'dist', 'src', 'cli', 'main.js')]
    : ['--import', 'tsx', join(root, 'src', 'cli', 'main.ts')]
}

/** This process' environment without what steers the command or the test runner. */
export function userEnvironment(): NodeJS.ProcessEnv {
  const own = ['MESETA_', 'NODE_', 'UVU_']
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !own.some((prefix) => name.startsWith(prefix))),
  )
}

/** Of pino. */
const errorLevel = 50

function levelOf(line: string): number {
  return (JSON.parse(line) as { level: number }).level
}
