/**
 * A cluster without a broker: all nodes in this process, on the in-memory network. For machines on which
 * no nats-server can be had; nobody outside can reach it.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { MasterAgents } from '../../../protocol/operator.ts'
import type { Node, Ports } from '../../runtime/index.ts'
import { systemClock, systemPorts } from '../../runtime/ports/index.ts'
import { pinoLog } from '../../runtime/ports/pino-log.ts'
import type { LogLevel } from '../../runtime/ports.ts'
import { memoryBroker } from '../../transport/memory.ts'
import { type ClusterClient, connectCluster } from '../connection.ts'
import { childrenOf, hostModule } from '../host.ts'
import { loadModule } from '../modules.ts'
import { resolveSettings, section } from '../settings.ts'
import type { ClusterOptions } from './cluster.ts'
import { killProcessesIn } from './leftovers.ts'
import { awaitAgents } from './ready.ts'
import { agentFlags, masterFlags, masterNames } from './shares.ts'

/** What `up` needs of a cluster, wherever its nodes are. */
export class InProcessCluster {
  readonly #options: ClusterOptions
  readonly #broker = memoryBroker({ clock: systemClock })
  readonly #nodes: Array<{ readonly node: Node; readonly ports: Ports }> = []
  #logFile: number | undefined
  #stopped: Promise<void> | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  /** Starts everything and resolves with the agents when all have registered. */
  async start(): Promise<MasterAgents> {
    const { workDirectory, masters, agents, onChange } = this.#options
    mkdirSync(join(workDirectory, 'logs'), { recursive: true })
    this.#logFile = openSync(join(workDirectory, 'logs', 'nodes.log'), 'a')
    const names = masterNames(masters)
    await Promise.all(names.map((name) => this.#host('master', name, masterFlags(names))))
    const machine = { cpus: availableParallelism(), memoryMb: totalmem() / 2 ** 20 }
    for (let index = 0; index < agents; index++) {
      const flags = agentFlags(machine, index, agents, this.#options.resources)
      await this.#host('agent', `agent-${index + 1}`, flags)
    }
    onChange(`${masters} masters and ${agents} agents in this process`)
    const client = await this.connect()
    try {
      const logs = join(workDirectory, 'logs')
      return await awaitAgents(client, agents, logs, () => this.#stopped !== undefined)
    } finally {
      await client.close()
    }
  }

  async #host(
    moduleName: string,
    name: string,
    flags: ReadonlyArray<readonly [string, string]>,
  ): Promise<void> {
    const { cluster, workDirectory } = this.#options
    const module = await loadModule(moduleName)
    const options = resolveSettings(section(module.name, module.options), {
      flags: new Map([['--work-dir', join(workDirectory, name)], ...flags]),
      env: {},
      file: undefined,
    })
    const ports = this.ports(name)
    const hosting = { module, options, name, cluster, ports }
    const { node } = await hostModule(hosting, await childrenOf(hosting))
    this.#nodes.push({ node, ports })
  }

  /** The real ports of this machine, but the in-memory network. */
  ports(owner: string): ReturnType<typeof systemPorts> {
    const level = this.#options.logLevel as LogLevel
    const log = pinoLog({ level, fd: this.#logFile ?? 2, base: { node: owner } })
    return systemPorts({ transport: this.#broker.transport(owner), log })
  }

  connect(): Promise<ClusterClient> {
    const { cluster } = this.#options
    const options = { nats_url: '', nats_credentials: '', cluster, request_timeout_ms: 2000 }
    return connectCluster(options, this.#broker.transport('command'))
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    for (const { node } of this.#nodes.reverse()) await node.stop()
    killProcessesIn(this.#options.workDirectory)
    if (this.#logFile !== undefined) closeSync(this.#logFile)
  }

  kill(): void {
    killProcessesIn(this.#options.workDirectory)
  }
}
