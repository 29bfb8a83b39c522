/** Which new agents are written to the registry together. */
import { type Admission, newAdmissions, nextBatch } from '../../../actors/master/admission.ts'
import { pid } from '../../../src/runtime/index.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('master: admission')

function waitingFor(count: number, hostname = 'host'): Admission[] {
  return Array.from({ length: count }, (_, i) => ({
    pid: pid('agent', `node-${i}`),
    report: { agent_info: { hostname }, version: '1' },
    info: { hostname, id: { value: `S${i}` } },
    former: undefined,
    held: [],
  }))
}

/** All batches that may be under way at the same time. */
function batches(waiting: readonly Admission[]): Admission[][] {
  const admissions = newAdmissions()
  admissions.waiting.push(...waiting)
  const all: Admission[][] = []
  for (;;) {
    const batch = nextBatch(admissions)
    if (batch.length === 0) return all
    all.push(batch)
    admissions.writes++
  }
}

test('one that comes alone is written at once', () => {
  const [only] = waitingFor(1)
  assert.equal(batches([only!]), [[only]])
})

test('four writes of 64 agents are under way at the most, in the order of their coming', () => {
  const waiting = waitingFor(1000)
  const all = batches(waiting)
  assert.equal(
    all.map(({ length }) => length),
    [64, 64, 64, 64],
  )
  assert.equal(all.flat(), waiting.slice(0, 256))
})

test('those that wait are taken once', () => {
  const admissions = newAdmissions()
  admissions.waiting.push(...waitingFor(100))
  assert.is(nextBatch(admissions).length, 64)
  assert.is(nextBatch(admissions).length, 36)
  assert.is(nextBatch(admissions).length, 0)
})

test('large documents go in smaller writes, and the largest by themselves', () => {
  const sizes = (length: number) => batches(waitingFor(3, 'x'.repeat(length))).map((b) => b.length)
  assert.equal(sizes(400_000), [2, 1])
  assert.equal(sizes(2_000_000), [1, 1, 1])
})

test.run()
