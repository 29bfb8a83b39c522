import { decode, encode, type NodeInfo, subjects } from '../../protocol/index.ts'
import { checker } from '../../protocol/message.ts'
import { NodeInfo as NodeInfoSchema } from '../../protocol/node.ts'
import { type Connection, nameOf, type Pid } from '../../src/runtime/index.ts'
import { worker } from '../support/actors.ts'
import { type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('a node as a micro service')

/** Sends a request and gathers all answers. */
async function ask(
  w: World,
  connection: Connection,
  subject: string,
  payload: Uint8Array,
): Promise<Uint8Array[]> {
  const answers: Uint8Array[] = []
  const inbox = `_INBOX.test.${subject.replaceAll(/[^A-Za-z]/g, '')}`
  const subscription = connection.subscribe(inbox, ({ data, noResponders }) => {
    if (!noResponders) answers.push(new Uint8Array(data))
  })
  await connection.flush()
  await w.settle()
  connection.publish(subject, payload, inbox)
  await w.advance(10)
  subscription.close()
  return answers
}

const text = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data))

test('answers to all, to its name and to its id alone, in the words of ADR-32', async () => {
  const w = world()
  const a = await w.start('a')
  await w.start('b')
  const client = await w.broker.transport('client').connect({ name: 'client' })
  for (const [verb, type] of [
    ['PING', 'ping'],
    ['INFO', 'info'],
    ['STATS', 'stats'],
  ]) {
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.meseta`]) {
      const answers = (await ask(w, client, subject, new Uint8Array(0))).map(text)
      assert.equal(answers.map(({ metadata }) => metadata.node).sort(), ['a', 'b'])
      for (const answer of answers) {
        assert.is(answer.type, `io.nats.micro.v1.${type}_response`)
        assert.is(answer.name, 'meseta')
        assert.match(answer.version, /^\d+\.\d+\.\d+$/)
      }
    }
    const own = (
      await ask(w, client, `$SRV.${verb}.meseta.${a.incarnation}`, new Uint8Array(0))
    ).map(text)
    assert.equal(
      own.map(({ id }) => id),
      [a.incarnation],
    )
  }
  await client.close()
  await w.stop()
})

test('lists its actors in the format of the asker', async () => {
  const w = world()
  const node = await w.start('a')
  const probe = await w.probe(node, 'probe')
  const client = await w.broker.transport('client').connect({ name: 'client' })
  const subject = subjects('meseta').nodeActors('a')
  const check = checker('NODE', NodeInfoSchema)
  for (const format of ['json', 'msgpack'] as const) {
    const [answer] = await ask(w, client, subject, encode({}, format))
    const decoded = decode(answer as Uint8Array)
    assert.ok(decoded.ok)
    if (!decoded.ok) return
    assert.is(decoded.value.format, format)
    assert.is(check(decoded.value.value), undefined)
    const { node: name, actors, truncated } = decoded.value.value as NodeInfo
    assert.is(name, 'a')
    assert.is(truncated, 0)
    const found = actors.find(({ id }) => id === 'probe')
    assert.is(found && nameOf(found.pid as Pid), probe.pid)
    assert.is(found?.parent, 'root')
  }
  await client.close()
  await w.stop()
})

test('lists no more actors than one message of the broker holds, and says how many are missing', async () => {
  const w = world({ broker: { maxPayload: 16_384 } })
  const node = await w.start('a', {
    children: Array.from({ length: 200 }, (_, index) => worker({ id: `w${index}` })),
  })
  const client = await w.broker.transport('client').connect({ name: 'client' })
  const [answer] = await ask(w, client, subjects('meseta').nodeActors('a'), new Uint8Array(0))
  const { actors, truncated } = text(answer as Uint8Array) as NodeInfo
  assert.is(actors[0]?.id, 'root')
  assert.ok(actors.length > 10 && truncated > 0)
  assert.is(actors.length + truncated, node.registry.size)
  await client.close()
  await w.stop()
})

test('says nothing any more once it has stopped', async () => {
  const w = world()
  const node = await w.start('a')
  const client = await w.broker.transport('client').connect({ name: 'client' })
  await w.run(node.stop())
  assert.equal(await ask(w, client, '$SRV.PING', new Uint8Array(0)), [])
  await client.close()
  await w.stop()
})

test.run()
