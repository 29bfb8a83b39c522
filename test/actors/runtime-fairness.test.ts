import { child, pid, startNode, table } from '../../src/runtime/index.ts'
import { systemClock, systemPorts } from '../../src/runtime/ports/index.ts'
import { memoryBroker } from '../../src/transport/memory.ts'
import { Note } from '../support/actors.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: fairness')

/** In which order two actors handle a hundred messages each, if one message takes so long. */
async function order(messageMs: number): Promise<string[]> {
  let nowMs = 0
  let finish = () => {}
  const handled: string[] = []
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const worker = (id: string) => {
    const handlers = {
      NOTE() {
        nowMs += messageMs
        if (handled.push(id) === 200) finish()
      },
    }
    const behaviour = table({ label: id, messages: [Note], init: () => undefined, handlers })
    return child({ id, behaviour, args: undefined })
  }
  const transport = memoryBroker({ clock: systemClock }).transport('a')
  const node = await startNode({
    name: 'a',
    ports: {
      ...systemPorts({ transport, log: { write() {} } }),
      clock: { ...systemClock, monotonic: () => nowMs },
    },
    children: [worker('first'), worker('second')],
  })
  const sender = node.cell('first')!
  node.call(sender, () => {
    for (const id of ['first', 'second']) {
      for (let n = 0; n < 100; n++) sender.send(pid(id, 'a'), Note, { n })
    }
  })
  await done
  await node.stop()
  return handled
}

test('an actor gives way after some milliseconds, and not only after so many messages', async () => {
  const slow = await order(1)
  assert.ok(slow.indexOf('second') < 10, slow.join())
  assert.ok(slow.lastIndexOf('first') > 150, slow.join())
  const quick = await order(0)
  assert.is(quick.indexOf('second'), 100)
})

test.run()
