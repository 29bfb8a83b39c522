/** Operators withdraw offers and watch them. */
import { decode } from '../../protocol/codec.ts'
import { type Document, type MasterWorld, masterWorld } from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: operators and offers')

/** Two frameworks, each with an offer of one of two agents. */
async function offered() {
  const m = await masterWorld()
  const frameworks = [await m.framework({ role: 'a' }), await m.framework({ role: 'b' })]
  const agents = [await m.agent('one'), await m.agent('two')]
  const offers: Document[] = []
  for (const framework of frameworks) offers.push(await framework.offer())
  return { m, frameworks, agents, offers }
}

function rescind(m: MasterWorld, rescind_offers: object): Promise<Document> {
  return m.operate({ type: 'RESCIND_OFFERS', rescind_offers })
}

async function out(m: MasterWorld): Promise<string[]> {
  const { offers } = (await m.operate({ type: 'GET_OFFERS' })).get_offers
  return offers.map(({ id }: Document) => id.value)
}

/** What is published on the subject for watchers. */
async function watched(m: MasterWorld): Promise<string[]> {
  const seen: string[] = []
  const connection = await m.world.run(m.world.broker.transport('w').connect({ name: 'w' }))
  connection.subscribe('meseta.offers.*', ({ subject, data }) => {
    const event = decode(data)
    const { type, offers, rescind } = (event.ok ? event.value.value : {}) as Document
    const ids = offers?.offers.map(({ id }: Document) => id.value) ?? [rescind.offer_id.value]
    for (const id of ids) seen.push(`${subject} ${type} ${id}`)
  })
  await m.world.run(connection.flush())
  return seen
}

test('an offer that is rescinded is told to its framework, and is offered anew', async () => {
  const { m, frameworks, offers } = await offered()
  const [first] = frameworks
  const answer = await rescind(m, { offer_ids: [offers[0].id, offers[0].id] })
  assert.equal(answer, { type: 'RESCIND_OFFERS', rescind_offers: { count: 1 } })
  assert.equal(await out(m), [offers[1].id.value])
  assert.equal(
    first!.of('RESCIND').map((event) => event.rescind.offer_id),
    [offers[0].id],
  )
  const again = await first!.offer()
  assert.equal(again.resources, offers[0].resources, 'nothing filters it')
  await m.stop()
})

test('the offers of a framework, of an agent, of both, or all are rescinded', async () => {
  const { m, frameworks, agents, offers } = await offered()
  const { framework_id, agent_id } = offers[0]
  const other = agents.find(({ id }) => id !== agent_id.value)!
  const count = async (selection: object) => (await rescind(m, selection)).rescind_offers.count
  assert.is(await count({ framework_id, agent_id: { value: other.id } }), 0)
  assert.is(await count({ framework_id, agent_id }), 1)
  assert.is(await count({ agent_id: { value: other.id } }), 1)
  assert.equal(await out(m), [])
  for (const framework of frameworks) await framework.offer()
  assert.is(await count({ framework_id }), 1)
  await frameworks[0]!.offer()
  assert.is(await count({ all: true }), 2)
  assert.is(await count({ all: true }), 0)
  await m.stop()
})

test('what is not there, or not said, is refused and leaves all offers', async () => {
  const { m, offers } = await offered()
  const unknown = { value: 'nobody' }
  const refusals: Array<[object, string, RegExp]> = [
    [{ offer_ids: [offers[0].id, unknown] }, 'NOT_FOUND', /offer nobody/],
    [{ framework_id: unknown }, 'NOT_FOUND', /framework nobody/],
    [{ agent_id: unknown }, 'NOT_FOUND', /agent nobody/],
    [{}, 'INVALID_MESSAGE', /rescind_offers: must name either/],
    [{ all: false }, 'INVALID_MESSAGE', /must name either/],
    [{ all: true, offer_ids: [] }, 'INVALID_MESSAGE', /must name either/],
    [{ agent_id: offers[0].agent_id, offer_ids: [] }, 'INVALID_MESSAGE', /must name either/],
    [{ offer_ids: 'x' }, 'INVALID_MESSAGE', /offer_ids.0: must be object/],
  ]
  for (const [selection, code, sentence] of refusals) {
    const { error } = await rescind(m, selection)
    assert.is(error.code, code)
    assert.match(error.message, sentence)
  }
  assert.is((await out(m)).length, 2)
  await m.stop()
})

test('who watches hears of offers and rescinds of all frameworks for half a minute', async () => {
  const { m, frameworks, offers } = await offered()
  const seen = await watched(m)
  await rescind(m, { all: true })
  for (const framework of frameworks) await framework.offer()
  assert.equal(seen, [], 'nobody has asked')
  const { watch_offers } = await m.operate({ type: 'WATCH_OFFERS' })
  assert.equal(watch_offers, { subject: 'meseta.offers.*', seconds: 30 })
  const held = await out(m)
  await rescind(m, { all: true })
  await m.world.settle()
  const subjects = frameworks.map(({ id }) => `meseta.offers.${id}`)
  assert.equal(
    seen.splice(0).map((line) => line.replace(/^\S+ /, '')),
    held.map((id) => `RESCIND ${id}`),
  )
  for (const framework of frameworks) await framework.offer()
  const now = await out(m)
  assert.equal(
    seen.splice(0).sort(),
    now.map((id, index) => `${subjects[index]} OFFERS ${id}`).sort(),
  )
  await m.world.advance(31_000)
  await rescind(m, { all: true })
  await m.world.settle()
  assert.equal(seen, [], 'the watch has ended')
  assert.is(offers.length, 2)
  await m.stop()
})

test.run()
