import Value from 'typebox/value'
import agentModule, { type AgentOptions } from '../../actors/agent/index.ts'
import {
  AcknowledgeOperation,
  ApplyOperation,
  type OperationUpdate,
  type ReregisterAgent,
  type RunTasks,
} from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import { formatResources, resources } from '../../src/resources/index.ts'
import type { Node } from '../../src/runtime/index.ts'
import { sumKey } from '../../src/storage/sealed-store.ts'
import { type World, type WorldOptions, world } from './nodes.ts'
import { type ScriptedMaster, scriptedMaster } from './scripted-master.ts'

/** One agent with real parts in memory, and a master that sends it what the test says. */
export class AgentLab {
  readonly world: World
  readonly master: ScriptedMaster
  readonly node: Node
  agent!: Node
  #uuid = 0

  #options: Partial<AgentOptions> = {}

  static async start(
    options: Partial<AgentOptions> = {},
    worldOptions: WorldOptions = {},
  ): Promise<AgentLab> {
    const w = world(worldOptions)
    const master = scriptedMaster()
    const lab = new AgentLab(w, master, await w.start('m', { children: [master.spec] }))
    lab.#options = options
    await lab.startAgent()
    return lab
  }

  private constructor(w: World, master: ScriptedMaster, node: Node) {
    this.world = w
    this.master = master
    this.node = node
  }

  /** Starts the agent and waits until it has registered. */
  async startAgent(more: Partial<AgentOptions> = {}): Promise<void> {
    this.master.agents.clear()
    await this.boot(more)
    await this.world.until(() => this.master.agents.size > 0, 10_000)
    await this.world.settle()
  }

  /** Starts the agent's node, and no more. */
  async boot(more: Partial<AgentOptions> = {}): Promise<void> {
    const ports = this.world.ports('a')
    const given = {
      work_dir: '/a',
      resources: 'cpus:4;mem:1024;disk:1000',
      ...this.#options,
      ...more,
    }
    const options = Value.Default(agentModule.options, given) as AgentOptions
    const context = { ports, cluster: 'meseta', node: 'a' }
    const children = await this.world.run(Promise.resolve(agentModule.children(options, context)))
    this.agent = await this.world.start('a', { children })
  }

  /** kill -9 and a new start on the same disk. */
  async restart(): Promise<void> {
    await this.world.crash(this.agent)
    await this.startAgent()
  }

  /** The host goes down with all that runs on it, and the agent is started again. */
  async reboot(more: Partial<AgentOptions> = {}): Promise<void> {
    await this.world.crash(this.agent)
    this.world.ports('a').crashHost()
    await this.startAgent(more)
  }

  /** Launches tasks and settles; those without a script run until they are killed. */
  async run(tasks: readonly TaskInfo[], rest: Partial<Payload<typeof RunTasks>> = {}) {
    this.master.run(this.node, tasks, rest)
    await this.world.settle()
  }

  /** Commands of the tasks and executors that live now. */
  get alive(): string[] {
    const { processes } = this.world.ports('a')
    return processes.running().map(({ options: { args } }) => args.at(-1) ?? '')
  }

  /** State and reason of the last status of a task that the master heard. */
  outcome(task: string): [state?: string, reason?: string] {
    const status = this.master.lastStatus(task)
    return status === undefined ? [] : [status.state, status.reason ?? '']
  }

  /** Version of the agent's last report. */
  get version(): string {
    return this.report().resource_version ?? ''
  }

  report(): Payload<typeof ReregisterAgent> {
    const types = ['REGISTER_AGENT', 'REREGISTER_AGENT', 'UPDATE_RESOURCES']
    const last = this.master.heard.findLast(({ type }) => types.includes(type))
    return last?.body as Payload<typeof ReregisterAgent>
  }

  /** Keys of what it keeps in its store. */
  get kept(): string[] {
    const keys = this.world.ports('a').storage.contents('/a/meta').keys()
    return [...keys].filter((key) => key !== sumKey).sort()
  }

  /** The agent's total as it reports it, as text. */
  get total(): string {
    return formatResources(resources(this.report().total_resources ?? []))
  }

  /** Sends an operation; returns its uuid. */
  apply(info: OfferOperation, version = this.version): Uint8Array {
    const value = new Uint8Array(16).fill(++this.#uuid)
    this.master.send(this.node, ApplyOperation, {
      epoch: 1,
      framework_id: { value: 'F1' },
      operation_uuid: { value },
      operation_id: { value: `op-${this.#uuid}` },
      info,
      resource_version: version,
    })
    return value
  }

  async done(info: OfferOperation): Promise<void> {
    this.apply(info)
    await this.world.settle()
  }

  updates(): Payload<typeof OperationUpdate>[] {
    return this.of<Payload<typeof OperationUpdate>>('OPERATION_UPDATE')
  }

  get states(): string[] {
    return this.updates().map(
      ({ operation_id, status }) => `${operation_id?.value} ${status.state}`,
    )
  }

  of<T>(wanted: string): T[] {
    return this.master.heard.filter(({ type }) => type === wanted).map(({ body }) => body as T)
  }

  acknowledge({ operation_uuid, status }: Payload<typeof OperationUpdate>): void {
    const status_uuid = status.uuid!
    this.master.send(this.node, AcknowledgeOperation, { epoch: 1, operation_uuid, status_uuid })
  }

  async exists(path: string): Promise<boolean> {
    return (await this.world.run(this.world.ports('a').disk.stat(path))) !== undefined
  }
}
