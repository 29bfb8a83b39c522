/** The checker itself, on public histories whose verdicts are known. */
import { readFileSync } from 'node:fs'
import { isLinearizable, type Model, type Operation } from '../support/linearizability.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('linearizability')
const data = new URL('../data/linearizability/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, data), 'utf8')
const expected = JSON.parse(read('expected.json')) as Record<'etcd' | 'kv', Record<string, boolean>>

type Call =
  | { readonly f: 'read' | 'get' }
  | { readonly f: 'write' | 'put' | 'append'; readonly value: string }
  | { readonly f: 'cas'; readonly from: string; readonly to: string }

/** What a read returned, or whether a change was made. */
type Answer = string | boolean

/** A register whose value is a text; 'nil' is Jepsen's word for none. */
const register = (initial: string): Model<string, Call, Answer> => ({
  initial,
  step(state, call, answer) {
    switch (call.f) {
      case 'read':
      case 'get':
        return answer === undefined || answer === state ? state : undefined
      case 'write':
      case 'put':
        return call.value
      case 'append':
        return state + call.value
      case 'cas':
        if (answer !== undefined && answer !== (state === call.from)) return undefined
        return state === call.from ? call.to : state
    }
  },
})

interface Line {
  readonly process: string
  readonly type: string
  readonly call: Call
  readonly key: string
  readonly answer: Answer
}

/** The operations of each key. */
function histories(lines: readonly Line[]): Map<string, Operation<Call, Answer>[]> {
  const open = new Map<string, { readonly call: Call; readonly key: string; readonly at: number }>()
  const found = new Map<string, Operation<Call, Answer>[]>()
  const note = (key: string, operation: Operation<Call, Answer>) =>
    found.set(key, [...(found.get(key) ?? []), operation])
  for (const [at, { process, type, call, key, answer }] of lines.entries()) {
    const begun = open.get(process)
    if (type === 'invoke') open.set(process, { call, key, at })
    else if (begun !== undefined && type !== 'info') {
      open.delete(process)
      const output = type === 'fail' ? false : answer
      // A read that failed says nothing.
      if (type === 'fail' && begun.call.f !== 'cas') continue
      note(begun.key, { input: begun.call, output, call: begun.at, return: at })
    }
  }
  for (const { call, key, at } of open.values())
    note(key, { input: call, output: undefined, call: at, return: Number.POSITIVE_INFINITY })
  return found
}

function jepsen(text: string): Line[] {
  const pattern = /INFO\s+jepsen\.util - (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)/
  return text.split('\n').flatMap((line) => {
    const [, process = '', type = '', f = '', value = ''] = pattern.exec(line) ?? []
    if (process === '') return []
    const [from = '', to = ''] = value.replaceAll(/[[\]]/g, '').split(' ')
    const call: Call = f === 'cas' ? { f, from, to } : f === 'write' ? { f, value } : { f: 'read' }
    return [{ process, type, call, key: '', answer: f === 'read' ? value.trim() : true }]
  })
}

function keyed(text: string): Line[] {
  const pattern = /:process (\d+), :type :(\w+), :f :(\w+), :key "(.*)", :value (nil|"(.*)")}/
  return text.split('\n').flatMap((line) => {
    const [, process = '', type = '', f = '', key = '', , value = ''] = pattern.exec(line) ?? []
    if (process === '') return []
    const call: Call = f === 'get' ? { f } : { f: f as 'put' | 'append', value }
    return [{ process, type, call, key, answer: f === 'get' ? value : true }]
  })
}

for (const [file, verdict] of Object.entries(expected.etcd)) {
  test(`${file} is ${verdict ? '' : 'not '}linearizable`, () => {
    const [history = []] = histories(jepsen(read(`jepsen/${file}`))).values()
    assert.ok(history.length > 10)
    assert.is(isLinearizable(history, register('nil')), verdict)
  })
}

for (const [file, verdict] of Object.entries(expected.kv)) {
  test(`${file} is ${verdict ? '' : 'not '}linearizable`, () => {
    const all = [...histories(keyed(read(`kv/${file}`))).values()]
    assert.ok(all.length > 1)
    assert.is(
      all.every((history) => isLinearizable(history, register(''))),
      verdict,
    )
  })
}

test('what nobody knows of and what has no effect is no reason to search on', () => {
  const unknown = Array.from({ length: 60 }, (_, call) => ({
    input: { f: 'cas', from: 'a value that never was', to: 'another' } as const,
    output: undefined,
    call,
    return: Number.POSITIVE_INFINITY,
  }))
  const read = (answer: string, call: number) => ({
    input: { f: 'read' } as const,
    output: answer,
    call,
    return: call + 1,
  })
  assert.is(isLinearizable([...unknown, read('nil', 100)], register('nil')), true)
  assert.is(isLinearizable([...unknown, read('x', 100)], register('nil')), false)
})

test.run()
