/**
 * A world: nodes with in-memory ports on one virtual clock and one in-memory broker. For all tests of
 * actors. A world is torn down with `stop`, which fails if anything of an actor is left (timers,
 * deferred turns, cells): rules S1 and S4 of spec/simulation.md §9.
 *
 * @example
 * const w = world()
 * const node = await w.start('a', { children: [counter()] })
 * const probe = await w.probe(node)
 * const outcome = await probe.ask(pid('counter', 'a'), Increment, { by: 2 })
 * await w.stop()
 */
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import type { Behaviour, Context, Outcome } from '../../src/runtime/index.ts'
import { type Node, type NodeOptions, type Pid, pid, startNode } from '../../src/runtime/index.ts'
import {
  type MemoryPorts,
  type MemoryPortsOptions,
  memoryPorts,
  type Seed,
  type VirtualClock,
  virtualClock,
} from '../../src/runtime/ports/index.ts'
import type { LogLine } from '../../src/runtime/ports/memory-log.ts'
import {
  type MemoryBroker,
  type MemoryBrokerOptions,
  memoryBroker,
} from '../../src/transport/memory.ts'
import { assert } from './suite.ts'

export interface WorldOptions {
  /** Decides everything random. Default 1. */
  readonly seed?: Seed
  readonly broker?: Partial<Omit<MemoryBrokerOptions, 'clock'>>
}

export type WorldNodeOptions = Partial<Omit<NodeOptions, 'name'>> & {
  /** Facts of its host, where this is the host's first node. */
  readonly host?: MemoryPortsOptions['host']
}

/** One message as a probe got it. */
export interface Received {
  /** The message's name; `@exit` and `@down` for notices. */
  readonly type: string
  readonly body: unknown
  readonly from: Pid
}

/** An actor in the test's hands. It traps exits and records whatever it is sent. */
export interface Probe {
  readonly pid: Pid
  readonly received: Received[]
  /** What it answers to requests, by the message's name; others stay unanswered. */
  readonly answers: Map<string, object>
  /** Takes what was received so far, or only messages of one name. */
  take(type?: string): Received[]
  /** Runs a function as a turn of the probe and settles. */
  turn<T>(run: (cx: Context) => T): Promise<T>
  send<M extends Message>(to: Pid, message: M, body: Payload<M>): Promise<void>
  /** Sends a request and moves time on until it has ended. Fails after `limitMs` (default 60,000). */
  ask<M extends Message>(
    to: Pid,
    message: M,
    body: Payload<M>,
    options?: { readonly timeoutMs?: number; readonly limitMs?: number },
  ): Promise<Outcome<Reply<M>>>
}

export interface World {
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  /** Ports of the host called `name`, made at the first call. They outlive its nodes. */
  ports(name: string): MemoryPorts
  /** Starts a node and settles. After `crash` the same name starts again on the same host. */
  start(name: string, options?: WorldNodeOptions): Promise<Node>
  /** Kills a node's process: it says nothing to anyone. */
  crash(node: Node): Promise<void>
  /** Adds a probe under the node's root. */
  probe(node: Node, id?: string): Promise<Probe>
  advance(ms: number): Promise<void>
  settle(): Promise<void>
  /** Moves time on until the condition holds; fails after `limitMs` (default 60,000). */
  until(condition: () => boolean, limitMs?: number): Promise<void>
  /** Moves time on until the promise has settled, and returns what it did. */
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T>
  /** Log lines of a node's host that are warnings or worse. */
  troubles(name: string): readonly LogLine[]
  /** Stops all nodes that still run, and fails if anything is left behind. */
  stop(): Promise<void>
}

/** Makes an empty world. */
export function world(options: WorldOptions = {}): World {
  const seed = options.seed ?? 1
  const clock = virtualClock()
  const broker = memoryBroker({ ...options.broker, clock })
  const hosts = new Map<string, MemoryPorts>()
  const running = new Set<Node>()
  let probes = 0

  const self: World = {
    clock,
    broker,
    ports: (name) => hostOf(name),
    async start(name, { host, ports, ...rest } = {}) {
      const node = await self.run(startNode({ ...rest, name, ports: ports ?? hostOf(name, host) }))
      running.add(node)
      await clock.settle()
      return node
    },
    async crash(node) {
      node.crash()
      running.delete(node)
      hosts.get(node.name)?.endProcess()
      await clock.settle()
    },
    async probe(node, id = `probe-${++probes}`) {
      const probe = new ProbeActor(self, node, id)
      await clock.settle()
      assert.ok(probe.started, `the probe ${id} did not start`)
      return probe
    },
    advance: (ms) => clock.advance(ms),
    settle: () => clock.settle(),
    until: (condition, limitMs = 60_000) => clock.advanceUntil(condition, limitMs),
    async run(promise, limitMs = 60_000) {
      let settled = false
      const note = () => {
        settled = true
      }
      promise.then(note, note)
      await clock.advanceUntil(() => settled, limitMs)
      return promise
    },
    troubles: (name) =>
      hostOf(name).log.lines.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level)),
    async stop() {
      for (const node of running) {
        await self.run(node.stop())
        assert.equal(
          [...node.cells()].map(({ id }) => id),
          [],
          `actors left on ${node.name}`,
        )
      }
      running.clear()
      await clock.settle()
      assert.equal(clock.pending(), { timers: 0, deferred: 0 }, 'left on the clock')
    },
  }

  function hostOf(name: string, host?: MemoryPortsOptions['host']): MemoryPorts {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const ports = memoryPorts({
      clock,
      seed,
      broker,
      name,
      ...(host === undefined ? {} : { host }),
    })
    hosts.set(name, ports)
    return ports
  }

  return self
}

/** What a probe's behaviour hands over when it starts. */
interface ProbeArgs {
  readonly probe: ProbeActor
}

class ProbeActor implements Probe {
  readonly pid: Pid
  readonly received: Received[] = []
  readonly answers = new Map<string, object>()
  started = false
  readonly #world: World
  readonly #node: Node
  #cx: Context | undefined

  constructor(world: World, node: Node, id: string) {
    this.#world = world
    this.#node = node
    const root = node.cell('root')
    if (root === undefined) throw new Error(`${node.name} has no root: it is not running`)
    this.pid = pid(id, node.name)
    // The root spawns it as a child that it does not supervise: never restarted, stopped with the rest.
    node.call(root, () => root.spawn({ id, behaviour: probeBehaviour, args: { probe: this } }))
  }

  begin(cx: Context): void {
    this.#cx = cx
    this.started = true
  }

  receive(one: Received): void {
    this.received.push(one)
    const answer = this.answers.get(one.type)
    if (answer !== undefined) this.#cx?.reply(answer)
  }

  take(type?: string): Received[] {
    const taken = this.received.filter((one) => type === undefined || one.type === type)
    const left = this.received.filter((one) => !taken.includes(one))
    this.received.length = 0
    this.received.push(...left)
    return taken
  }

  async turn<T>(run: (cx: Context) => T): Promise<T> {
    const cx = this.#cx as Context
    const cell = this.#node.registry.find(cx.self)
    if (cell === undefined) throw new Error(`the probe ${cx.id} is dead`)
    let result: { readonly value: T } | undefined
    this.#node.call(cell, () => {
      result = { value: run(cx) }
    })
    await this.#world.settle()
    if (result === undefined) throw new Error(`the turn of probe ${cx.id} did not run or threw`)
    return result.value
  }

  async send<M extends Message>(to: Pid, message: M, body: Payload<M>): Promise<void> {
    await this.turn((cx) => cx.send(to, message, body))
  }

  async ask<M extends Message>(
    to: Pid,
    message: M,
    body: Payload<M>,
    { limitMs, ...options }: { readonly timeoutMs?: number; readonly limitMs?: number } = {},
  ): Promise<Outcome<Reply<M>>> {
    let outcome: Outcome<Reply<M>> | undefined
    await this.turn((cx) =>
      cx.ask(to, message, body, options, (ended) => {
        outcome = ended
      }),
    )
    await this.#world.until(() => outcome !== undefined, limitMs)
    return outcome as Outcome<Reply<M>>
  }
}

/** Records everything but the turns that the test runs. */
const probeBehaviour: Behaviour<ProbeArgs> = {
  label: 'probe',
  traps: true,
  graceful: false,
  terminate: undefined,
  logic: {
    getInitialSnapshot(_scope, { cx, args }) {
      args.probe.begin(cx)
      return { status: 'active', output: undefined, error: undefined, probe: args.probe }
    },
    transition(snapshot, { type, body, from }: Received) {
      if (type === '@call') (body as () => void)()
      else (snapshot.probe as ProbeActor).receive({ type, body, from })
      return snapshot
    },
    getPersistedSnapshot: (snapshot) => snapshot,
  },
}
