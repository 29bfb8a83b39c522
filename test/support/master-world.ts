/**
 * A world with one master, its registrar and allocator, and whatever agents and frameworks a test
 * scripts. Agents are probes on nodes of their own; frameworks and operators are plain connections to
 * the broker, as any client is.
 */
import Value from 'typebox/value'
import masterModule, { type MasterOptions } from '../../actors/master/index.ts'
import {
  type ApplyOperation,
  masterToAgent,
  OperationUpdate,
  Pong,
  RegisterAgent,
  ReregisterAgent,
  StatusUpdate,
} from '../../protocol/agent.ts'
import { decode, encode, type Format } from '../../protocol/codec.ts'
import type { Message, Payload } from '../../protocol/message.ts'
import type {
  AgentInfo,
  FrameworkInfo,
  OperationState,
  Resource,
  Task,
  TaskInfo,
  TaskState,
} from '../../protocol/v1/index.ts'
import { type Node, pid } from '../../src/runtime/index.ts'
import type { Connection, Subscription } from '../../src/runtime/ports.ts'
import { type Probe, type Received, type World, world } from './nodes.ts'
import { assert } from './suite.ts'

// biome-ignore lint/suspicious/noExplicitAny: documents of the wire, looked into by tests
export type Document = any

export const MASTER = pid('master', 'm')

export function scalar(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value } }
}

/** A task that runs a command on the agent of an offer. */
export function task(id: string, offer: Document, resources = [scalar('cpus', 1)]): TaskInfo {
  const command = { value: 'sleep 1000' }
  return { name: id, task_id: { value: id }, agent_id: offer.agent_id, command, resources }
}

export function launch(...task_infos: TaskInfo[]): Document {
  return { type: 'LAUNCH', launch: { task_infos } }
}

export interface MasterWorld {
  readonly world: World
  node: Node
  /** What the allocator was told, oldest first. */
  readonly told: Received[]
  agent(name: string, resources?: Resource[], more?: Partial<AgentInfo>): Promise<TestAgent>
  framework(info?: Partial<FrameworkInfo>, options?: FrameworkOptions): Promise<TestFramework>
  /** Asks the operator API. */
  operate(call: object, format?: Format): Promise<Document>
  /** Publishes any bytes as a request and returns the decoded answer. */
  request(subject: string, data: Uint8Array): Promise<Document>
  /** The master's process dies and starts again on the same host. */
  failOver(): Promise<void>
  stop(): Promise<void>
}

export interface FrameworkOptions {
  readonly format?: Format
  /** It never listens to events. */
  readonly deaf?: boolean
}

/** Starts a master that leads, with the real registrar and allocator. */
export async function masterWorld(options: Partial<MasterOptions> = {}): Promise<MasterWorld> {
  const w = world()
  const connections: Connection[] = []
  const told: Received[] = []
  let frameworks = 0

  async function startMaster(): Promise<Node> {
    const defaults = Value.Default(masterModule.options, { work_dir: '/m' }) as MasterOptions
    const context = { ports: w.ports('m'), cluster: 'meseta', node: 'm' }
    const children = await masterModule.children({ ...defaults, ...options }, context)
    const node = await w.start('m', { children })
    node.intercept(({ to, type, body, from }) => {
      if (to.startsWith('allocator@')) told.push({ type, body, from })
      return 'deliver'
    })
    await w.until(() => node.whereis('intake-operators') !== undefined)
    return node
  }

  async function connect(owner: string): Promise<Connection> {
    const connection = await w.run(w.broker.transport(owner).connect({ name: owner }))
    connections.push(connection)
    return connection
  }

  const operator = await connect('operator')
  let requests = 0

  const self: MasterWorld = {
    world: w,
    node: await startMaster(),
    told,
    async agent(name, resources = [scalar('cpus', 4), scalar('mem', 1024)], more = {}) {
      const agent = new TestAgent(self, await w.start(name), name, resources, more)
      await agent.begin()
      return agent
    },
    async framework(info = {}, { format = 'msgpack', deaf = false } = {}) {
      const connection = await connect(`framework-${++frameworks}`)
      const framework = new TestFramework(self, connection, format, deaf, {
        user: 'nobody',
        name: 'test',
        failover_timeout: 60,
        ...info,
      })
      await framework.subscribe()
      return framework
    },
    async operate(call, format = 'json') {
      return self.request('meseta.master.call', encode(call, format))
    },
    request: (subject, data) => ask(w, operator, `answer.${++requests}`, subject, data),
    async failOver() {
      await w.crash(self.node)
      self.node = await startMaster()
    },
    async stop() {
      for (const connection of connections) await w.run(connection.close())
      await w.stop()
    },
  }
  return self
}

async function ask(
  w: World,
  connection: Connection,
  inbox: string,
  subject: string,
  data: Uint8Array,
): Promise<Document> {
  let answer: Document
  const subscription = connection.subscribe(inbox, (delivery) => {
    answer = delivery.noResponders ? { noResponders: true } : documentOf(delivery.data)
  })
  connection.publish(subject, data, inbox)
  await w.until(() => answer !== undefined, 1000)
  subscription.close()
  return answer
}

function documentOf(data: Uint8Array): Document {
  const decoded = decode(data)
  if (!decoded.ok) throw new Error(decoded.error)
  return decoded.value.value
}

/** An agent that answers pings and does what the test says. */
export class TestAgent {
  readonly master: MasterWorld
  readonly name: string
  readonly resources: Resource[]
  readonly more: Partial<AgentInfo>
  readonly node: Node
  probe!: Probe
  id = ''
  /** Of its next report. */
  resourceVersion = 'v1'
  #serial = 0

  constructor(
    master: MasterWorld,
    node: Node,
    name: string,
    resources: Resource[],
    more: Partial<AgentInfo> = {},
  ) {
    this.master = master
    this.node = node
    this.name = name
    this.resources = resources
    this.more = more
  }

  get info() {
    const { name: hostname, resources, id: value } = this
    return { hostname, resources, ...this.more, ...(value !== '' && { id: { value } }) }
  }

  /** A new life of the agent's actor, which registers. */
  async begin(): Promise<void> {
    await this.start()
    const outcome = await this.register()
    assert.ok(outcome.ok, `agent ${this.name} was not admitted`)
    if (outcome.ok) this.id = outcome.value.agent_id.value
  }

  async start(): Promise<void> {
    this.probe = await this.master.world.probe(this.node, `agent-${++this.#serial}`)
  }

  register() {
    const body = { agent_info: this.info, version: '0.1.0', resource_version: this.resourceVersion }
    return this.probe.ask(MASTER, RegisterAgent, body)
  }

  /** Says how an operation ended that it was sent. */
  async finish(
    sent: Payload<typeof ApplyOperation>,
    state: OperationState = 'OPERATION_FINISHED',
  ): Promise<void> {
    const { framework_id, operation_uuid, operation_id } = sent
    const uuid = { value: new Uint8Array(16).fill(9) }
    await this.probe.send(MASTER, OperationUpdate, {
      ...(framework_id !== undefined && { framework_id }),
      operation_uuid,
      ...(operation_id !== undefined && { operation_id }),
      status: { ...(operation_id !== undefined && { operation_id }), state, uuid },
    })
    await this.master.world.settle()
  }

  /** Repeated, as agents do: a request under way when a master's new life is noticed fails. */
  async reregister(
    tasks: Task[] = [],
    frameworks: FrameworkInfo[] = [],
    executors: Payload<typeof ReregisterAgent>['executors'] = [],
    more: Partial<Payload<typeof ReregisterAgent>> = {},
  ) {
    const { info: agent_info, resourceVersion: resource_version } = this
    const work = { tasks, executors, frameworks }
    const body = { agent_info, version: '0.1.0', resource_version, ...work, ...more }
    const ask = () => this.probe.ask(MASTER, ReregisterAgent, body, { timeoutMs: 1000 })
    const first = await ask()
    return first.ok || first.error.code !== 'DISCONNECTED' ? first : ask()
  }

  /** What it was told, of one kind; every body passes its declared check. */
  got<M extends Message>(message: M): Payload<M>[] {
    const bodies = this.probe.received
      .filter(({ type }) => type === message.name)
      .map(({ body }) => body)
    for (const body of bodies) assert.is(message.check(body), undefined)
    return bodies as Payload<M>[]
  }

  /** The names of all commands, in order, pings left out. */
  get commands(): string[] {
    const names = new Set<string>(masterToAgent.map(({ name }) => name))
    return this.probe.received
      .map(({ type }) => type)
      .filter((type) => names.has(type) && type !== 'PING')
  }

  async update(
    framework: TestFramework,
    taskId: string,
    state: TaskState,
    options: { latest?: TaskState; uuid?: number } = {},
  ): Promise<void> {
    const uuid = new Uint8Array(16).fill(options.uuid ?? 1)
    const status = { task_id: { value: taskId }, state, uuid, source: 'SOURCE_EXECUTOR' } as const
    await this.probe.send(MASTER, StatusUpdate, {
      framework_id: { value: framework.id },
      status,
      latest_state: options.latest ?? state,
    })
    await this.master.world.settle()
  }

  async pong(): Promise<void> {
    await this.probe.send(MASTER, Pong, {})
  }

  /** Its process ends: everybody linked with it is told. */
  async die(): Promise<void> {
    await this.probe.turn((cx) => cx.stop())
    await this.master.world.settle()
  }
}

/** A framework that speaks the wire protocol. */
export class TestFramework {
  readonly master: MasterWorld
  readonly connection: Connection
  readonly format: Format
  readonly deaf: boolean
  info: FrameworkInfo
  id = ''
  streamId = ''
  /** Answer to the last SUBSCRIBE. */
  answer: Document
  /** Events of all streams, oldest first. */
  events: Document[] = []
  /** Ids of offers that it has answered. */
  readonly #answered = new Set<string>()
  #requests = 0
  #listening: Subscription | undefined

  constructor(
    master: MasterWorld,
    connection: Connection,
    format: Format,
    deaf: boolean,
    info: FrameworkInfo,
  ) {
    this.master = master
    this.connection = connection
    this.format = format
    this.deaf = deaf
    this.info = info
    if (info.id !== undefined) this.listen(info.id.value)
  }

  listen(id: string): void {
    if (this.deaf) return
    this.id = id
    this.#listening = this.connection.subscribe(`meseta.framework.${id}.event`, ({ data }) =>
      this.events.push(documentOf(data)),
    )
  }

  /** Hears nothing until it listens again. */
  async stopListening(): Promise<void> {
    this.#listening?.close()
    await this.connection.flush()
    await this.master.world.settle()
  }

  /** Subscribes and, if that succeeds, listens. */
  async subscribe(more: object = {}): Promise<Document> {
    const { id } = this.info
    this.answer = await this.raw(id?.value ?? 'new', {
      type: 'SUBSCRIBE',
      ...(id !== undefined && { framework_id: id }),
      subscribe: { framework_info: this.info, ...more },
    })
    if (this.answer.error !== undefined) return this.answer
    this.streamId = this.answer.stream_id
    const value = this.answer.framework_id.value
    if (id === undefined) {
      this.info = { ...this.info, id: { value } }
      this.listen(value)
    }
    this.id = value
    if (!this.deaf) {
      await this.master.world.until(() => this.of('HEARTBEAT').length > 0, 10_000)
    }
    return this.answer
  }

  /** Any call on the subject of any framework. */
  raw(subjectId: string, call: object): Promise<Document> {
    const subject = `meseta.framework.${subjectId}.call`
    const inbox = `answers.${this.connection.maxPayload}.${this.info.name}.${++this.#requests}`
    return ask(this.master.world, this.connection, inbox, subject, encode(call, this.format))
  }

  call(type: string, payload: Document = {}): Promise<Document> {
    const { offer_ids = [] } = payload.accept ?? payload.decline ?? {}
    for (const { value } of offer_ids) this.#answered.add(value)
    const call = { type, framework_id: { value: this.id }, ...payload }
    return this.raw(this.id, call)
  }

  /** Events of one type in the present stream. */
  of(type: string): Document[] {
    return this.events.filter((event) => event.type === type && event.stream_id === this.streamId)
  }

  get updates(): Document[] {
    return this.of('UPDATE').map((event) => event.update.status)
  }

  /** State and reason of all updates, as `TASK_LOST/REASON_AGENT_REMOVED`. */
  get fates(): string[] {
    return this.updates.map(({ state, reason }) => (reason ? `${state}/${reason}` : state))
  }

  /** Offers that were made, not rescinded and not answered. */
  get offers(): Document[] {
    const rescinded = new Set(this.of('RESCIND').map(({ rescind }) => rescind.offer_id.value))
    return this.of('OFFERS')
      .flatMap(({ offers }) => offers.offers)
      .filter(({ id }) => !rescinded.has(id.value) && !this.#answered.has(id.value))
  }

  /** Waits for an offer, which must come within two rounds of allocation. */
  async offer(): Promise<Document> {
    const before = this.offers.length
    if (before === 0) await this.master.world.until(() => this.offers.length > 0, 3000)
    return this.offers.at(-1)
  }

  accept(offer: Document, operations: Document[] = [], refuse_seconds = 0): Promise<Document> {
    const accept = { offer_ids: [offer.id], operations, filters: { refuse_seconds } }
    return this.call('ACCEPT', { accept })
  }

  /** Nobody listens any more, and nobody says so. */
  async leave(): Promise<void> {
    await this.master.world.run(this.connection.close())
  }
}
