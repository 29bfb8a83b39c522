/** Election on in-memory nodes: who leads, from when on, and until when. Spec: replicated-log.md §15. */
import { election } from '../../actors/election/index.ts'
import { log } from '../../actors/log/index.ts'
import { Elected } from '../../protocol/election.ts'
import { Elect } from '../../protocol/log.ts'
import { child, type Node, pid, supervisor, table } from '../../src/runtime/index.ts'
import { Crash } from '../support/actors.ts'
import { type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('election')
const LEASE_MS = 2_000
const FENCE = 'leadership'

interface Reign {
  readonly node: string
  readonly epoch: number
  readonly fromMs: number
  /** When it last did something as the leader. */
  lastMs: number
}

interface Masters {
  readonly w: World
  readonly nodes: Map<string, Node>
  /** In the order of their beginning. */
  readonly reigns: Reign[]
  start(name: string): Promise<void>
  crash(name: string): Promise<void>
  /** Waits for the `n`th reign. */
  reign(n: number, limitMs?: number): Promise<Reign>
}

/** Nodes with a log, an election, and a leader that acts every 10 ms as long as it may. */
async function masters(size: number, seed = 1, latencyMs = () => 0): Promise<Masters> {
  const w = world({ seed, broker: { latencyMs } })
  const names = ['a', 'b', 'c'].slice(0, size)
  const nodes = new Map<string, Node>()
  const reigns: Reign[] = []
  const leader = (node: string) =>
    child({
      id: 'leader',
      args: undefined,
      restart: 'permanent',
      fence: FENCE,
      behaviour: table<undefined, readonly [typeof Elected, typeof Crash]>({
        label: 'leader',
        messages: [Elected, Crash],
        init: () => undefined,
        handlers: {
          ELECTED(_state, { epoch }, cx) {
            const reign = { node, epoch, fromMs: cx.monotonic(), lastMs: cx.monotonic() }
            reigns.push(reign)
            const act = () => {
              reign.lastMs = cx.monotonic()
              cx.after('act', 10, act)
            }
            act()
          },
          CRASH(_state, { why }) {
            throw new Error(why)
          },
        },
      }),
    })
  const m: Masters = {
    w,
    nodes,
    reigns,
    async start(name) {
      const children = [
        log({ path: '/log', node: name, replicas: names, leaseMs: LEASE_MS }),
        supervisor(
          'leadership',
          [
            election({ node: name, leaseMs: LEASE_MS, leader: pid('leader', name), fence: FENCE }),
            leader(name),
          ],
          { strategy: 'one_for_all', intensity: 100, periodMs: 1_000 },
        ),
      ]
      nodes.set(name, await w.start(name, { children }))
    },
    async crash(name) {
      await w.crash(nodes.get(name) as Node)
      nodes.delete(name)
    },
    async reign(n, limitMs = 20_000) {
      await w.until(() => reigns.length >= n, limitMs)
      return reigns[n - 1] as Reign
    },
  }
  await Promise.all(names.map((name) => m.start(name)))
  return m
}

/** No two act at the same time, and whoever comes later has the higher epoch. */
function assertExclusive({ reigns }: Masters): void {
  for (const [i, reign] of reigns.entries()) {
    const next = reigns[i + 1]
    if (next === undefined) return
    assert.ok(
      reign.lastMs <= next.fromMs,
      `${reign.node} acts at ${reign.lastMs}, ${next.node} leads from ${next.fromMs} on`,
    )
    assert.ok(reign.epoch < next.epoch)
  }
}

test('one of three leads, and stays the leader', async () => {
  const m = await masters(3)
  await m.reign(1)
  await m.w.advance(60_000)
  assert.is(m.reigns.length, 1)
  assert.ok(m.reigns[0]!.lastMs > 60_000, 'it acts all the time')
  await m.w.stop()
})

test('a single master leads at once, also after a restart', async () => {
  const m = await masters(1)
  await m.reign(1, 300)
  await m.w.advance(1_000)
  await m.crash('a')
  const before = m.w.clock.monotonic()
  await m.start('a')
  const second = await m.reign(2)
  assert.ok(second.fromMs - before < 300, 'nobody else could hold a lease')
  await m.w.stop()
})

test('a leader that is gone is replaced when its lease has ended, and not before', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const m = await masters(3, seed)
    const first = await m.reign(1)
    await m.w.advance(5_000)
    const diedMs = m.w.clock.monotonic()
    await m.crash(first.node)
    const second = await m.reign(2)
    const after = second.fromMs - diedMs
    assert.ok(after > LEASE_MS * 0.7 && after < LEASE_MS * 1.5, `after ${after} ms`)
    assertExclusive(m)
    await m.w.stop()
  }
})

test('a leader that stops in order hands over before its lease ends', async () => {
  const m = await masters(3)
  const first = await m.reign(1)
  await m.w.advance(5_000)
  const stoppedMs = m.w.clock.monotonic()
  await m.w.run((m.nodes.get(first.node) as Node).stop())
  const second = await m.reign(2)
  assert.ok(second.fromMs - stoppedMs < LEASE_MS / 2, `after ${second.fromMs - stoppedMs} ms`)
  assertExclusive(m)
  await m.w.stop()
})

test('a leader that is cut off stops before another begins, and follows when it is back', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const m = await masters(3, seed)
    const first = await m.reign(1)
    await m.w.advance(5_000)
    const cut = m.w.broker.isolate(first.node)
    const second = await m.reign(2)
    assert.is.not(second.node, first.node)
    await m.w.advance(10_000)
    cut.remove()
    await m.w.advance(20_000)
    assert.is(m.reigns.length, 2, 'it does not disturb the one who leads')
    assertExclusive(m)
    await m.w.stop()
  }
})

test('two that split the votes, and get no answer from the third, do not do so for ever', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    let latencyMs = 3
    const m = await masters(3, seed, () => latencyMs)
    const first = await m.reign(1)
    await m.w.advance(5_000)
    m.w.broker.isolate(first.node)
    await m.reign(2)
    assertExclusive(m)
    latencyMs = 0
    await m.w.advance(10)
    await m.w.stop()
  }
})

test('a follower that is cut off disturbs nobody when it is back', async () => {
  const m = await masters(3)
  const first = await m.reign(1)
  const follower = ['a', 'b', 'c'].find((name) => name !== first.node) as string
  const cut = m.w.broker.isolate(follower)
  await m.w.advance(30_000)
  cut.remove()
  await m.w.advance(30_000)
  assert.is(m.reigns.length, 1)
  await m.w.stop()
})

test('when what the leader does crashes, its node may lead again at once, with a higher epoch', async () => {
  const m = await masters(3)
  const first = await m.reign(1)
  await m.w.advance(5_000)
  const probe = await m.w.probe(m.nodes.get(first.node) as Node)
  const crashedMs = m.w.clock.monotonic()
  await probe.send(pid('leader', first.node), Crash, { why: 'test' })
  const second = await m.reign(2)
  assert.ok(second.fromMs - crashedMs < LEASE_MS / 2)
  assertExclusive(m)
  await m.w.stop()
})

test('replicas that were restarted remember no lease, and wait as long as one could last', async () => {
  const m = await masters(3)
  const first = await m.reign(1)
  await m.w.advance(5_000)
  const others = ['a', 'b', 'c'].filter((name) => name !== first.node)
  // The leader hears nothing of its followers, who have forgotten what they granted.
  const cut = m.w.broker.isolate(first.node)
  for (const name of others) await m.crash(name)
  for (const name of others) await m.start(name)
  await m.reign(2)
  await m.w.advance(5_000)
  assertExclusive(m)
  cut.remove()
  await m.w.stop()
})

test('without a quorum nobody leads; with it somebody does again', async () => {
  const m = await masters(3)
  const first = await m.reign(1)
  const others = ['a', 'b', 'c'].filter((name) => name !== first.node)
  for (const name of others) await m.crash(name)
  await m.w.advance(10_000)
  const { lastMs } = m.reigns[0]!
  assert.ok(m.w.clock.monotonic() - lastMs > 5_000, 'it stopped')
  await m.start(others[0] as string)
  await m.reign(2)
  assertExclusive(m)
  await m.w.stop()
})

test('who wants to write without a lease does not replace who has one, on whichever node', async () => {
  const m = await masters(3)
  await m.reign(1)
  for (const [name, node] of m.nodes) {
    const probe = await m.w.probe(node)
    const outcome = await probe.ask(pid('log-writer', name), Elect, {}, { timeoutMs: 10_000 })
    assert.is(outcome.ok ? 'elected' : outcome.error.code, 'LOG_LEASED', name)
  }
  await m.w.advance(10_000)
  assert.is(m.reigns.length, 1)
  await m.w.stop()
})

test.run()
