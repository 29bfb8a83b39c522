/** Whoever can publish can publish anything: nothing of it may crash a component or starve others. */
import { readFileSync } from 'node:fs'
import { Packr } from 'msgpackr'
import { connect, Empty, type NatsConnection } from 'nats'
import { decode, encode } from '../../protocol/codec.ts'
import type { NodeInfo } from '../../protocol/node.ts'
import { connectScheduler, TaskRun } from '../../src/framework/index.ts'
import { type Pid, pid } from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import { encodeEnvelope, encodeFrame, KIND_ENVELOPES } from '../../src/runtime/wire.ts'
import { clusterFor } from '../support/cluster.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('hostile input')
const cluster = clusterFor(test, { agents: 1, resources: 'cpus:4;mem:4096' })
const packr = new Packr({ useRecords: false })
const random = stream(7, 'hostile')
let nats: NatsConnection
let pids: Record<string, number>

test.before(async () => {
  nats = await connect({ servers: cluster().natsUrl })
  pids = { master: cluster().pid('master'), agent: cluster().pid('agent-1') }
})

/** Whatever happened, the same processes serve, none of their actors was restarted, and none threw. */
test.after.each(async () => {
  for (const name of ['master', 'agent-1']) {
    const node = (await ask(
      `meseta.node.${name}.actors`,
      encode({}, 'json'),
    )) as unknown as NodeInfo
    assert.equal(
      node.actors.filter(({ restarts }) => restarts > 0),
      [],
      `restarts on ${name}`,
    )
  }
  assert.is(cluster().pid('master'), pids.master)
  assert.is(cluster().pid('agent-1'), pids.agent)
  assert.not.match(cluster().log('master') + cluster().log('agent-1'), /threw in/)
})

test.after(() => nats?.close())

interface Answer {
  readonly error?: { readonly code: string; readonly message: string }
  readonly [field: string]: unknown
}

async function ask(subject: string, data: Uint8Array): Promise<Answer> {
  const { data: answer } = await nats.request(subject, data, { timeout: 20_000 })
  const decoded = decode(answer)
  assert.ok(decoded.ok, `the answer on ${subject} is decodable`)
  return (decoded.ok ? decoded.value.value : {}) as Answer
}

async function refusal(subject: string, call: unknown): Promise<string> {
  const data = call instanceof Uint8Array ? call : encode(call, 'json')
  const { error } = await ask(subject, data)
  assert.ok(error, `refused on ${subject}`)
  assert.type(error?.message, 'string')
  return error?.code ?? ''
}

/** One short task by another framework, and how long it took, ms. */
async function served(): Promise<number> {
  const began = performance.now()
  let done = () => {}
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const run = new TaskRun({
    tasks: [{ name: 'honest', command: 'true', cpus: 0.1, mem: 32 }],
    onDone: () => done(),
  })
  const framework = { name: 'honest', user: 'root' }
  const servers = [cluster().natsUrl]
  const connected = await connectScheduler({ servers, framework, callbacks: run.callbacks })
  await finished
  const tookMs = performance.now() - began
  connected.driver.teardown()
  await connected.close()
  assert.is(run.progress[0]?.state, 'TASK_FINISHED')
  return tookMs
}

/** Resident memory of a process, MiB. */
function memoryMiB(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

let sequence = 0

/** A frame as a node would send it, in the name of one that does not exist. */
function forged(type: string, body: unknown): Uint8Array {
  const from = 'eve@evil~cafecafecafe.1' as Pid
  const envelope = encodeEnvelope(type, from, pid('any', 'any'), 0, body, '')
  const header = { node: 'evil', incarnation: 'cafecafecafe', toIncarnation: '', stream: 1 }
  return encodeFrame({ ...header, sequence: ++sequence, seen: 0, kind: KIND_ENVELOPES }, [envelope])
}

const subscribe = (id: string, info: object = {}) => ({
  type: 'SUBSCRIBE',
  framework_id: { value: id },
  subscribe: { framework_info: { user: 'root', name: id, id: { value: id }, ...info } },
})

const openings = ['meseta.framework.new.call', 'meseta.framework.x.call', 'meseta.master.call']

test('random bytes and truncated MessagePack are refused where an answer is awaited', async () => {
  const whole = packr.pack(subscribe('cut'))
  for (const subject of openings) {
    for (let length = 1; length < 40; length++) {
      // The first byte keeps it from being the empty map or a bare number by chance.
      await refusal(subject, Uint8Array.of(0xc1, ...random.bytes(length)))
      await refusal(subject, whole.subarray(0, length))
    }
  }
  assert.is(await refusal('meseta.master.call', Empty), 'INVALID_MESSAGE')
})

test('wrong types are refused with the place that is wrong', async () => {
  const wrong: Array<[string, object, RegExp]> = [
    ['meseta.framework.new.call', { type: 'SUBSCRIBE', subscribe: 7 }, /subscribe/],
    ['meseta.framework.new.call', { type: ['SUBSCRIBE'] }, /type/],
    [
      'meseta.framework.x.call',
      { type: 'KILL', framework_id: { value: 'x' }, kill: {} },
      /task_id/,
    ],
    ['meseta.framework.x.call', { type: 'constructor', framework_id: { value: 'x' } }, /type/],
    ['meseta.master.call', { type: 'TEARDOWN', teardown: { framework_id: 'x' } }, /framework_id/],
  ]
  for (const [subject, call, place] of wrong) {
    const { error } = await ask(subject, encode(call, 'json'))
    assert.is(error?.code, 'INVALID_MESSAGE')
    assert.match(error?.message ?? '', place)
  }
})

test('deep nesting and huge messages are refused', async () => {
  const depth = 10_000
  const nestedJson = `{"type":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const nestedPack = new Uint8Array(depth + 1).fill(0x91)
  const flat = `{"type":"KILL","x":[${'1,'.repeat(400_000)}1]}`
  for (const subject of openings) {
    await refusal(subject, new TextEncoder().encode(nestedJson))
    await refusal(subject, nestedPack)
    await refusal(subject, new TextEncoder().encode(flat))
    await refusal(subject, new TextEncoder().encode(`{"type":"${'x'.repeat(900_000)}"}`))
  }
})

test('calls for unknown frameworks, and ids that are paths, are refused', async () => {
  const revive = { type: 'REVIVE', framework_id: { value: 'nobody' } }
  assert.is(await refusal('meseta.framework.nobody.call', revive), 'UNKNOWN_FRAMEWORK')
  // Someone else's id in the document.
  assert.is(await refusal('meseta.framework.somebody.call', revive), 'INVALID_MESSAGE')
  for (const id of ['../../etc', 'a/b', '..', '', 'a b', '*', '>', 'x'.repeat(300)]) {
    assert.is(await refusal('meseta.framework.new.call', subscribe(id)), 'INVALID_MESSAGE', id)
  }
})

test("offers of others, negative resources and ids with '..' launch nothing", async () => {
  const victim = await raw('victim')
  const offer = await victim.offer()
  const thief = await raw('thief')
  const task = (id: string, cpus: number) => ({
    name: id,
    task_id: { value: id },
    agent_id: offer.agent_id,
    resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: cpus } }],
    command: { value: 'true' },
  })
  const accept = (framework: RawFramework, tasks: object[]) =>
    framework.call('ACCEPT', {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: 'LAUNCH', launch: { task_infos: tasks } }],
      },
    })
  await accept(thief, [task('stolen', 0.1)])
  assert.equal(await thief.fate('stolen'), ['TASK_LOST', 'REASON_INVALID_OFFERS'])
  // The offer is still its owner's, whose own mistakes cost it only the tasks that have them.
  await accept(victim, [task('minus', -1), task('../up', 0.1), task('a/b', 0.1), task('good', 0.1)])
  for (const id of ['minus', '../up', 'a/b']) {
    assert.equal(await victim.fate(id), ['TASK_ERROR', 'REASON_TASK_INVALID'])
  }
  assert.is((await victim.fate('good'))[0], 'TASK_FINISHED')
  await victim.call('TEARDOWN')
  await thief.call('TEARDOWN')
})

test('garbage and forgery on the mailboxes of components does no harm', async () => {
  const names = [
    'REGISTER_AGENT',
    'STATUS_UPDATE',
    'RUN_TASKS',
    'ALLOCATION',
    '@exit',
    '@call',
    '@reply',
    'xstate.done',
  ]
  for (const mailbox of [
    'master.master',
    'master.allocator',
    'master.registrar',
    'agent-1.agent',
    'agent-1.updates',
    'agent-1.root',
    'master._node',
  ]) {
    const subject = `meseta.pid.${mailbox}`
    for (let round = 0; round < 50; round++)
      nats.publish(subject, random.bytes(1 + random.int(200)))
    for (const name of names) {
      for (const body of [null, 7, [], {}, { framework_id: 1 }, { shares: [{}] }]) {
        nats.publish(subject, forged(name, body))
      }
    }
  }
  for (const subject of [
    'meseta.leader',
    'meseta.executor.a.b.c.d.call',
    'meseta.agent.x.call',
    'meseta.node.master.actors',
    'meseta.events.leader.evil',
  ]) {
    for (let round = 0; round < 50; round++)
      nats.publish(subject, random.bytes(1 + random.int(200)), { reply: 'nowhere' })
  }
  await nats.flush()
  assert.ok((await served()) < 15_000)
  // What came on the connection between nodes may still wait when an answer comes on that of clients.
  const reasons = new Set<string>()
  await until(
    async () => {
      const { dead_letters } = (await ask(
        'meseta.node.master.actors',
        encode({}, 'json'),
      )) as unknown as NodeInfo
      for (const { why } of dead_letters.last) reasons.add(why)
      return reasons.has('INVALID_MESSAGE') && reasons.has('FORGED')
    },
    { what: 'both kinds of letters to be dead' },
  )
})

test('a client with 100,000 calls at once starves nobody, and memory stays bounded', {
  timeoutMs: 60_000,
}, async () => {
  const before = { master: memoryMiB(pids.master ?? 0), agent: memoryMiB(pids.agent ?? 0) }
  const call = encode(
    { type: 'DECLINE', framework_id: { value: 'flood' }, decline: { offer_ids: [{ value: 'x' }] } },
    'json',
  )
  let refused = 0
  nats.subscribe('flood.answers', {
    callback: (_error, { data }) => {
      if (data.length > 0) refused++
    },
  })
  for (let count = 0; count < 100_000; count++) {
    if (count % 10 === 0)
      nats.publish('meseta.framework.flood.call', call, { reply: 'flood.answers' })
    else nats.publish('meseta.framework.flood.call', call)
  }
  const tookMs = await served()
  assert.ok(tookMs < 20_000, `served within ${Math.round(tookMs)} ms`)
  await nats.flush()
  await until(() => refused > 0, { what: 'a call of the flood to be answered' })
  for (const name of ['master', 'agent'] as const) {
    const grown = memoryMiB(pids[name] ?? 0) - before[name]
    assert.ok(grown < 300, `${name} has grown by ${Math.round(grown)} MiB`)
  }
})

/** A framework by hand, in JSON. */
interface RawFramework {
  call(type: string, payload?: object): Promise<Answer>
  // biome-ignore lint/suspicious/noExplicitAny: a plain client sees plain documents
  offer(): Promise<any>
  /** Terminal state and reason of a task. */
  fate(id: string): Promise<string[]>
}

async function raw(id: string): Promise<RawFramework> {
  // biome-ignore lint/suspicious/noExplicitAny: a plain client sees plain documents
  const offers: any[] = []
  const fates = new Map<string, string[]>()
  const subject = `meseta.framework.${id}.call`
  const call = (type: string, payload: object = {}) =>
    ask(subject, encode({ type, framework_id: { value: id }, ...payload }, 'json'))
  nats.subscribe(`meseta.framework.${id}.event`, {
    callback: (_error, { data }) => {
      const event = JSON.parse(new TextDecoder().decode(data))
      if (event.type === 'OFFERS') offers.push(...event.offers.offers)
      if (event.type !== 'UPDATE') return
      const { task_id, agent_id, state, reason, uuid } = event.update.status
      if (uuid) void call('ACKNOWLEDGE', { acknowledge: { task_id, agent_id, uuid } })
      if (/FINISHED|FAILED|KILLED|LOST|ERROR/.test(state)) fates.set(task_id.value, [state, reason])
    },
  })
  assert.is((await ask(subject, encode(subscribe(id), 'json'))).error, undefined)
  return {
    call,
    async offer() {
      await until(() => offers.length > 0, { what: `an offer to ${id}` })
      return offers.shift()
    },
    async fate(task) {
      await until(() => fates.has(task), { what: `the end of ${task}` })
      return fates.get(task) ?? []
    },
  }
}

test.run()
