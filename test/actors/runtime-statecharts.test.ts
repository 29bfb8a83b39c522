import Type from 'typebox'
import { fromPromise, setup } from 'xstate'
import { message } from '../../protocol/message.ts'
import {
  type ChildSpec,
  type Context,
  child,
  pid,
  type StatechartOptions,
  statechart,
} from '../../src/runtime/index.ts'
import { Note, worker } from '../support/actors.ts'
import { world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('runtime: statecharts')

const Open = message('OPEN', 'Opens the door.', Type.Object({}))
const Close = message('CLOSE', 'Closes the door.', Type.Object({ slam: Type.Boolean() }))
const Peek = message('PEEK', 'Asks what is behind.', Type.Object({}), Type.String())
const Break = message('BREAK', 'Breaks something.', Type.Object({ how: Type.String() }))
const messages = [Open, Close, Peek, Break] as const

interface State {
  readonly events: string[]
}

interface DoorContext {
  readonly cx: Context
  readonly state: State
}

/** A promise for each `BREAK`, settled by the test. */
interface Promised {
  resolve(value: string): void
  reject(error: Error): void
}

/** A door: closed, open (for a second), waiting for a promise, broken (final). */
function door(state: State, promised: Promised[] = [], restart = false): ChildSpec {
  const machine = setup({
    types: {} as {
      context: DoorContext
      input: { cx: Context; args: undefined }
      events:
        | { type: 'OPEN' }
        | { type: 'CLOSE'; body: { slam: boolean } }
        | { type: 'BREAK'; body: { how: string } }
        | { type: 'shut' }
        | { type: 'end' }
    },
    actors: {
      wait: fromPromise(
        () =>
          new Promise<string>((resolve, reject) => {
            promised.push({ resolve, reject })
          }),
      ),
    },
    actions: {
      note: ({ context }, params: { what: string }) => {
        context.state.events.push(params.what)
        // An effect of an action is carried out like one of a handler.
        context.cx.send(pid('worker', context.cx.node), Note, { n: context.state.events.length })
      },
      fail: () => {
        throw new Error('an action failed')
      },
    },
  }).createMachine({
    id: 'door',
    context: ({ input }) => ({ cx: input.cx, state }),
    initial: 'closed',
    on: { end: '.ended' },
    states: {
      closed: { meta: { accepts: ['OPEN', 'BREAK'] }, on: { OPEN: 'open', BREAK: 'broken' } },
      open: {
        meta: { accepts: ['CLOSE', 'PEEK'] },
        entry: { type: 'note', params: { what: 'opened' } },
        on: { CLOSE: 'closed', shut: 'closed' },
        after: {
          1000: { target: 'closed', actions: { type: 'note', params: { what: 'fell shut' } } },
        },
      },
      broken: {
        invoke: {
          src: 'wait',
          onDone: {
            target: 'closed',
            actions: {
              type: 'note',
              params: ({ event }: { event: { output: string } }) => ({ what: event.output }),
            },
          },
        },
      },
      ended: { type: 'final' },
    },
  })
  const options: StatechartOptions<State, typeof messages> = {
    label: 'door',
    messages,
    machine,
    handlers: {
      PEEK: (_state, _body, cx) => {
        cx.reply('nothing')
        cx.raise({ type: 'shut' })
      },
    },
    terminate: (own, { kind }) => void own.events.push(`end ${kind}`),
  }
  return child({
    id: 'door',
    behaviour: statechart(options),
    args: undefined,
    ...(restart ? { restart: 'permanent' as const } : {}),
  })
}

async function start(promised: Promised[] = [], restart = false) {
  const w = world()
  const state: State = { events: [] }
  const node = await w.start('n', { children: [worker(), door(state, promised, restart)] })
  const probe = await w.probe(node)
  const value = () => (node.cell('door')?.snapshot as { value?: unknown } | undefined)?.value
  return { w, node, probe, state, value, at: pid('door', 'n') }
}

test('a message that the state accepts moves the machine or reaches its handler; others are refused', async () => {
  const { w, probe, value, at } = await start()
  const early = await probe.ask(at, Peek, {})
  assert.is(early.ok || early.error.code, 'NOT_ACCEPTED')
  await probe.send(at, Open, {})
  assert.is(value(), 'open')
  assert.equal(await probe.ask(at, Peek, {}), { ok: true, value: 'nothing' })
  assert.is(value(), 'closed', 'the handler raised an event')
  await w.stop()
})

test('delays of the machine run on the clock of the node, and end with the state', async () => {
  const { w, probe, state, value, at } = await start()
  await probe.send(at, Open, {})
  await w.advance(900)
  await probe.send(at, Close, { slam: false })
  await probe.send(at, Open, {})
  await w.advance(900)
  assert.equal(state.events, ['opened', 'opened'])
  await w.advance(100)
  assert.equal([value(), ...state.events], ['closed', 'opened', 'opened', 'fell shut'])
  await w.stop()
})

test('an invoked promise answers in a turn, whose effects are carried out', async () => {
  const promised: Promised[] = []
  const { w, node, probe, state, value, at } = await start(promised)
  const before = node.cell('worker')?.handled ?? 0
  await probe.send(at, Break, { how: 'by force' })
  assert.is(value(), 'broken')
  promised[0]?.resolve('mended')
  await w.settle()
  assert.equal([value(), ...state.events], ['closed', 'mended'])
  assert.is(node.cell('worker')?.handled, before + 1)
  await w.stop()
})

test('a rejection that the machine does not handle is a crash, and the supervisor restarts it', async () => {
  const promised: Promised[] = []
  const { w, node, probe, value, at } = await start(promised, true)
  await probe.send(at, Break, { how: 'by force' })
  promised[0]?.reject(new Error('beyond repair'))
  await w.settle()
  assert.is(node.cell('door')?.restarts, 1)
  assert.is(value(), 'closed')
  assert.match(
    w
      .troubles('n')
      .map(({ fields }) => fields.stack)
      .join(),
    'beyond repair',
  )
  await w.stop()
})

test('a promise that settles after the death of its actor does nothing', async () => {
  const promised: Promised[] = []
  const { w, node, probe, state, at } = await start(promised)
  await probe.send(at, Break, { how: 'by force' })
  const cell = node.cell('door')
  if (cell === undefined) throw new Error('the door lives')
  node.registry.bury(cell, { kind: 'killed' })
  promised[0]?.resolve('mended')
  await w.advance(10_000)
  assert.equal(state.events, [])
  await w.stop()
})

test('an actor whose machine has reached a final state ends normally', async () => {
  const { w, node, probe, state } = await start()
  await probe.turn((cx) => cx.monitor(pid('door', 'n')))
  node.call(node.cell('door') as never, () => node.cell('door')?.raise({ type: 'end' }))
  await w.settle()
  assert.is(node.cell('door'), undefined)
  assert.equal(state.events, ['end normal'])
  assert.match(JSON.stringify(probe.take('@down')), '"kind":"normal"')
  await w.stop()
})

test('another node can send only what is declared, and as it is declared', async () => {
  const { w, value, at } = await start()
  const far = await w.probe(await w.start('far'))
  const raw = (name: string) => message(name, 'Hostile.', Type.Unknown(), Type.Unknown())
  for (const name of ['end', 'shut', 'xstate.stop', 'xstate.after.1000.door.open']) {
    const outcome = await far.ask(at, raw(name), {}, { timeoutMs: 100 })
    assert.is(outcome.ok, false)
  }
  await far.send(at, Open, {})
  await far.send(at, raw('CLOSE'), { slam: 'hard' })
  assert.is(value(), 'open')
  await w.stop()
})

test.run()
