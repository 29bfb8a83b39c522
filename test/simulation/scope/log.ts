/** The log's store: what replicas promise and accept, and what writers append. Spec: replicated-log.md §13. */
import { log } from '../../../actors/log/index.ts'
import type { Message, Payload, Reply } from '../../../protocol/index.ts'
import {
  Append,
  type Body,
  CatchUp,
  Elect,
  Learned,
  Positions,
  PromiseRequest,
  Read,
  Truncate,
  WriteRequest,
} from '../../../protocol/log.ts'
import { type Outcome, pid } from '../../../src/runtime/index.ts'
import { bytes, text } from '../../support/log-cluster.ts'
import { type Probe, type World, world } from '../../support/nodes.ts'
import { assert } from '../../support/suite.ts'
import type { Choose } from './explore.ts'
import { type Death, MortalHost } from './mortal-host.ts'

const timeoutMs = 4000
const deaths: readonly Death[] = ['kill']
const body = (data: string): Body => ({ type: 'APPEND', data: bytes(data) })

/** A replica keeps its word: promises, accepted bodies (all of a request or none), and what is learned. */
export async function acceptor(choose: Choose): Promise<void> {
  const { w, host, probe } = await alone(choose)
  const ask = asking(probe, 'log')
  await voting(w, ask)
  const entries = [
    { position: 1, body: body('x') },
    { position: 2, body: body('y') },
  ]
  const promised = await ask(PromiseRequest, { proposal: 10 })
  const written = await ask(WriteRequest, { proposal: 10, entries })
  const raised = await ask(PromiseRequest, { proposal: 20, position: 1 })
  await probe.send(pid('log', 'a'), Learned, { entries: entries.slice(1) })
  await w.advance(5000)

  await voting(w, ask)
  const again = await sure(w, ask, PromiseRequest, { proposal: 10 })
  if (isAccepted(promised)) assert.is(again.type, 'REJECT', 'a promise is forgotten')
  const lower = await sure(w, ask, PromiseRequest, { proposal: 15, position: 1 })
  // It may have learned the first as well, from itself, to close the gap: then nothing is to be promised.
  const isChosen = lower.type === 'ACCEPT' && lower.learned === true
  if (isAccepted(raised) && !isChosen)
    assert.is(lower.type, 'REJECT', 'a promise for a position is forgotten')
  const found = []
  for (const position of [1, 2]) {
    const reply = await sure(w, ask, PromiseRequest, { proposal: 30, position })
    if (reply.type !== 'ACCEPT') throw new Error(`position ${position}: ${reply.type}`)
    if (reply.body?.type === 'APPEND') found.push(text(reply.body.data))
  }
  // The second was learned too, by a message of its own.
  const kept = found.join('')
  if (isAccepted(written)) assert.is(kept, 'xy', 'a write is forgotten')
  else assert.ok(['', 'y', 'xy'].includes(kept), `a write is there in part: ${kept}`)
  await end(w, host)
}

/** What a writer was told is in the log stays there, once; what it was told failed is there once at most. */
export async function writer(choose: Choose): Promise<void> {
  const { w, host, probe } = await alone(choose)
  const ask = asking(probe, 'log-writer')
  const told = new Map<string, number>()
  const asked = ['x', 'y', 'z']
  let truncatedTo: number | undefined
  let epoch = await elected(w, ask)
  for (const item of asked) {
    const outcome = await ask(Append, { epoch, data: bytes(item) })
    if (outcome.ok) told.set(item, outcome.value.position)
    else epoch = await elected(w, ask)
    if (item !== 'y') continue
    const cut = await ask(Truncate, { epoch, to: 2 })
    if (cut.ok) truncatedTo = 2
    else epoch = await elected(w, ask)
  }
  await w.advance(3000)
  // Whoever is elected learns what was chosen and perhaps not yet marked as such.
  await elected(w, ask)
  const { begin, entries } = await readAll(w, asking(probe, 'log'))
  assert.ok(begin <= 2 && begin >= (truncatedTo ?? 0), `the log begins at ${begin}`)
  for (const [item, position] of told)
    if (position >= begin) assert.is(entries.get(position), item, `${item} is lost`)
  const found = [...entries.values()]
  assert.equal(found, [...new Set(found)], 'something was appended twice')
  assert.equal(found.toSorted(), found, 'what was appended first comes later')
  for (const item of found) assert.ok(asked.includes(item), `nobody has appended ${item}`)
  await end(w, host)
}

/** A replica with an empty disk beside two that vote; `isNew`: whose disks are empty too. */
export async function joiner(choose: Choose, isNew: boolean): Promise<void> {
  const w = world()
  const replicas = ['a', 'b', 'c']
  for (const name of replicas.slice(1)) {
    await w.start(name, { children: [log({ path: '/log', node: name, replicas })] })
  }
  const probe = await w.probe(await w.start('client'))
  const host = new MortalHost({
    name: 'a',
    clock: w.clock,
    broker: w.broker,
    choose,
    deaths,
    program: () => [log({ path: '/log', node: 'a', replicas })],
  })
  if (!isNew) {
    // As it was before `a` lost its disk: with a third one that voted.
    const former = await w.start('a', { children: [log({ path: '/log', node: 'a', replicas })] })
    await append(w, probe, 'b', 'x')
    await w.crash(former)
  }
  host.start()
  const to = asking(probe, 'log', 'a')
  await voting(w, to)
  await append(w, probe, 'b', 'y')
  await w.advance(3000)
  const { entries } = await readAll(w, to)
  assert.equal([...entries.values()], isNew ? ['y'] : ['x', 'y'])
  await end(w, host)
}

async function append(w: World, probe: Probe, node: string, item: string): Promise<void> {
  const ask = asking(probe, 'log-writer', node)
  for (let tried = 0; tried < 20; tried++) {
    const epoch = await elected(w, ask)
    if ((await ask(Append, { epoch, data: bytes(item) })).ok) return
    // It is not known whether it was done: what stands there tells.
    const { entries } = await readAll(w, asking(probe, 'log', node))
    if ([...entries.values()].includes(item)) return
  }
  throw new Error(`${item} cannot be appended`)
}

/** One mortal replica that is a quorum by itself, and a client elsewhere. */
async function alone(choose: Choose) {
  const w = world()
  const probe = await w.probe(await w.start('client'))
  const host = new MortalHost({
    name: 'a',
    clock: w.clock,
    broker: w.broker,
    choose,
    deaths,
    program: () => [log({ path: '/log', node: 'a', replicas: ['a'] })],
  })
  host.start()
  return { w, host, probe }
}

type Ask = <M extends Message>(message: M, body: Payload<M>) => Promise<Outcome<Reply<M>>>

function asking(probe: Probe, id: string, node = 'a'): Ask {
  return (message, body) => probe.ask(pid(id, node), message, body, { timeoutMs })
}

/** The answer; asked for again after one was lost with a process. */
async function sure<M extends Message>(
  w: World,
  ask: Ask,
  message: M,
  body: Payload<M>,
): Promise<Reply<M>> {
  for (let tried = 0; tried < 5; tried++) {
    const outcome = await ask(message, body)
    if (outcome.ok) return outcome.value
    await voting(w, ask)
  }
  throw new Error(`${message.name} is never answered`)
}

async function voting(w: World, ask: Ask): Promise<void> {
  for (let tried = 0; tried < 200; tried++) {
    const outcome = await ask(Positions, {})
    if (outcome.ok && outcome.value.status === 'VOTING') return
    await w.advance(200)
  }
  throw new Error('the replica does not come to vote')
}

async function elected(w: World, ask: Ask): Promise<number> {
  for (let tried = 0; tried < 100; tried++) {
    const outcome = await ask(Elect, {})
    if (outcome.ok) return outcome.value.epoch
    await w.advance(200)
  }
  throw new Error('the writer is never elected')
}

async function readAll(w: World, ask: Ask) {
  await voting(w, ask)
  await sure(w, ask, CatchUp, {})
  const { begin, learned } = await sure(w, ask, Positions, {})
  const entries = new Map<number, string>()
  for (let from = begin; from <= learned; ) {
    const part = await sure(w, ask, Read, { from, to: learned })
    for (const { position, data } of part.entries) entries.set(position, text(data))
    from = part.next
  }
  return { begin, entries }
}

function isAccepted(outcome: Outcome<{ readonly type: string }>): boolean {
  return outcome.ok && outcome.value.type === 'ACCEPT'
}

async function end(w: World, host: MortalHost): Promise<void> {
  const corrupt = host.log.lines.find(({ message }) => message.includes('corrupt'))
  assert.is(corrupt, undefined, 'the disk is taken for corrupt')
  await host.stop()
  await w.stop()
}
