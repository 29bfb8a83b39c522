import Type from 'typebox'
import { message } from '../../protocol/message.ts'
import { child, type ChildSpec, pid, table } from '../../src/runtime/index.ts'
import { world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const Add = message('ADD', 'Adds to the sum.', Type.Object({ by: Type.Integer() }), Type.Integer())

function counter(id = 'counter'): ChildSpec {
  return child({
    id,
    behaviour: table({
      label: 'counter',
      messages: [Add],
      init: () => ({ sum: 0 }),
      handlers: {
        ADD(state, { by }, cx) {
          state.sum += by
          cx.reply(state.sum)
        },
      },
    }),
    args: undefined,
  })
}

const test = suite('runtime: messages')

test('an ask is answered, on the same node and on another', async () => {
  const w = world()
  const a = await w.start('a', { children: [counter()] })
  const b = await w.start('b')
  const near = await w.probe(a)
  const far = await w.probe(b)
  assert.equal(await near.ask(pid('counter', 'a'), Add, { by: 2 }), { ok: true, value: 2 })
  assert.equal(await far.ask(pid('counter', 'a'), Add, { by: 3 }), { ok: true, value: 5 })
  await w.stop()
})
test.run()
