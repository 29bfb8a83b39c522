/** Single decisions of the cores, each with the section of replicated-log.md that it keeps. */
import * as coordinators from '../../../actors/log/coordinator.ts'
import { newFill, onPromise, onWrite } from '../../../actors/log/fill.ts'
import { ensembleOf, Tally } from '../../../actors/log/quorum.ts'
import { decide, type Survey } from '../../../actors/log/recovery.ts'
import * as replicas from '../../../actors/log/replica.ts'
import { hear, heardOf, isBehind } from '../../../actors/log/voted.ts'
import type { Body, RecoverReply } from '../../../protocol/log.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('log: decisions')

const three = ensembleOf(['a', 'b', 'c'])
const append = (what: string): Body => ({ type: 'APPEND', data: new TextEncoder().encode(what) })
const X = append('X')
const Y = append('Y')
const voter = () => replicas.emptyReplica('a', 'VOTING')
const accept = { type: 'ACCEPT', generations: {} } as const

function promised(replica: replicas.Replica, proposal: number, position?: number) {
  const request = position === undefined ? { proposal } : { proposal, position }
  const outcome = replicas.promise(replica, request)
  return outcome.type === 'ANSWER' ? outcome.reply : outcome
}

const write = (replica: replicas.Replica, proposal: number, position: number, body: Body) =>
  replicas.write(replica, { proposal, entries: [{ position, body }] })

test('a promise is granted once; the same proposal may write again (§4: <= and <)', () => {
  const replica = voter()
  assert.equal(promised(replica, 3), { ...accept, end: 0 })
  assert.equal(promised(replica, 3), { type: 'REJECT', promised: 3 })
  assert.equal(write(replica, 3, 1, X), accept)
  assert.equal(write(replica, 3, 1, X), accept)
  assert.equal(write(replica, 2, 2, Y), { type: 'REJECT', promised: 3 })
})

test('an explicit promise concerns its position alone, and tells what was written there (§4)', () => {
  const replica = voter()
  promised(replica, 3)
  write(replica, 3, 1, X)
  assert.equal(promised(replica, 3, 1), { type: 'REJECT', promised: 3 })
  assert.equal(promised(replica, 9, 1), { ...accept, performed: 3, body: X })
  assert.is(replica.promised, 3)
  assert.equal(write(replica, 3, 1, X), { type: 'REJECT', promised: 9 })
  assert.equal(write(replica, 3, 2, Y), accept)
})

test('a hole answers an explicit promise by the promise for all (§4)', () => {
  const replica = voter()
  promised(replica, 3)
  assert.equal(promised(replica, 3, 5), { type: 'REJECT', promised: 3 })
  assert.equal(promised(replica, 4, 5), accept)
  assert.is(replica.end, 5, 'a position that holds a promise only is in use (§2)')
})

test('late accept (§4.1): what was accepted raises the promise of its position', () => {
  const replica = voter()
  promised(replica, 3)
  assert.equal(write(replica, 5, 7, Y), accept)
  assert.equal(write(replica, 3, 7, X), { type: 'REJECT', promised: 5 })
  assert.equal(replica.open.get(7)?.body, Y)
})

test('who does not vote ignores promises and writes, whatever it holds (§2, L6)', () => {
  for (const status of ['EMPTY', 'STARTING', 'RECOVERING', 'CORRUPT'] as const) {
    const replica = replicas.emptyReplica('a', status)
    assert.equal(promised(replica, 1), { type: 'IGNORED' })
    assert.equal(promised(replica, 1, 1), { type: 'IGNORED' })
    assert.equal(write(replica, 1, 1, X), { type: 'IGNORED' })
    assert.equal(replica.changes, [])
  }
})

test('a batch is taken as a whole or not at all', () => {
  const replica = voter()
  promised(replica, 9, 2)
  const entries = [
    { position: 1, body: X },
    { position: 2, body: Y },
  ]
  assert.equal(replicas.write(replica, { proposal: 4, entries }), { type: 'REJECT', promised: 9 })
  assert.not(replica.open.has(1))
})

test('CHOSEN concerns what was written under its proposal; another body stays open', () => {
  const replica = voter()
  write(replica, 3, 1, X)
  write(replica, 4, 2, Y)
  replicas.chosen(replica, { proposal: 4, from: 1, to: 2 })
  assert.equal(replica.learned.ranges, [[2, 2]])
  assert.equal(replicas.missing(replica, 2), [[0, 1]])
})

test('a learned truncation moves the beginning; what is before is answered with it (§4, §7)', () => {
  const replica = voter()
  replicas.learn(replica, { position: 4, body: { type: 'TRUNCATE', to: 3 } })
  assert.is(replica.begin, 3)
  assert.equal(promised(replica, 1, 2), { ...accept, begin: 3 })
  assert.equal(write(replica, 9, 2, X), { type: 'IGNORED' })
})

test('a filled position gets the body of the highest proposal that a quorum tells of (§5, §14)', () => {
  const fill = newFill(three, 7, 9)
  onPromise(fill, 'a', { ...accept, performed: 3, body: X })
  assert.equal(onPromise(fill, 'b', { ...accept, performed: 5, body: Y }), { type: 'WRITE' })
  assert.equal(fill.body, Y)
  const reverse = newFill(three, 7, 9)
  onPromise(reverse, 'b', { ...accept, performed: 5, body: Y })
  onPromise(reverse, 'a', { ...accept, performed: 3, body: X })
  assert.equal(reverse.body, Y)
})

test('where nobody wrote, a filled position gets a NOP; a promise is no body (§5)', () => {
  const fill = newFill(three, 7, 9)
  onPromise(fill, 'a', accept)
  onPromise(fill, 'b', accept)
  assert.equal(fill.body, { type: 'NOP' })
  assert.equal(onWrite(fill, 'a', accept), { type: 'WAIT' })
  assert.equal(onWrite(fill, 'b', accept), { type: 'CHOSEN', body: { type: 'NOP' } })
})

test('a learned body ends a fill at once, before a quorum has answered (§5)', () => {
  const fill = newFill(three, 7, 9)
  const vote = { ...accept, learned: true, body: X }
  assert.equal(onPromise(fill, 'c', vote), { type: 'CHOSEN', body: X })
})

test('a rejected fill begins again above what rejected it (§5)', () => {
  const fill = newFill(three, 7, 2)
  onPromise(fill, 'a', { type: 'REJECT', promised: 40 })
  assert.equal(onPromise(fill, 'b', { type: 'REJECT', promised: 8 }), { type: 'RETRY' })
  assert.is(fill.proposal, 41)
})

test('a round fails as soon as no quorum can be had, and never hangs on a mixture (§5)', () => {
  const five = ensembleOf(['a', 'b', 'c', 'd', 'e'])
  const tally = new Tally(five)
  tally.add('a', accept)
  tally.add('b', accept)
  tally.add('c', { type: 'IGNORED' })
  tally.add('d', { type: 'IGNORED' })
  assert.is(tally.verdict, 'OPEN')
  tally.add('e', { type: 'FAILED' })
  assert.is(tally.verdict, 'NO_QUORUM')
})

test('an answer from before the loss of its disk does not count beside one that knows of the loss', () => {
  const before = new Tally(three)
  before.add('a', accept)
  before.add('b', { ...accept, generations: { a: 1 } })
  assert.is(before.verdict, 'OPEN')
  before.add('c', { type: 'FAILED' })
  assert.is(before.verdict, 'NO_QUORUM')
  const after = new Tally(three)
  after.add('a', { ...accept, generations: { a: 1 } })
  after.add('b', accept)
  assert.is(after.verdict, 'ACCEPTED')
})

test('a quorum is a majority of the ensemble, or is refused (§1)', () => {
  assert.is(ensembleOf(['a']).quorum, 1)
  assert.is(ensembleOf(['a', 'b', 'c', 'd', 'e']).quorum, 3)
  assert.throws(() => ensembleOf(['a', 'b', 'c'], 1), /not a majority/)
  assert.throws(() => ensembleOf(['a', 'b', 'c', 'd'], 2), /not a majority/)
  assert.throws(() => ensembleOf(['a', 'b'], 3), /not a majority/)
  assert.throws(() => ensembleOf(['a', 'a']), /twice/)
  assert.throws(() => ensembleOf([]), /at least one/)
})

function elected(): coordinators.Coordinator {
  const coordinator = coordinators.newCoordinator(three)
  coordinators.elect(coordinator, 4)
  coordinators.onPromise(coordinator, 'a', { ...accept, end: 2 })
  const outcome = coordinators.onPromise(coordinator, 'b', { ...accept, end: 6 })
  assert.equal(outcome, { type: 'FILL', index: 6 })
  coordinators.lead(coordinator, 6)
  return coordinator
}

test('an election outbids the durable promise, and begins behind the highest end of a quorum (§6)', () => {
  const coordinator = elected()
  assert.is(coordinator.proposal, 5)
  assert.equal(coordinators.propose(coordinator, [X]).entries, [{ position: 7, body: X }])
})

test('pipelined batches are reported chosen in the order of positions, whatever comes first (§6)', () => {
  const coordinator = elected()
  const one = coordinators.propose(coordinator, [X, Y])
  const two = coordinators.propose(coordinator, [X])
  coordinators.onWrite(coordinator, two, 'a', accept)
  assert.equal(coordinators.onWrite(coordinator, two, 'b', accept), { type: 'WAIT' })
  coordinators.onWrite(coordinator, one, 'a', accept)
  assert.equal(coordinators.onWrite(coordinator, one, 'c', accept), {
    type: 'CHOSEN',
    from: 7,
    to: 9,
  })
})

test('after a refused write nothing more is written under that proposal (§6, the trap)', () => {
  const coordinator = elected()
  const batch = coordinators.propose(coordinator, [X])
  coordinators.onWrite(coordinator, batch, 'a', { type: 'REJECT', promised: 11 })
  const outcome = coordinators.onWrite(coordinator, batch, 'b', { type: 'REJECT', promised: 9 })
  assert.equal(outcome, { type: 'LOST', promised: 11 })
  assert.is(coordinator.phase, 'IDLE')
  assert.equal(coordinators.onWrite(coordinator, batch, 'c', accept), { type: 'WAIT' })
  assert.is(coordinators.elect(coordinator, 0), 12)
})

function survey(
  status: Survey['status'],
  answers: Record<string, RecoverReply>,
  more: Partial<Survey> = {},
): Survey {
  return {
    ensemble: three,
    node: 'a',
    status,
    generation: 0,
    autoInitialize: true,
    answers: new Map(Object.entries(answers)),
    ...more,
  }
}
const voting = (more: Partial<RecoverReply> = {}): RecoverReply => ({
  status: 'VOTING',
  begin: 0,
  end: 0,
  promised: 0,
  generations: {},
  ...more,
})

test('a new log begins in two phases, and only where all are there (§8)', () => {
  const EMPTY = { status: 'EMPTY' } as const
  const STARTING = { status: 'STARTING' } as const
  assert.equal(decide(survey('EMPTY', { b: EMPTY })), { type: 'WAIT' })
  assert.equal(decide(survey('EMPTY', { b: EMPTY, c: STARTING })), { type: 'START' })
  assert.equal(decide(survey('STARTING', { b: STARTING, c: EMPTY })), { type: 'WAIT' })
  assert.equal(decide(survey('STARTING', { b: STARTING, c: voting() })), { type: 'VOTE' })
  assert.equal(decide(survey('EMPTY', { b: EMPTY, c: voting() })), { type: 'WAIT' })
  assert.equal(decide(survey('EMPTY', { b: EMPTY, c: EMPTY }, { autoInitialize: false })), {
    type: 'WAIT',
  })
  assert.equal(decide(survey('CORRUPT', { b: EMPTY, c: EMPTY })), { type: 'WAIT' })
  assert.equal(decide(survey('EMPTY', { b: { status: 'CORRUPT' }, c: EMPTY })), { type: 'WAIT' })
})

test('beside a quorum of voters a new disk is announced first, with a generation that none knows', () => {
  const answers = { b: voting({ generations: { a: 2 } }), c: voting({ generations: { a: 1 } }) }
  assert.equal(decide(survey('EMPTY', answers)), { type: 'ANNOUNCE', generation: 3 })
  assert.equal(decide(survey('STARTING', answers, { generation: 1 })), {
    type: 'ANNOUNCE',
    generation: 3,
  })
})

test('it catches up with what a quorum tells that knows of its new disk (§8)', () => {
  const generations = { a: 3 }
  const half = { b: voting({ generations }), c: voting({ generations: { a: 2 } }) }
  assert.equal(decide(survey('EMPTY', half, { generation: 3 })), { type: 'WAIT' })
  const whole = {
    b: voting({ generations, begin: 4, end: 9, promised: 7 }),
    c: voting({ generations: { a: 3, b: 1 }, begin: 2, end: 12, promised: 5 }),
  }
  assert.equal(decide(survey('EMPTY', whole, { generation: 3 })), {
    type: 'CATCH_UP',
    begin: 4,
    end: 12,
    promised: 7,
    generations: { a: 3, b: 1 },
    votes: {},
  })
})

test('a disk from before it got its vote is announced as a new one (§8)', () => {
  const answers = (end: number) => {
    const voted = { a: { generation: 3, promised: 0, end } }
    const told = voting({ generations: { a: 3 }, votes: voted })
    return { b: told, c: told }
  }
  assert.is(decide(survey('RECOVERING', answers(0), { generation: 3 })).type, 'CATCH_UP')
  assert.equal(decide(survey('RECOVERING', answers(1), { generation: 3 })), {
    type: 'ANNOUNCE',
    generation: 4,
  })
})

test('a replica is behind what was heard of it by its disk, its promise or its end', () => {
  const own = { generation: 1, promised: 5, end: 9 }
  const behind = (more: Partial<typeof own>) => isBehind(own, { ...own, ...more })
  assert.not(behind({}))
  assert.not(behind({ promised: 4, end: 8 }))
  assert.not(behind({ generation: 0, promised: 50, end: 90 }), 'that disk is lost')
  assert.ok(behind({ promised: 6, end: 8 }))
  assert.ok(behind({ promised: 4, end: 10 }))
  assert.ok(behind({ generation: 2, promised: 0, end: 0 }))
})

test('of what is heard of votes the latest is kept, and with a new disk they begin anew', () => {
  const replica = replicas.emptyReplica('a', 'VOTING')
  const heard = (generation: number, promised: number, end: number) =>
    hear(replica, { b: { generation, promised, end } })
  assert.ok(heard(0, 5, 2))
  assert.ok(heard(0, 4, 3))
  assert.equal(replica.votes, { b: { generation: 0, promised: 5, end: 3 } })
  assert.not(heard(0, 5, 2), 'nothing new')
  assert.ok(heard(1, 1, 0))
  assert.not(heard(0, 9, 9), 'of a disk that is lost')
  assert.equal(heardOf(replica, 'b'), { generation: 1, promised: 1, end: 0 })
  replicas.noteGeneration(replica, 'b', 2)
  assert.equal(heardOf(replica, 'b'), { generation: 2, promised: 0, end: 0 })
})

test.run()
