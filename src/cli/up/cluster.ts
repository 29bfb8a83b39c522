/**
 * A cluster on this machine: a broker (unless one is given), masters, agents, each a supervised process of
 * its own. Stopping goes in reverse order, so that agents can still say goodbye to their master.
 *
 * Lost with a kill -9 of this process: nothing. Nodes notice that their channel is closed and stop, agents
 * end their tasks first; the kernel kills the broker.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { MasterAgents } from '../../../protocol/operator.ts'
import { type NatsServer, NatsServerError, startNatsServer } from '../../transport/nats-server.ts'
import { type ClusterClient, connectCluster } from '../connection.ts'
import { CommandError } from '../errors.ts'
import { SupervisedChild } from './child.ts'
import { killProcessesIn } from './leftovers.ts'
import { awaitAgents } from './ready.ts'
import { agentFlags, masterFlags } from './shares.ts'

export interface ClusterOptions {
  readonly cluster: string
  /** Empty: start a broker. */
  readonly natsUrl: string
  readonly natsCredentials: string
  /** Port for the own broker; another if it is taken. 0: any. */
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
  /** Process ids by name: `nats-server`, `master-1`, `agent-1`, ...; without those that are down. */
  readonly pids: Readonly<Record<string, number>>
}

const fileIntervalMs = 250
/** Agents end their tasks first: grace period and some. */
const stopMs = 15_000
const brokerBackoffMs = 200
/** Answers to operators are not cut into pieces: room for the tasks of a busy day. */
const maxPayload = 8 * 1024 * 1024

export class LocalCluster {
  readonly #options: ClusterOptions
  readonly #children: SupervisedChild[] = []
  #broker: NatsServer | undefined
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
    if (this.#natsUrl === '') await this.#startBroker(this.#options.port)
    onChange(`broker       ${this.#natsUrl}`)
    for (const index of range(masters)) {
      await this.#startChild(`master-${index + 1}`, 'master', masterFlags())
    }
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

  async #startBroker(port: number): Promise<void> {
    const broker = await startBroker(port)
    this.#broker = broker
    this.#natsUrl = broker.url
    if (this.#stopped !== undefined) await broker.stop()
    void this.#watchBroker(broker)
  }

  /** Starts the broker again on its port when it dies. */
  async #watchBroker(broker: NatsServer): Promise<void> {
    let waitMs = brokerBackoffMs
    let current: NatsServer | undefined = broker
    for (;;) {
      if (current !== undefined) {
        await current.exited
        waitMs = brokerBackoffMs
      }
      if (this.#stopped !== undefined) return
      this.#options.onChange(`nats-server ended; it starts again in ${waitMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      if (this.#stopped !== undefined) return
      current = await startNatsServer({ port: broker.port, maxPayload }).catch(() => undefined)
      this.#broker = current
      waitMs = Math.min(waitMs * 2, 5000)
      // Stopped while it was starting: nobody else would end it.
      if (this.#stopped !== undefined) await current?.stop()
    }
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
    const pids: Record<string, number> = {}
    if (this.#broker !== undefined) pids['nats-server'] = this.#broker.pid
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

  /** Stops agents, masters, broker, in this order; nothing of them is left when it resolves. */
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
    await this.#broker?.stop()
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
    void this.#broker?.kill()
  }
}

/** A broker on the port, or on another if that is taken. */
async function startBroker(port: number): Promise<NatsServer> {
  if (port === 0) return startNatsServer({ maxPayload })
  try {
    return await startNatsServer({ port, maxPayload })
  } catch (error) {
    if (!(error instanceof NatsServerError) || error.code === 'NOT_FOUND') throw error
    return startNatsServer({ maxPayload })
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
