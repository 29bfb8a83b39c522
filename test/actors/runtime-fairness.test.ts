import { type ChildSpec, child, pid, startNode, table } from '../../src/runtime/index.ts'
import { systemClock, systemPorts } from '../../src/runtime/ports/index.ts'
import { memoryBroker } from '../../src/transport/memory.ts'
import { Echo, Note } from '../support/actors.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: fairness')

/** A node whose clock stands still but for `spend`. */
async function start(children: readonly ChildSpec[]) {
  let nowMs = 0
  const transport = memoryBroker({ clock: systemClock }).transport('a')
  const node = await startNode({
    name: 'a',
    ports: {
      ...systemPorts({ transport, log: { write() {} } }),
      clock: { ...systemClock, monotonic: () => nowMs },
    },
    children,
  })
  const spend = (ms: number) => {
    nowMs += ms
  }
  return { node, spend }
}

/** In which order two actors handle a hundred messages each, if one message takes so long. */
async function order(messageMs: number): Promise<string[]> {
  let finish = () => {}
  const handled: string[] = []
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const worker = (id: string) => {
    const handlers = {
      NOTE() {
        spend(messageMs)
        if (handled.push(id) === 200) finish()
      },
    }
    const behaviour = table({ label: id, messages: [Note], init: () => undefined, handlers })
    return child({ id, behaviour, args: undefined })
  }
  const { node, spend } = await start([worker('first'), worker('second')])
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

/**
 * Two actors with a hundred messages each, of which the first gets `asks` requests besides, one after the
 * other as they are answered. What was handled, in order: each takes 1 ms.
 */
async function askedMeanwhile(urgent: boolean, asks: number): Promise<string[]> {
  let finish = () => {}
  const handled: string[] = []
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const note = (what: string) => {
    spend(1)
    handled.push(what)
    if (handled.length === 200 + 2 * asks) finish()
  }
  const worker = (id: string) =>
    child({
      id,
      args: undefined,
      behaviour: table({
        label: id,
        messages: [Note, Echo],
        init: () => undefined,
        handlers: {
          NOTE: () => note(id),
          ECHO(_state, { text }, cx) {
            note('asked')
            cx.reply(text)
          },
        },
      }),
    })
  const { node, spend } = await start([worker('first'), worker('second')])
  const [first, second] = [node.cell('first')!, node.cell('second')!]
  const ask = (left: number) => {
    if (left === 0) return
    second.ask(first.self, Echo, { text: '' }, { urgent }, () => {
      note('answered')
      ask(left - 1)
    })
  }
  node.call(second, () => {
    for (const { self } of [first, second]) {
      for (let n = 0; n < 100; n++) second.send(self, Note, { n })
    }
    ask(asks)
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

test('an urgent request goes before what waits, and so does its answer', async () => {
  const urgent = await askedMeanwhile(true, 1)
  // Turns under way are not broken off.
  assert.ok(urgent.indexOf('answered') < 12, urgent.join())
  const other = await askedMeanwhile(false, 1)
  assert.ok(other.indexOf('answered') > 100, other.join())
})

test('what is urgent without end takes no more than its part of the time', async () => {
  const handled = await askedMeanwhile(true, 200)
  const others = handled.slice(0, 100).filter((what) => what === 'first' || what === 'second')
  assert.ok(others.length >= 30, handled.slice(0, 100).join())
})

test.run()
