/** EXPLAIN_OFFERS: why a framework is offered each agent, or is not. */
import { ExplainOffers } from '../../protocol/operator.ts'
import { type Document, masterWorld, type TestFramework } from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: why')

function why({ master, id }: TestFramework, more: object = {}): Promise<Document> {
  const explain_offers = { framework_id: { value: id }, ...more }
  return master.operate({ type: ExplainOffers.name, explain_offers })
}

const reasons = (answer: Document): string[] =>
  answer.explain_offers.explanations.map((each: Document) => `${each.hostname} ${each.reason}`)

test('an agent that is offered, with the offer; then declined, with the end of the filter', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  const agent = await m.agent('a')
  const offer = await framework.offer()
  const [held] = (await why(framework)).explain_offers.explanations
  assert.equal(held, {
    agent_id: { value: agent.id },
    hostname: 'a',
    role: '*',
    reason: 'HELD',
    message: 'it has been given cpus:4; mem:1024 of it',
    offer_ids: [offer.id],
  })
  const declinedMs = m.world.clock.now()
  const filters = { refuse_seconds: 600 }
  await framework.call('DECLINE', { decline: { offer_ids: [offer.id], filters } })
  const [refused] = (await why(framework)).explain_offers.explanations
  assert.is(refused.reason, 'REFUSED')
  assert.is(refused.message, 'it has declined cpus:4; mem:1024 of it')
  const lastsMs = refused.until.nanoseconds / 1e6 - declinedMs
  assert.ok(lastsMs > 599_000 && lastsMs <= 600_000, `${lastsMs} ms`)
  await m.stop()
})

test('who came first, and agents that are not there', async () => {
  const m = await masterWorld()
  const first = await m.framework({ name: 'first' })
  const a = await m.agent('a')
  await first.offer()
  const second = await m.framework({ name: 'second' })
  const [told] = (await why(second)).explain_offers.explanations
  assert.is(told.reason, 'NOT_NEXT')
  assert.match(
    told.message,
    `framework ${first.id} in role '*' came first by policy drf: it has 100 %`,
  )
  await a.die()
  const [gone] = (await why(second)).explain_offers.explanations
  assert.is(`${gone.reason}: ${gone.message}`, 'AGENT_INACTIVE: it is disconnected')
  await m.stop()
})

test('agents that an operator takes out of service', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  const agent = await m.agent('a')
  const agent_id = { value: agent.id }
  await m.operate({ type: 'DEACTIVATE_AGENT', deactivate_agent: { agent_id } })
  const [told] = (await why(framework)).explain_offers.explanations
  assert.is(`${told.reason}: ${told.message}`, 'AGENT_INACTIVE: an operator has deactivated it')
  await m.operate({ type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id } })
  assert.ok(await framework.offer())
  await m.stop()
})

test('one agent, or all of them', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  const agents = [await m.agent('a'), await m.agent('b'), await m.agent('c')]
  const [, b] = agents
  assert.equal(reasons(await why(framework, { agent_id: { value: b!.id } })).length, 1)
  assert.equal(reasons(await why(framework)).length, agents.length)
  await m.stop()
})

test('frameworks and agents that nobody knows are said so', async () => {
  const m = await masterWorld()
  const framework = await m.framework()
  const stranger = await why(framework, { framework_id: { value: 'stranger' } })
  assert.is(stranger.error.message, 'There is no framework stranger.')
  const nowhere = await why(framework, { agent_id: { value: 'nowhere' } })
  assert.is(nowhere.error.message, 'There is no agent nowhere.')
  await m.stop()
})

test.run()
