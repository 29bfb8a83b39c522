/**
 * The real allocator actor on a node of its own, with a stand-in for its master that takes allocations
 * and says how long a run over all agents took. The end of a run is told by an inverse offer: one agent
 * is in maintenance and in use, and its framework is asked for it at the end of every such run.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type AllocationOptions, allocator } from '../../actors/allocator/index.ts'
import {
  ActivateFramework,
  AddAgents,
  AddFramework,
  Allocation,
  type FrameworkOptions,
  InverseAllocation,
  RecoverResources,
  ReviveOffers,
  type Share,
  UpdateAgent,
  UpdateAllocation,
  UpdateInverseOffer,
} from '../../protocol/allocator.ts'
import type { Message, Payload } from '../../protocol/message.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { type Context, child, type Node, pid, startNode, table } from '../../src/runtime/index.ts'
import { systemClock, systemPorts } from '../../src/runtime/ports/index.ts'
import { memoryBroker } from '../../src/transport/memory.ts'
import { threadCpuMs } from './thread-cpu.ts'

export type NewAgent = Payload<typeof AddAgents>['agents'][number]

/** What one run gave, and how long it took from its being asked for. */
export interface Cycle {
  readonly shares: Share[]
  readonly ms: number
  /** CPU time of the whole process meanwhile, ms: steadier than `ms` on a busy machine. */
  readonly cpuMs: number
  /** Longest that another actor had to wait for its turn, garbage collection included. */
  readonly turnMsMax: number
  /** The most CPU time between two turns of other actors: as `turnMsMax` on an idle machine. */
  readonly turnCpuMsMax: number
}

export interface AllocatorWorld {
  readonly node: Node
  send<M extends Message>(message: M, body: Payload<M>): void
  /** As `send`, to an actor that does nothing with it: what the messages themselves cost. */
  waste<M extends Message>(message: M, body: Payload<M>): void
  /** Runs as one turn of the stand-in. */
  turn(run: (cx: Context) => void): void
  addFrameworks(frameworks: Iterable<FrameworkOptions>): Promise<void>
  /** Resolves with the time that it took, ms. */
  addAgents(agents: readonly NewAgent[]): Promise<number>
  /** A run over agents that come, and all others. */
  cycleWith(agents: readonly NewAgent[]): Promise<Cycle>
  /** A run over all agents. `begin` asks for it; by default in a way that changes nothing. */
  cycle(begin?: () => void): Promise<Cycle>
  /** Gives shares back, with a filter if it says for how many seconds. */
  giveBack(shares: readonly Share[], refuseSeconds?: number): Promise<void>
  /** Until all that was sent so far has been handled, and the runs that it called for are over. */
  handled(): Promise<void>
  stop(): Promise<void>
}

const to = pid('allocator', 'bench')
const idler = pid('idler', 'bench')
/** A framework whose activation asks for a run over all agents and changes nothing else. */
export const SENTINEL = 'sentinel'

const idle = table({
  label: 'idler',
  messages: [ReviveOffers, UpdateAgent, UpdateAllocation],
  init: () => undefined,
  handlers: { REVIVE_OFFERS() {}, UPDATE_AGENT() {}, UPDATE_ALLOCATION() {} },
})

interface Sink {
  shares: Share[]
  ended: () => void
}

export async function allocatorWorld(options: AllocationOptions = {}): Promise<AllocatorWorld> {
  const sink: Sink = { shares: [], ended: () => undefined }
  const master = table({
    label: 'master',
    messages: [Allocation, InverseAllocation],
    init: () => undefined,
    handlers: {
      ALLOCATION(_state, { shares }: Payload<typeof Allocation>, cx) {
        for (const share of shares) sink.shares.push(share)
        cx.reply({})
      },
      INVERSE_ALLOCATION() {
        sink.ended()
      },
    },
  })
  const node = await startNode({
    name: 'bench',
    ports: systemPorts({
      transport: memoryBroker({ clock: systemClock }).transport('bench'),
      log: { write() {} },
    }),
    // Runs are asked for, not waited for.
    children: [
      child(allocator({ allocationIntervalMs: 3600_000, ...options })),
      child({ id: 'master', behaviour: master, args: undefined }),
      child({ id: 'idler', behaviour: idle, args: undefined }),
    ],
  })
  const world: AllocatorWorld = {
    node,
    turn(run) {
      const cell = node.cell('master')!
      node.call(cell, () => run(cell))
    },
    send: (message, body) => world.turn((cx) => cx.send(to, message, body)),
    waste: (message, body) => world.turn((cx) => cx.send(idler, message, body)),
    async addFrameworks(frameworks) {
      world.turn((cx) => {
        for (const framework of frameworks) {
          cx.send(to, AddFramework, { framework, active: true, used: [] })
        }
      })
      await world.handled()
    },
    async addAgents(agents) {
      const start = performance.now()
      for (let at = 0; at < agents.length; at += 100) {
        world.send(AddAgents, { agents: agents.slice(at, at + 100) })
      }
      await world.handled()
      return performance.now() - start
    },
    async cycle(begin = () => world.send(ActivateFramework, { framework_id: SENTINEL })) {
      const inverse_offers = [{ framework_id: SENTINEL, agent_id: SENTINEL }]
      world.send(UpdateInverseOffer, { inverse_offers })
      await world.handled()
      sink.shares = []
      const turns = watchTurns()
      const times = await timed(
        () =>
          new Promise<void>((resolve) => {
            sink.ended = resolve
            begin()
          }),
      )
      return { shares: sink.shares, ...times, ...turns.stop() }
    },
    cycleWith: (agents) =>
      world.cycle(() => {
        for (let at = 0; at < agents.length; at += 100) {
          world.send(AddAgents, { agents: agents.slice(at, at + 100) })
        }
        world.send(ActivateFramework, { framework_id: SENTINEL })
      }),
    async giveBack(shares, refuseSeconds) {
      // A decline holds the offers of one event: hundreds.
      for (let at = 0; at < shares.length; at += 500) {
        const batch = { shares: shares.slice(at, at + 500), used: false }
        const filter = refuseSeconds === undefined ? {} : { refuse_seconds: refuseSeconds }
        world.send(RecoverResources, { ...batch, ...filter })
      }
      await world.handled()
    },
    async handled() {
      // A run that is under way has a timer for its next slice, beside that of the interval.
      const allocating = () => node.cell('allocator')!.timers > 1
      while (node.backlog > 0 || allocating()) await new Promise((resolve) => setImmediate(resolve))
    },
    stop: () => node.stop(),
  }
  await world.addFrameworks([framework(SENTINEL, [SENTINEL], { suppressed_roles: [SENTINEL] })])
  await world.addAgents([sentinel()])
  await world.handled()
  return world
}

/** An agent that its framework uses as a whole, in maintenance. */
function sentinel(): NewAgent {
  const total = [scalar('cpus', 1)]
  return {
    ...agent(SENTINEL, total, [
      { framework_id: SENTINEL, role: SENTINEL, agent_id: SENTINEL, resources: total },
    ]),
    unavailability: { start: { nanoseconds: 0 } },
  }
}

export function framework(
  framework_id: string,
  roles: string[],
  more: Partial<FrameworkOptions> = {},
): FrameworkOptions {
  return { framework_id, roles, suppressed_roles: [], capabilities: ['MULTI_ROLE'], ...more }
}

export function agent(agent_id: string, total: Resource[], used: Share[] = []): NewAgent {
  return { agent_id, hostname: agent_id, attributes: [], active: true, total, used }
}

export function scalar(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value } }
}

/** Ports from 31000 on: so many fragments of ten, each with ten others behind it. */
export function ports(fragments: number): Resource {
  const range = Array.from({ length: fragments }, (_, i) => ({
    begin: 31_000 + i * 20,
    end: 31_009 + i * 20,
  }))
  return { name: 'ports', type: 'RANGES', ranges: { range } }
}

export function portsUpTo(end: number): Resource {
  return { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 31_000, end }] } }
}

/** How long something takes, and the CPU time of the process meanwhile, ms. */
export async function timed(
  run: () => void | Promise<void>,
): Promise<{ readonly ms: number; readonly cpuMs: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await run()
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpuMs: (user + system) / 1000 }
}

/** Watches how long the event loop is kept from its next turn, and how long its thread works meanwhile. */
function watchTurns(): { stop(): Pick<Cycle, 'turnMsMax' | 'turnCpuMsMax'> } {
  let turnMsMax = 0
  let turnCpuMsMax = 0
  let last = performance.now()
  let lastCpu = threadCpuMs()
  let running = true
  const note = () => {
    const [now, cpu] = [performance.now(), threadCpuMs()]
    turnMsMax = Math.max(turnMsMax, now - last)
    turnCpuMsMax = Math.max(turnCpuMsMax, cpu - lastCpu)
    last = now
    lastCpu = cpu
  }
  const look = () => {
    note()
    if (running) setImmediate(look)
  }
  setImmediate(look)
  return {
    stop() {
      running = false
      // What has kept the loop since its last turn counts too.
      note()
      return { turnMsMax, turnCpuMsMax }
    },
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What is alive, once the timers and turns of a world that has ended have let go of it. */
export async function heapMiB(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 2 ** 20
}
