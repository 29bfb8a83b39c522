/**
 * A cluster on this machine: brokers (unless some are given), masters, agents, each a supervised process of
 * its own. Stopping goes in reverse order, so that agents can still say goodbye to their master.
 *
 * Lost with a kill -9 of this process: nothing. Nodes notice that their channel is closed and stop, agents
 * end their tasks first; the kernel kills the brokers.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { MasterAgents } from '../../../protocol/operator.ts'
import { type ClusterClient, connectCluster } from '../connection.ts'
import { CommandError } from '../errors.ts'
import { Brokers } from './brokers.ts'
import { SupervisedChild } from './child.ts'
import { killProcessesIn } from './leftovers.ts'
import { awaitAgents } from './ready.ts'
import { agentFlags, masterFlags, masterNames } from './shares.ts'

export interface ClusterOptions {
  readonly cluster: string
  /** Addresses, separated by commas; empty: start brokers. */
  readonly natsUrl: string
  readonly natsCredentials: string
  /** Number of own brokers. */
  readonly brokers: number
  /** Port for the first own broker; another if it is taken. 0: any. */
  readonly port: number
  readonly masters: number
  readonly agents: number
  /** As given for each agent; empty: shares of the machine. */
  readonly resources: string
  readonly workDirectory: string
  readonly logLevel: string
  readonly onChange: (line: string) => void
  readonly onOutput?: (node: string, text: string) => void
}

/** What `up.json` says, for programs that want to look at or disturb the processes. */
export interface UpFile {
  readonly pid: number
  readonly nats: string
  readonly cluster: string
  readonly work_dir: string
  /**
   * Process ids by name: `nats-server` (of several, `nats-server-1`, ...), `master-1`, `agent-1`, ...;
   * without those that are down.
   */
  readonly pids: Readonly<Record<string, number>>
}

const fileIntervalMs = 250
/** Agents end their tasks first: grace period and some. */
const stopMs = 15_000

export class LocalCluster {
  readonly #options: ClusterOptions
  readonly #children: SupervisedChild[] = []
  #brokers: Brokers | undefined
  #natsUrl: string
  #stopped: Promise<void> | undefined
  #file: NodeJS.Timeout | undefined
  /** Content of `up.json`. */
  #written = ''

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#natsUrl = options.natsUrl
  }

  get natsUrl(): string {
    return this.#natsUrl
  }

  logPath(name: string): string {
    return join(this.#options.workDirectory, 'logs', `${name}.log`)
  }

  /**
   * Starts everything and resolves with the agents when all have registered.
   * @throws NatsServerError NOT_FOUND if there is no broker to start; CommandError START_FAILED
   */
  async start(): Promise<MasterAgents> {
    const { workDirectory, masters, agents, onChange } = this.#options
    mkdirSync(join(workDirectory, 'logs'), { recursive: true })
    if (this.#natsUrl === '') await this.#startBrokers()
    for (const url of this.#natsUrl.split(',')) onChange(`broker       ${url}`)
    const names = masterNames(masters)
    await Promise.all(names.map((name) => this.#startChild(name, 'master', masterFlags(names))))
    const machine = { cpus: availableParallelism(), memoryMb: totalmem() / 2 ** 20 }
    await Promise.all(
      range(agents).map((index) => {
        const flags = agentFlags(machine, index, agents, this.#options.resources)
        return this.#startChild(`agent-${index + 1}`, 'agent', flags)
      }),
    )
    const client = await this.connect()
    try {
      const logs = join(workDirectory, 'logs')
      const listed = await awaitAgents(client, agents, logs, () => this.#stopped !== undefined)
      this.#writeFile()
      this.#file = setInterval(() => this.#writeFile(), fileIntervalMs)
      return listed
    } finally {
      await client.close()
    }
  }

  async #startBrokers(): Promise<void> {
    const { brokers: count, port, onChange } = this.#options
    const brokers = await Brokers.start({ count, port, onChange })
    this.#brokers = brokers
    this.#natsUrl = brokers.url
    if (this.#stopped !== undefined) await brokers.stop()
  }

  async #startChild(
    name: string,
    module: string,
    flags: ReadonlyArray<readonly [string, string]>,
  ): Promise<void> {
    const { cluster, natsCredentials, workDirectory, logLevel, onChange, onOutput } = this.#options
    if (this.#stopped !== undefined)
      throw new CommandError('START_FAILED', 'stopped while starting')
    // A switch takes no value on a command line.
    const assigned = flags.map(([flag, value]) => (value === 'true' ? flag : `${flag}=${value}`))
    const child = new SupervisedChild({
      name,
      args: [
        ...['start', '--name', name, '--nats', this.#natsUrl, '--cluster', cluster],
        ...(natsCredentials === '' ? [] : ['--nats-credentials', natsCredentials]),
        ...['--log-level', logLevel, '--log-format', 'json'],
        ...[module, '--work-dir', join(workDirectory, name), ...assigned],
      ],
      logPath: this.logPath(name),
      stopMs,
      onChange,
      ...(onOutput && { onOutput: (text: string) => onOutput(name, text) }),
    })
    this.#children.push(child)
    try {
      await child.start()
    } catch (error) {
      throw new CommandError(
        'START_FAILED',
        (error as Error).message,
        `Its log: ${this.logPath(name)}`,
      )
    }
    onChange(`${name.padEnd(12)} pid ${child.pid}`)
  }

  /** A client of this cluster. */
  connect(): Promise<ClusterClient> {
    const { cluster, natsCredentials } = this.#options
    return connectCluster({
      nats_url: this.#natsUrl,
      nats_credentials: natsCredentials,
      cluster,
      request_timeout_ms: 2000,
    })
  }

  /** Writes `up.json` if the processes have changed; readers never see half of it. */
  #writeFile(): void {
    const pids: Record<string, number> = Object.fromEntries(this.#brokers?.pids ?? [])
    for (const { name, pid } of this.#children) if (pid !== undefined) pids[name] = pid
    const { cluster, workDirectory } = this.#options
    const content: UpFile = {
      pid: process.pid,
      nats: this.#natsUrl,
      cluster,
      work_dir: workDirectory,
      pids,
    }
    const text = `${JSON.stringify(content, undefined, 2)}\n`
    if (text === this.#written) return
    this.#written = text
    const path = join(workDirectory, 'up.json')
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }

  /** Stops agents, masters, brokers, in this order; nothing of them is left when it resolves. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    clearInterval(this.#file)
    const isAgent = ({ name }: SupervisedChild) => name.startsWith('agent-')
    await Promise.all(this.#children.filter(isAgent).map((child) => child.stop()))
    this.#reap()
    await Promise.all(
      this.#children.filter((child) => !isAgent(child)).map((child) => child.stop()),
    )
    await this.#brokers?.stop()
  }

  #reap(): void {
    const killed = killProcessesIn(this.#options.workDirectory)
    if (killed > 0)
      this.#options.onChange(`killed ${killed} processes of tasks that no agent could end`)
  }

  /** Ends everything at once. */
  kill(): void {
    for (const child of this.#children) child.kill()
    killProcessesIn(this.#options.workDirectory)
    this.#brokers?.kill()
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
