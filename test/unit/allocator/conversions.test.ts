/** Operations in the allocator's books. Spec: resources.md §6; allocator.md §3. */
import fc from 'fast-check'
import { convertAvailable, convertHolding } from '../../../actors/allocator/conversions.ts'
import { availableOf } from '../../../actors/allocator/ledger.ts'
import type { Conversion, Share } from '../../../protocol/allocator.ts'
import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import {
  conversionsOf,
  formatResources,
  quantitiesOf,
  resources,
} from '../../../src/resources/index.ts'
import { type Books, books, documents, told } from '../../support/allocation.ts'
import { create, destroy, reserve, reserved, unreserve, volume } from '../../support/operations.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator: operations')

function conversions(...operations: OfferOperation[]): Conversion[] {
  return operations.flatMap((operation) => {
    const made = conversionsOf(operation)
    if (!made.ok) throw new Error(made.error.message)
    return made.value.map(({ consumed, converted }) => ({
      consumed: [...consumed],
      converted: [...converted],
    }))
  })
}

function available(b: Books): string {
  const agent = b.cluster.agents.get('a')!
  return formatResources(availableOf(b.cluster, agent).resources)
}

function convertOffered(b: Books, operations: OfferOperation[], copies: Share['resources'] = []) {
  const body = { framework_id: 'f', role: 'eng', agent_id: 'a', copies }
  convertHolding(b.cluster, { ...body, conversions: conversions(...operations) })
}

test('what a framework reserved of its offer comes back as reserved, and is offered to it alone', () => {
  const b = books()
  b.framework('f', ['eng'])
  b.agent('a', 'cpus:4;mem:1000')
  const [offered] = b.run() as [Share]
  convertOffered(b, [reserve(reserved('cpus', 1))])
  assert.is(b.share('eng', 'f'), 1)
  const rest = resources([...offered.resources.filter(({ name }) => name === 'mem')])
  const cpus = { name: 'cpus', type: 'SCALAR' as const, scalar: { value: 3 } }
  b.recover([{ ...offered, resources: [...rest, cpus, reserved('cpus', 1)] }])
  b.framework('other', ['ops'])
  b.framework('f2', ['eng'])
  const shares = b.run()
  const holder = shares.find(({ resources: list }) => list.some((each) => each.reservations))
  assert.is(holder?.role, 'eng')
  assert.is(told(shares).length > 0, true)
})

test('what nobody holds is converted; what somebody holds is not, and nothing changes', () => {
  const b = books()
  b.framework('f', ['eng'])
  b.agent('a', 'cpus:4;disk:100')
  const make = conversions(reserve(reserved('disk', 60)), create(volume('v1', 50)))
  assert.ok(convertAvailable(b.cluster, 'a', make).ok)
  assert.match(available(b), /v1.*:50/)
  b.run()
  const before = formatResources(b.cluster.agents.get('a')!.total.resources)
  const refused = convertAvailable(b.cluster, 'a', conversions(destroy(volume('v1', 50))))
  assert.is(refused.ok ? '' : refused.error.code, 'NOT_AVAILABLE')
  assert.is(formatResources(b.cluster.agents.get('a')!.total.resources), before)
  const unknown = convertAvailable(b.cluster, 'x', [])
  assert.is(unknown.ok ? '' : unknown.error.code, 'UNKNOWN_AGENT')
})

test('further copies of a shared volume are held, but there is no more of it', () => {
  const b = books()
  b.framework('f', ['eng'], { capabilities: ['MULTI_ROLE', 'SHARED_RESOURCES'] })
  const shared = { ...volume('v1', 50), shared: {} }
  b.agent('a', [...documents('cpus:1'), shared])
  b.run()
  convertOffered(b, [], [shared, shared])
  const [holding] = b.cluster.agents.get('a')!.holdings
  assert.is(holding?.bundle.resources.length, 4)
  assert.is(b.cluster.agents.get('a')!.total.resources.length, 2)
  assert.is(b.share('eng', 'f'), 1)
})

test('no operation changes how much there is of anything', () => {
  const amounts = fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 20 })
  fc.assert(
    fc.property(amounts, (list) => {
      const b = books()
      b.agent('a', 'cpus:100;disk:100')
      const total = () => b.cluster.agents.get('a')!.total.resources
      const before = [...quantitiesOf(total())].sort()
      for (const [index, amount] of list.entries()) {
        const kinds = [reserve, unreserve] as const
        const operation = kinds[index % 3 === 2 ? 1 : 0](reserved('cpus', amount))
        convertAvailable(b.cluster, 'a', conversions(operation))
        assert.equal([...quantitiesOf(total())].sort(), before)
        assert.equal(available(b), formatResources(total()))
      }
    }),
  )
})

test.run()
