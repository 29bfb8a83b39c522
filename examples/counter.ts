/**
 * An actor that counts, on a node of its own: nothing but this process.
 *
 *     npx tsx examples/counter.ts
 */
import Type from 'typebox'
import { message } from '../protocol/index.ts'
import { child, pid, startNode, table } from '../src/runtime/index.ts'
import { systemClock, systemPorts } from '../src/runtime/ports/index.ts'
import { memoryBroker } from '../src/transport/memory.ts'

const Add = message('ADD', 'Adds to the sum.', Type.Object({ by: Type.Integer() }), Type.Integer())
const Break = message('BREAK', 'Makes the counter throw.', Type.Object({}))

const counter = table({
  label: 'counter',
  messages: [Add, Break],
  init: () => ({ sum: 0 }),
  handlers: {
    ADD(state, { by }, cx) {
      state.sum += by
      cx.reply(state.sum)
    },
    BREAK() {
      throw new Error('broken on purpose')
    },
  },
})

const visitor = table({
  label: 'visitor',
  messages: [],
  init(_args, cx) {
    const to = pid('counter', cx.node)
    const add = (by: number, then: () => void) =>
      cx.ask(to, Add, { by }, {}, (outcome) => {
        console.log(outcome.ok ? `the sum is ${outcome.value}` : outcome.error.message)
        then()
      })
    add(2, () =>
      add(3, () => {
        cx.send(to, Break, {})
        // By then its supervisor has started it again, with a fresh state.
        cx.after('once more', 10, () => add(10, () => void node.stop()))
      }),
    )
  },
  handlers: {},
})

const transport = memoryBroker({ clock: systemClock }).transport('here')
const node = await startNode({
  name: 'here',
  ports: systemPorts({ transport, log: { level: 'fatal' } }),
  children: [
    child({ id: 'counter', behaviour: counter, args: undefined, restart: 'permanent' }),
    child({ id: 'visitor', behaviour: visitor, args: undefined }),
  ],
})
