/** Heartbeats of a node with very many peers. Spec: design.md §3. */
import type { Cell } from '../../../src/runtime/cell.ts'
import type { Node } from '../../../src/runtime/node.ts'
import { Peers } from '../../../src/runtime/peers.ts'
import { pid } from '../../../src/runtime/pid.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('heartbeats')

/** So many peers with links, the subjects of what is sent to them, and the names of those that broke. */
function many(count: number) {
  const sent: string[] = []
  const connection = { maxPayload: 1 << 20, publish: (subject: string) => sent.push(subject) }
  const now = { ms: 0 }
  // What peers ask of their node when there are no actors.
  const node = {
    name: 'm',
    incarnation: 'now',
    inlet: { isBehind: false },
    ports: { clock: { monotonic: () => now.ms } },
    scheduleFlush() {},
    wayTo: () => ({ connection, mailbox: (name: string, id: string) => `${name} ${id}` }),
  } as unknown as Node
  const peers = new Peers(node, { heartbeatMs: 2000, silenceMs: 10_000 })
  const cell = { links: new Set() } as unknown as Cell
  const add = (name: string) =>
    peers.peer(name).links.set('link', { cell, other: pid('a', name), me: pid('a', 'm') })
  for (let i = 0; i < count; i++) add(`p${i}`)
  return { peers, sent, now, add }
}

/** Turns until all have had their heartbeat, with what was sent in each. */
function round({ peers, sent }: ReturnType<typeof many>): number[] {
  const turns: number[] = []
  for (let isAll = false; !isAll; ) {
    const before = sent.length
    isAll = peers.beat()
    turns.push(sent.length - before)
  }
  return turns
}

test('few peers have theirs in one turn', () => {
  const few = many(100)
  assert.equal([round(few), round(few)], [[100], [100]])
})

test('many peers have one each, in turns of no more than some hundreds', () => {
  const all = many(1800)
  assert.equal(round(all), [500, 500, 500, 300])
  assert.is(new Set(all.sent).size, 1800)
  assert.equal(round(all), [500, 500, 500, 300])
})

test('a peer that comes while the heartbeats are under way has one', () => {
  const all = many(600)
  assert.is(all.peers.beat(), false)
  all.add('late')
  assert.equal(round(all), [101])
  assert.ok(all.sent.includes('late _node'))
})

test('all that are silent are broken, in whatever turn they are looked at', () => {
  const all = many(1200)
  all.now.ms = 10_001
  assert.equal(round(all), [500, 500, 200])
  assert.is(all.peers.breaks, 1200)
  assert.ok([...all.peers.all].every(({ links }) => links.size === 0))
})

test.run()
