/**
 * A replicated log on nodes in memory, for tests: nodes that crash, disks that vanish or are tampered with,
 * and what a client does with the log. Nodes are called a, b, c, ...
 */
import { log } from '../../actors/log/index.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import { Append, CatchUp, Elect, Positions, Read } from '../../protocol/log.ts'
import { type ChildSpec, type Node, pid, type StoreOperation } from '../../src/runtime/index.ts'
import { type Probe, type World, world } from './nodes.ts'
import { assert } from './suite.ts'

export const PATH = '/log'

export interface Cluster {
  readonly w: World
  readonly names: readonly string[]
  readonly nodes: Map<string, Node>
  probe(name: string): Promise<Probe>
  start(name: string): Promise<void>
  crash(name: string): Promise<void>
  /** Crashes a node and takes its store away. */
  wipe(name: string): Promise<void>
  /** Changes what is stored while the node is down. */
  tamper(name: string, operations: readonly StoreOperation[]): Promise<void>
  positions(name: string): Promise<{ status: string; begin: number; learned: number; end: number }>
  untilStatus(name: string, status: string): Promise<void>
}

export async function cluster(
  size: number,
  options: {
    readonly autoInitialize?: boolean
    readonly leaseMs?: number
    readonly seed?: number
    /** What else runs on a node. */
    readonly beside?: (node: string) => readonly ChildSpec[]
  } = {},
): Promise<Cluster> {
  const w = world({ seed: options.seed ?? 1 })
  const names = ['a', 'b', 'c', 'd', 'e'].slice(0, size)
  const nodes = new Map<string, Node>()
  const paths = new Map(names.map((name) => [name, PATH]))
  const c: Cluster = {
    w,
    names,
    nodes,
    async start(name) {
      const { autoInitialize = true, leaseMs = 0 } = options
      const path = paths.get(name) as string
      const replica = log({ path, node: name, replicas: names, autoInitialize, leaseMs })
      const children = [replica, ...(options.beside?.(name) ?? [])]
      nodes.set(name, await w.start(name, { children }))
    },
    probe: (name) => w.probe(nodes.get(name) as Node),
    async crash(name) {
      await w.crash(nodes.get(name) as Node)
      nodes.delete(name)
    },
    async wipe(name) {
      await c.crash(name)
      paths.set(name, `${paths.get(name)}-new`)
    },
    async tamper(name, operations) {
      const store = await w.ports(name).storage.open(paths.get(name) as string)
      await w.run(store.commit(operations))
      await store.close()
    },
    async positions(name) {
      const outcome = await (await c.probe(name)).ask(pid('log', name), Positions, {})
      return outcome.ok
        ? outcome.value
        : { status: outcome.error.code, begin: -1, learned: -1, end: -1 }
    },
    async untilStatus(name, status) {
      for (let i = 0; i < 100; i++) {
        if ((await c.positions(name)).status === status) return
        await w.advance(200)
      }
      throw new Error(`${name} is not ${status}: ${JSON.stringify(await c.positions(name))}`)
    },
  }
  for (const name of names) await c.start(name)
  if (options.autoInitialize !== false)
    for (const name of names) await c.untilStatus(name, 'VOTING')
  return c
}

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** Has the probe elected; tries again as an owner would. */
export async function elect(c: Cluster, probe: Probe, name: string): Promise<number> {
  for (let i = 0; i < 20; i++) {
    const outcome = await probe.ask(pid('log-writer', name), Elect, {}, { timeoutMs: 60_000 })
    if (outcome.ok) return outcome.value.epoch
    assert.is(outcome.error.code, 'LOG_NOT_ELECTED')
    await c.w.advance(150)
  }
  throw new Error(`${name} is never elected`)
}

export async function append(probe: Probe, name: string, epoch: number, what: string) {
  const options = { timeoutMs: 50_000 }
  return probe.ask(pid('log-writer', name), Append, { epoch, data: bytes(what) }, options)
}

/** Sends many appends in one turn; resolves with the outcomes in the order of sending. */
export async function appendAll(
  c: Cluster,
  probe: Probe,
  name: string,
  epoch: number,
  items: string[],
) {
  const positions: Array<number | string> = []
  let ended = 0
  await probe.turn((cx) => {
    for (const [i, item] of items.entries()) {
      const body = { epoch, data: bytes(item) }
      cx.ask(pid('log-writer', name), Append, body, { timeoutMs: 50_000 }, (outcome) => {
        positions[i] = outcome.ok ? outcome.value.position : outcome.error.code
        ended++
      })
    }
  })
  await c.w.until(() => ended === items.length)
  return positions
}

/** All entries from the beginning that a node can read after having caught up. */
export async function contents(c: Cluster, name: string): Promise<string[]> {
  const probe = await c.probe(name)
  const caught = await probe.ask(pid('log', name), CatchUp, {}, { timeoutMs: 50_000 })
  assert.ok(caught.ok, JSON.stringify(caught))
  const { begin, learned } = await c.positions(name)
  const entries: string[] = []
  for (let next = begin; next <= learned; ) {
    const part = await probe.ask(pid('log', name), Read, { from: next, to: learned })
    if (!part.ok) throw new Error(part.error.message)
    entries.push(...part.value.entries.map(({ data }) => text(data)))
    next = part.value.next
  }
  return entries
}

/** What a replica that is watched by nobody knows of its own disk. */
export function generationOf(c: Cluster, name: string): number {
  const snapshot = c.nodes.get(name)?.cell('log')?.snapshot as unknown as {
    readonly context: { readonly state: ReplicaState }
  }
  return snapshot.context.state.replica.generations[name] ?? 0
}

export const numbered = (count: number, prefix = 'x') =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)
