/** Each rule of the log lets good histories pass and names what is wrong with bad ones. */
import { recordKey } from '../../actors/log/records.ts'
import { emptyReplica } from '../../actors/log/replica.ts'
import { encode } from '../../protocol/codec.ts'
import { seal } from '../../src/storage/sealed-store.ts'
import { assert, suite } from '../support/suite.ts'
import { broken } from './broken.ts'
import { LogHistory } from './log-rules.ts'
import { type Answered, checkAnswer, type Proposal } from './vote-rules.ts'

const test = suite('rules of the log')

/** What a replica's disk holds: metadata, and records by position. */
function disk(
  promised: number,
  records: Record<number, object>,
  status = 'VOTING',
  generations: Record<string, number> = {},
): Map<string, Uint8Array> {
  const contents = Object.entries(records).map(
    ([position, record]) => [recordKey(Number(position)), record] as const,
  )
  const all: ReadonlyArray<readonly [string, object]> = [
    ['metadata', { status, promised, generations }],
    ...contents,
  ]
  return new Map(all.map(([key, record]) => [key, seal(key, encode(record))]))
}
const append = (text: string) => ({ type: 'APPEND' as const, data: new TextEncoder().encode(text) })

test('what replicas have learned, written and promised fits together', () => {
  const learned = (text: string) => ({ promised: 0, learned: true, body: append(text) })
  const written = (promised: number, performed: number, text: string) => ({
    promised,
    performed,
    body: append(text),
  })
  const looks = (...all: ReadonlyArray<readonly [string, Map<string, Uint8Array>]>) => {
    const history = new LogHistory()
    for (const text of ['x', 'y']) history.asked(append(text).data)
    return broken(() => {
      for (const [replica, contents] of all) history.look(replica, contents)
    })
  }
  const x = disk(5, { 1: learned('x') })
  assert.is(looks(['a', x], ['b', x], ['a', disk(6, { 1: learned('x') })]), undefined)
  assert.is(looks(['a', x], ['b', disk(5, { 1: learned('y') })]), 'L1')
  const once = disk(5, { 2: written(5, 5, 'x') })
  assert.is(looks(['a', once], ['b', disk(5, { 2: written(5, 5, 'y') })]), 'L2')
  assert.is(looks(['a', once], ['b', disk(6, { 2: written(6, 6, 'y') })]), undefined)
  assert.is(looks(['a', x], ['a', disk(4, {})]), 'L3')
  const refilled = disk(4, {}, 'VOTING', { a: 1, b: 1 })
  assert.is(looks(['a', x], ['a', refilled]), undefined, 'it has lost what it promised')
  assert.is(looks(['b on disk 2', refilled], ['b on disk 2', disk(3, {})]), 'L3')
  assert.is(looks(['a', once], ['a', disk(5, { 2: { promised: 4 } })]), 'L3')
  assert.is(looks(['a', disk(5, { 2: written(4, 5, 'x') })]), 'L4')
})

test('what was appended is in the log, once and for good', () => {
  const { data } = append('x')
  const x = { promised: 0, learned: true, body: append('x') }
  const log = (...votes: Array<ReturnType<typeof disk>>) => {
    const history = new LogHistory()
    history.asked(data)
    history.confirmed('w', 5, 1, data)
    return broken(() => {
      for (const contents of votes) history.look('a', contents)
    })
  }
  assert.is(log(disk(5, { 1: x })), undefined)
  assert.is(log(disk(5, { 1: { ...x, body: append('y') } })), 'L8')
  assert.is(log(disk(5, { 1: x, 2: x })), 'L9')
  const history = new LogHistory()
  history.confirmed('w', 5, 1, data)
  history.elected('v', 1, 1, 1)
  assert.is(
    broken(() => history.confirmed('v', 5, 2, data)),
    'L7',
  )
  assert.is(
    broken(() => history.elected('v', 1, 0, 0)),
    'L8',
  )
  assert.is(
    broken(() => history.elected('v', 1, 1, 0)),
    'L10',
  )
})

test('a replica gets a vote with all that was answered before', () => {
  const x = { promised: 0, learned: true, body: append('x') }
  const rejoined = (status: string, contents: ReturnType<typeof disk>) => {
    const history = new LogHistory()
    history.asked(append('x').data)
    history.confirmed('w', 5, 0, append('x').data)
    history.turn()
    return broken(() => {
      history.look('a', disk(5, {}, status))
      history.look('a', contents)
    })
  }
  assert.is(rejoined('RECOVERING', disk(6, { 0: x })), undefined)
  assert.is(rejoined('RECOVERING', disk(6, {}, 'RECOVERING')), undefined)
  assert.is(rejoined('EMPTY', disk(6, {})), 'L14')
  const partly = new LogHistory()
  partly.asked(append('x').data)
  partly.confirmed('w', 5, 2, append('z').data)
  partly.turn()
  partly.look('a', disk(5, {}, 'RECOVERING'))
  assert.is(
    broken(() => partly.look('a', disk(6, { 0: x }))),
    'L11',
  )
})

test('a replica that lags may go on with what it had when its other log was set back', () => {
  const history = new LogHistory()
  history.look('a on disk 1', disk(5, {}))
  history.confirmed('w', 5, 0, append('x').data)
  history.turn()
  history.moved('a on disk 1', 'a on disk 2')
  history.look('a on disk 2', disk(5, {}))
  assert.is(
    broken(() => history.look('a on disk 3', disk(5, {}))),
    'L14',
  )
})

test('a replica on an old copy of its disk votes only when it is filled again', () => {
  const x = { promised: 0, learned: true, body: append('x') }
  const history = new LogHistory()
  history.asked(append('x').data)
  history.confirmed('w', 5, 0, append('x').data)
  history.turn()
  history.setBack('a', 0)
  const runs = (status: Answered['status'], generations: Record<string, number> = {}) =>
    broken(() => history.runs('a', { ...emptyReplica('a', status), generations }))
  history.look('a', disk(4, {}))
  assert.is(runs('RETURNING'), undefined)
  assert.is(runs('VOTING'), 'L3')
  assert.is(runs('VOTING', { a: 1 }), undefined)
  history.look('a', disk(5, { 0: x }, 'VOTING', { a: 1 }))
  assert.is(
    broken(() => history.look('a', disk(4, { 0: x }, 'VOTING', { a: 1 }))),
    'L3',
  )
})

test('who votes answers, and only what is on its disk', () => {
  const answered = (
    request: Proposal,
    contents: ReturnType<typeof disk>,
    status: Answered['status'] = 'VOTING',
  ) => {
    const reply = { type: 'ACCEPT', generations: {} } as const
    return broken(() => checkAnswer({ replica: 'a', status, request, reply, contents }))
  }
  const write: Proposal = { proposal: 5, entries: [{ position: 1, body: append('x') }] }
  const written = { promised: 5, performed: 5, body: append('x') }
  assert.is(answered(write, disk(5, { 1: written })), undefined)
  assert.is(answered(write, disk(5, { 1: written }), 'RECOVERING'), 'L6')
  assert.is(answered(write, disk(5, {})), 'L5')
  assert.is(answered(write, disk(5, { 1: { ...written, performed: 4 } })), 'L5')
  assert.is(answered({ proposal: 6 }, disk(6, {})), undefined)
  assert.is(answered({ proposal: 6 }, disk(5, {})), 'L5')
  assert.is(answered({ proposal: 6, position: 1 }, disk(5, { 1: { promised: 6 } })), undefined)
  assert.is(answered({ proposal: 6, position: 1 }, disk(5, { 1: { promised: 5 } })), 'L5')
})

test.run()
