/** How a component finds the leading master. Spec: agent.md §2, design.md §4. */
import { detector } from '../../actors/detector/index.ts'
import { Detect, LeaderFound, NoLeader } from '../../protocol/detector.ts'
import { encode, subjects } from '../../protocol/index.ts'
import type { Leader } from '../../protocol/leader.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Pid } from '../../src/runtime/index.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('detector')
const names = subjects('meseta')

/** A detector, its owner, and somebody who answers as the test says. */
interface Scene {
  readonly world: World
  readonly owner: Probe
  readonly pid: Pid
  /** Monotonic times of its questions, ms. */
  readonly asked: number[]
  /** Who answers the next questions, all of them; none at the start. */
  answers: unknown[]
  announce(): Promise<void>
  /** Names and epochs of what the owner was told since it was last looked at. */
  told(): string[]
}

async function scene(): Promise<Scene> {
  const w = world()
  const node = await w.start('n', { children: [] })
  const owner = await w.probe(node, 'owner')
  const others = await w.probe(node, 'others')
  const script = { asked: [] as number[], answers: [] as unknown[] }
  await others.turn((cx) =>
    cx.subscribe(names.leader, ({ reply }) => {
      script.asked.push(w.clock.monotonic())
      for (const answer of script.answers) cx.publish(reply ?? '', encode(answer))
    }),
  )
  return Object.assign(script, {
    world: w,
    owner,
    pid: await owner.turn((cx) => cx.spawn(detector({ owner: cx.self }))),
    announce: () => others.turn((cx) => cx.publish(names.event('leader', 'M'), encode({}))),
    told: () =>
      owner.take().map(({ type, body }) => {
        if (type === NoLeader.name) return type
        assert.is(type, LeaderFound.name)
        return `${type} ${(body as Payload<typeof LeaderFound>).epoch}`
      }),
  })
}

function leader(epoch: number, node = `m${epoch}`): Leader {
  return { pid: `master@${node}~1.1`, epoch, master_info: { id: node, ip: 0, port: 0 } }
}

test('it asks with growing pauses until somebody answers, then no more', async () => {
  const s = await scene()
  await s.world.advance(60_000)
  const pauses = s.asked.slice(1).map((at, index) => at - s.asked[index]!)
  assert.ok(pauses[0]! <= 100, `${pauses}`)
  // Half of the longest pause is random.
  for (const pause of pauses.slice(10)) assert.ok(pause >= 1000 && pause <= 2000, `${pauses}`)
  assert.equal(s.told(), [])
  s.answers = [leader(1)]
  await s.world.advance(2000)
  assert.equal(s.told(), ['LEADER_FOUND 1'])
  const { length } = s.asked
  await s.world.advance(60_000)
  assert.is(s.asked.length, length)
  await s.world.stop()
})

test('it never tells of a lower epoch than before, not even when asked anew', async () => {
  const s = await scene()
  s.answers = [leader(7)]
  await s.world.advance(2000)
  s.answers = [leader(6)]
  await s.announce()
  await s.owner.send(s.pid, Detect, {})
  await s.world.advance(10_000)
  assert.equal(s.told(), ['LEADER_FOUND 7', 'NO_LEADER'])
  s.answers = [leader(6), leader(8), leader(7)]
  await s.world.advance(10_000)
  assert.equal(s.told(), ['LEADER_FOUND 8'])
  await s.world.stop()
})

test('an announcement makes it ask at once; a leader that is known is not told again', async () => {
  const s = await scene()
  s.answers = [leader(1)]
  await s.world.advance(2000)
  await s.announce()
  assert.equal(s.told(), ['LEADER_FOUND 1'])
  s.answers = [leader(2)]
  await s.announce()
  assert.equal(s.told(), ['LEADER_FOUND 2'])
  await s.world.stop()
})

test('the same leader is found again by an owner that could not reach it', async () => {
  const s = await scene()
  s.answers = [leader(3)]
  await s.world.advance(2000)
  await s.owner.send(s.pid, Detect, {})
  assert.equal(s.told(), ['LEADER_FOUND 3', 'NO_LEADER', 'LEADER_FOUND 3'])
  await s.world.stop()
})

test('a master that came back at another address in the same epoch is told', async () => {
  const s = await scene()
  s.answers = [leader(3, 'here')]
  await s.world.advance(2000)
  s.answers = [leader(3, 'there')]
  await s.announce()
  assert.equal(s.told(), ['LEADER_FOUND 3', 'LEADER_FOUND 3'])
  await s.world.stop()
})

test('answers that are none are passed over', async () => {
  const s = await scene()
  const { pid: _, ...nameless } = leader(9)
  s.answers = ['nonsense', {}, nameless, leader(0), leader(1)]
  await s.world.advance(2000)
  assert.equal(s.told(), ['LEADER_FOUND 1'])
  assert.ok(s.world.troubles('n').length >= 4)
  await s.world.stop()
})

test.run()
