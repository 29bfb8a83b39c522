import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  admit,
  limiterOf,
  limitersOf,
  readRateLimits,
  takeTurns,
} from '../../../actors/master/rate-limits.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('rate limits')

function limiter(qps: number, capacity: number) {
  const limits = [{ principal: 'p', qps, capacity }]
  return limiterOf(limitersOf<number>({ limits }, 1000), 'p')!
}

function files(texts: Record<string, string>) {
  return {
    async readFile(path: string): Promise<Uint8Array> {
      const text = texts[path]
      if (text === undefined) throw new Error(`there is no ${path}`)
      return new TextEncoder().encode(text)
    },
  }
}

test('turns are one interval apart, and none is saved up', () => {
  const two = limiter(2, 10)
  assert.equal(
    [admit(two, 1, 5000), admit(two, 2, 5000), admit(two, 3, 5100)],
    ['turn', 'waits', 'waits'],
  )
  assert.equal([takeTurns(two, 5499), takeTurns(two, 5500), takeTurns(two, 5999)], [[], [2], []])
  assert.equal(takeTurns(two, 9000), [3])
})

test('whatever comes when, nobody is served out of order or faster than the rate', () => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 60 })
  const rate = fc.integer({ min: 1, max: 50 })
  fc.assert(
    fc.property(arrivals, rate, fc.integer({ min: 1, max: 20 }), (gaps, qps, capacity) => {
      const one = limiter(qps, capacity)
      const served: Array<readonly [item: number, atMs: number]> = []
      const full: number[] = []
      let nowMs = 0
      const serve = (toMs: number) => {
        for (; one.waiting.length > 0 && one.nextMs <= toMs; ) {
          const atMs = one.nextMs
          for (const item of takeTurns(one, atMs)) served.push([item, atMs])
        }
      }
      for (const [item, gap] of gaps.entries()) {
        nowMs += gap
        serve(nowMs)
        const verdict = admit(one, item, nowMs)
        if (verdict === 'turn') served.push([item, nowMs])
        if (verdict === 'full') full.push(item)
        assert.ok(one.waiting.length <= capacity)
      }
      serve(Number.POSITIVE_INFINITY)
      const items = served.map(([item]) => item)
      assert.equal(
        items,
        [...gaps.keys()].filter((item) => !full.includes(item)),
      )
      for (const [index, [, atMs]] of served.entries()) {
        const before = served[index - 1]
        if (before !== undefined) assert.ok(atMs - before[1] >= 1000 / qps - 1e-6)
      }
    }),
  )
})

test('a timer that comes late makes up for the turns it has missed', () => {
  const ten = limiter(10, 10)
  for (let item = 0; item < 6; item++) admit(ten, item, 0)
  assert.equal(takeTurns(ten, 250), [1, 2])
  assert.equal(takeTurns(ten, 300), [3])
})

test("rates are Mesos' document, or a file that holds it", async () => {
  const rates = { limits: [{ principal: 'p', qps: 1.5, capacity: 7 }], aggregate_default_qps: 3 }
  const text = JSON.stringify(rates)
  const disk = files({ '/rates.json': text })
  for (const option of [text, ` ${text}\n`, '/rates.json', 'file:///rates.json']) {
    assert.equal(await readRateLimits(option, disk), rates)
  }
  assert.equal(await readRateLimits('', disk), {})
})

test('the guide shows rates as they are written', async () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/operating.md'), 'utf8')
  const [, example = ''] = /^```jsonc\n(.*?)^```/ms.exec(guide) ?? []
  const { limits } = await readRateLimits(example, files({}))
  assert.equal(
    limits?.map(({ principal, qps }) => [principal, qps]),
    [
      ['shop', 50],
      ['trusted', undefined],
    ],
  )
})

test('rates that are none are refused with their place', async () => {
  const refusals: Array<[string, RegExp]> = [
    ['{', /^rate_limits: is no JSON/],
    ['/nowhere', /^rate_limits: the file cannot be read/],
    ['{"limits": 7}', /^rate_limits\.limits: must be array/],
    ['{"limits": [{"qps": 1}]}', /^rate_limits\.limits\.0\.principal: is missing/],
    ['{"limits": [{"principal": "p", "qps": 0}]}', /^rate_limits\.limits\.0\.qps: must be above 0/],
    [
      '{"limits": [{"principal": "p", "qps": "1"}]}',
      /^rate_limits\.limits\.0\.qps: must be number/,
    ],
    [
      '{"limits": [{"principal": "p"}, {"principal": "p"}]}',
      /limits\.1\.principal: p stands twice/,
    ],
    ['{"limits": [{"principal": "p", "capacity": 1}]}', /capacity: means nothing without qps/],
    ['{"aggregate_default_qps": -1}', /aggregate_default_qps: must be above 0/],
    ['{"aggregate_default_capacity": 1}', /means nothing without aggregate_default_qps/],
  ]
  for (const [option, sentence] of refusals) {
    const error = await readRateLimits(option, files({})).then(
      () => assert.unreachable(option),
      (thrown: Error) => thrown,
    )
    assert.match(error!.message, sentence)
  }
})

test.run()
