/** Named variables in a replicated log, on in-memory nodes. Spec: replicated-log.md §10, §13.12. */
import { state } from '../../actors/state/index.ts'
import { encodeRecord } from '../../actors/state/records.ts'
import { Append } from '../../protocol/log.ts'
import {
  ExpungeVariable,
  FetchVariable,
  ListVariables,
  StoreVariable,
  VALUE_BYTES_MAX,
} from '../../protocol/state.ts'
import { pid } from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import { isLinearizable } from '../support/linearizability.ts'
import { bytes, type Cluster, cluster, contents, elect, text } from '../support/log-cluster.ts'
import type { Probe } from '../support/nodes.ts'
import { type Change, type Input, type Output, variable } from '../support/state-model.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('state')
const options = { timeoutMs: 60_000, limitMs: 120_000 }

function states(size: number, seed = 1): Promise<Cluster> {
  return cluster(size, { seed, beside: (node) => [state({ node })] })
}

/** What a client does at the state of one node; refusals fail the test. */
function client(probe: Probe, node: string) {
  const to = pid('state', node)
  return {
    async fetch(name: string) {
      const outcome = await probe.ask(to, FetchVariable, { name }, options)
      if (!outcome.ok) throw new Error(outcome.error.message)
      return outcome.value
    },
    async store(name: string, value: string | Uint8Array, version: string) {
      const data = typeof value === 'string' ? bytes(value) : value
      const outcome = await probe.ask(to, StoreVariable, { name, value: data, version }, options)
      if (!outcome.ok) throw new Error(outcome.error.message)
      return outcome.value
    },
    async expunge(name: string, version: string) {
      const outcome = await probe.ask(to, ExpungeVariable, { name, version }, options)
      if (!outcome.ok) throw new Error(outcome.error.message)
      return outcome.value
    },
    async names(prefix = '') {
      const outcome = await probe.ask(to, ListVariables, { prefix }, options)
      if (!outcome.ok) throw new Error(outcome.error.message)
      return outcome.value.names
    },
  }
}

test('a variable is made, changed and removed by who knows its version', async () => {
  const c = await states(1)
  const a = client(await c.probe('a'), 'a')
  assert.equal(await a.fetch('x'), { version: '' })
  const made = await a.store('x', 'one', '')
  assert.ok(made.changed && made.version !== '')
  const again = await a.store('x', 'other', '')
  assert.equal(again, { changed: false, version: made.version })
  const changed = await a.store('x', 'two', made.version)
  assert.ok(changed.changed && changed.version !== made.version)
  assert.equal(await a.expunge('x', made.version), { changed: false, version: changed.version })
  const { version, value } = await a.fetch('x')
  assert.equal([version, text(value as Uint8Array)], [changed.version, 'two'])
  await a.store('y', '', '')
  assert.equal(await a.names(), ['x', 'y'])
  assert.equal(await a.expunge('x', changed.version), { changed: true, version: '' })
  assert.equal(await a.fetch('x'), { version: '' })
  assert.equal([await a.names(), await a.names('x')], [['y'], []])
  await c.w.stop()
})

test('what was answered is there after a crash, and at every other node', async () => {
  const c = await states(3)
  const a = client(await c.probe('a'), 'a')
  const first = await a.store('x', 'one', '')
  const b = client(await c.probe('b'), 'b')
  assert.is((await b.fetch('x')).version, first.version)
  const second = await b.store('x', 'two', first.version)
  assert.ok(second.changed)
  // The one that wrote before has not heard of it: it does not know the outcome, and forgets what it knew.
  const stale = await a.store('x', 'three', first.version).catch(({ message }) => message)
  assert.match(String(stale), /is not written under epoch/)
  assert.equal(await a.store('x', 'three', first.version), {
    changed: false,
    version: second.version,
  })
  await c.crash('b')
  await c.start('b')
  await c.crash('a')
  await c.start('a')
  await c.untilStatus('a', 'VOTING')
  const after = await client(await c.probe('a'), 'a').fetch('x')
  assert.equal([after.version, text(after.value as Uint8Array)], [second.version, 'two'])
  await c.w.stop()
})

test('a change that a former writer began is void once its successor has written', async () => {
  const c = await states(3)
  const probe = await c.probe('a')
  const first = await client(probe, 'a').store('x', 'one', '')
  const second = await client(probe, 'b').store('x', 'two', first.version)
  // As an election finds it at a minority, behind the end that the successor knew, and chooses it.
  const epoch = await elect(c, probe, 'a')
  const late = { type: 'SNAPSHOT', name: 'x', version: 'late', value: bytes('late') } as const
  const data = encodeRecord(1, late)
  const written = await probe.ask(pid('log-writer', 'a'), Append, { epoch, data }, options)
  assert.ok(written.ok)
  const { version, value } = await client(probe, 'c').fetch('x')
  assert.equal([version, text(value as Uint8Array)], [second.version, 'two'])
  await c.w.stop()
})

test('a small change of a large value is a small entry of the log', async () => {
  const c = await states(1)
  const probe = await c.probe('a')
  const a = client(probe, 'a')
  const value = new Uint8Array(1_000_000).map((_, i) => i % 251)
  let { version } = await a.store('large', value, '')
  for (let i = 0; i < 10; i++) {
    value.set(bytes(`change ${i}`), i * 90_000)
    ;({ version } = await a.store('large', value, version))
  }
  const sizes = (await contents(c, 'a')).map(({ length }) => length)
  assert.ok(
    sizes.slice(1).every((size) => size < 1_000),
    `entries of ${sizes} characters`,
  )
  await c.crash('a')
  await c.start('a')
  const after = await client(await c.probe('a'), 'a').fetch('large')
  assert.is(after.version, version)
  assert.is(Buffer.compare(after.value as Uint8Array, value), 0)
  await c.w.stop()
})

test('values that do not fit the memory are read from the log', async () => {
  const c = await states(1)
  const a = client(await c.probe('a'), 'a')
  const size = 4_000_000
  const names = Array.from({ length: 18 }, (_, i) => `v${i}`)
  for (const [i, name] of names.entries()) {
    const value = new Uint8Array(size).fill(i)
    const { version } = await a.store(name, value, '')
    value[7] = 255
    await a.store(name, value, version)
  }
  const { value } = await a.fetch('v0')
  assert.is(value?.length, size)
  assert.equal([...(value as Uint8Array).subarray(6, 9)], [0, 255, 0])
  await c.w.stop()
})

test('a value that is too large is refused, and nothing is changed', async () => {
  const c = await states(1)
  const probe = await c.probe('a')
  const value = new Uint8Array(VALUE_BYTES_MAX + 1)
  const outcome = await probe.ask(pid('state', 'a'), StoreVariable, {
    name: 'x',
    value,
    version: '',
  })
  assert.is(outcome.ok ? 'stored' : outcome.error.code, 'TOO_LARGE')
  assert.equal(await client(probe, 'a').names(), [])
  await c.w.stop()
})

test('the log is shortened to what counts, and nothing is forgotten', async () => {
  const c = await states(1)
  const a = client(await c.probe('a'), 'a')
  const rare = await a.store('rare', 'kept', '')
  let version = ''
  for (let i = 0; i < 2_500; i++) ({ version } = await a.store('often', `value ${i}`, version))
  const { begin, end } = await c.positions('a')
  assert.ok(begin > 1_000 && end - begin < 1_500, `from ${begin} to ${end}`)
  await c.crash('a')
  await c.start('a')
  const after = client(await c.probe('a'), 'a')
  assert.is((await after.fetch('rare')).version, rare.version)
  assert.is(text((await after.fetch('often')).value as Uint8Array), 'value 2499')
  await c.w.stop()
})

test('without a quorum requests are refused, and served again when there is one', async () => {
  const c = await states(3)
  const a = client(await c.probe('a'), 'a')
  const { version } = await a.store('x', 'one', '')
  await c.crash('b')
  await c.crash('c')
  const probe = await c.probe('a')
  const refused = await probe.ask(pid('state', 'a'), FetchVariable, { name: 'x' }, options)
  assert.not(refused.ok, 'a value that nobody confirms may be old')
  await c.start('b')
  await c.untilStatus('b', 'VOTING')
  assert.is((await a.fetch('x')).version, version)
  await c.w.stop()
})

// ---- concurrent clients

test('what concurrent clients see through crashes and lost messages is linearizable', async () => {
  for (const seed of [1, 2, 3]) {
    const c = await states(3, seed)
    const random = stream(seed, 'clients')
    const history: Change[] = []
    let tick = 0
    let running = 0
    const until = c.w.clock.monotonic() + 15_000

    /** One client: it keeps asking whichever node is up until the time is over. */
    const work = async (id: number): Promise<void> => {
      running++
      let version = ''
      for (let n = 0; c.w.clock.monotonic() < until; n++) {
        const name = c.names[random.int(3)] as string
        const probe = c.nodes.has(name) ? probes.get(name) : undefined
        if (probe === undefined) {
          await pause(100)
          continue
        }
        const to = pid('state', name)
        const kind = random.int(10)
        const type = kind < 4 ? 'fetch' : kind < 9 ? 'store' : 'expunge'
        const value = `${id}-${n}`
        const input: Input = type === 'fetch' ? { type } : { type, from: version }
        const call = tick++
        const output = await new Promise<Output | undefined>((resolve) => {
          const died = () => resolve(undefined)
          onCrash.add(died)
          void probe.turn((cx) => {
            const answer = (outcome: { ok: boolean; value?: unknown }) => {
              onCrash.delete(died)
              if (!outcome.ok) resolve(undefined)
              else resolve({ changed: false, ...(outcome.value as object) } as Output)
            }
            if (type === 'fetch') {
              cx.ask(to, FetchVariable, { name: 'x' }, options, answer)
            } else if (type === 'store') {
              const body = { name: 'x', value: bytes(value), version }
              cx.ask(to, StoreVariable, body, options, answer)
            } else cx.ask(to, ExpungeVariable, { name: 'x', version }, options, answer)
          })
        })
        if (output !== undefined) version = output.version
        // A fetch without an answer says nothing.
        if (output !== undefined || type !== 'fetch') {
          history.push({ input, output, call, return: tick++ })
        }
        await pause(random.int(50))
      }
      running--
    }
    const onCrash = new Set<() => void>()
    const probes = new Map<string, Probe>()
    const pause = (ms: number) =>
      new Promise<void>((resolve) => c.w.clock.setTimeout(resolve, Math.max(1, ms)))
    for (const name of c.names) probes.set(name, await c.probe(name))
    const losses = stream(seed, 'losses')
    const lossy = c.w.broker.drop(() => losses.next() < 0.001)
    const clients = [1, 2, 3, 4].map(work)
    while (running > 0) {
      await c.w.advance(1_000 + random.int(3_000))
      const victim = c.names[random.int(3)] as string
      if (c.nodes.has(victim) && c.nodes.size === 3) {
        probes.delete(victim)
        await c.crash(victim)
        for (const died of [...onCrash]) died()
        onCrash.clear()
      } else {
        for (const name of c.names) {
          if (c.nodes.has(name)) continue
          await c.start(name)
          probes.set(name, await c.probe(name))
        }
      }
    }
    await Promise.all(clients)
    lossy.remove()
    assert.ok(
      history.filter(({ output }) => output?.changed).length > 10,
      `seed ${seed}: too little`,
    )
    assert.ok(isLinearizable(history, variable(history)), `seed ${seed}: not linearizable`)
    await c.w.stop()
  }
})

test.run()
