import { Interned, internReport } from '../../../actors/master/interning.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('interning')
const cpus = (value: number) => [{ name: 'cpus', type: 'SCALAR' as const, scalar: { value } }]

const report = (id: string, value: number) => ({
  agent_info: { id: { value: id }, hostname: id, resources: cpus(value) },
  version: '1',
  total_resources: cpus(value),
})

test('equal documents become one, which is frozen; others stay what they are', () => {
  const interned = new Interned()
  const first = interned.of(cpus(2))
  assert.is(interned.of(cpus(2)), first)
  assert.ok(Object.isFrozen(first) && Object.isFrozen(first[0]?.scalar))
  assert.equal(interned.of(cpus(3)), cpus(3))
})

test('reports of machines of one kind share what they say alike, and nothing else', () => {
  const interned = new Interned()
  const [a, b, c] = [report('a', 2), report('b', 2), report('c', 4)].map((each) =>
    internReport(interned, each),
  )
  assert.equal(a, report('a', 2))
  assert.equal(b, report('b', 2))
  assert.is(a?.agent_info.resources, b?.agent_info.resources)
  assert.is(a?.agent_info.resources, a?.total_resources)
  assert.equal(c, report('c', 4))
})

test('documents are remembered up to a size: what comes after is as right, and kept apart', () => {
  const interned = new Interned()
  const large = (index: number) => ({ text: String(index).padStart(2 ** 20, 'x') })
  const first = interned.of(large(0))
  for (let i = 1; i < 5; i++) assert.equal(interned.of(large(i)), large(i))
  const again = interned.of(large(0))
  assert.equal(again, first)
  assert.is.not(again, first)
})

test.run()
