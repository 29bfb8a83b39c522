import {
  encodeAgentPart,
  encodeOffers,
  offerDocument,
} from '../../../actors/master/offer-encoding.ts'
import type { Framework, MasterState, Offer } from '../../../actors/master/state.ts'
import { decode } from '../../../protocol/codec.ts'
import { validateEvent } from '../../../protocol/scheduler.ts'
import type { FrameworkCapabilityType, Resource } from '../../../protocol/v1/index.ts'
import { scalar } from '../../support/master-world.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('offer encoding')

const reserved: Resource = {
  ...scalar('cpus', 2),
  reservations: [{ type: 'STATIC', role: 'web' }],
}

function offer(resources: Resource[], capabilities: FrameworkCapabilityType[]): Offer {
  const info = {
    id: { value: 'S0' },
    hostname: 'a1',
    attributes: [{ name: 'rack', type: 'TEXT' as const, text: { value: 'r1' } }],
  }
  const framework = { id: 'F0', streamId: '1-1', capabilities: new Set(capabilities) }
  const executors = new Map([['F0', new Map([['e', { executor_id: { value: 'e' } }]])]])
  const agent = { id: 'S0', info, encoded: encodeAgentPart(info, undefined), executors }
  return {
    id: 'M-O1',
    framework: framework as unknown as Framework,
    agent: agent as unknown as Offer['agent'],
    share: { framework_id: 'F0', role: 'web', agent_id: 'S0', resources },
    createdMs: 0,
  }
}

const kinds: FrameworkCapabilityType[][] = [
  [],
  ['MULTI_ROLE'],
  ['RESERVATION_REFINEMENT'],
  ['MULTI_ROLE', 'RESERVATION_REFINEMENT'],
]
for (const capabilities of kinds) {
  test(`spliced offers say what their documents say, for ${capabilities.join(' and ') || 'plain ones'}`, () => {
    // The same list for two kinds of framework must not be taken from the other's cache.
    const resources = [reserved, scalar('mem', 64)]
    const offers = [offer(resources, capabilities), offer(resources, ['MULTI_ROLE'])]
    for (const one of offers) {
      const bytes = encodeOffers({ epoch: 3 } as MasterState, [one])
      const decoded = decode(bytes)
      assert.ok(decoded.ok)
      if (!decoded.ok) return
      assert.equal(decoded.value.value, {
        type: 'OFFERS',
        epoch: 3,
        stream_id: '1-1',
        offers: { offers: [offerDocument(one)] },
      })
      assert.ok(validateEvent(decoded.value.value).ok)
    }
  })
}

test('roles of resources are said as the framework understands them', () => {
  const [plain] = offerDocument(offer([reserved], [])).resources ?? []
  assert.equal(
    [plain?.role, plain?.allocation_info, plain?.reservations],
    ['web', undefined, undefined],
  )
  const [modern] =
    offerDocument(offer([reserved], ['MULTI_ROLE', 'RESERVATION_REFINEMENT'])).resources ?? []
  assert.equal([modern?.role, modern?.allocation_info], [undefined, { role: 'web' }])
  assert.equal(modern?.reservations, reserved.reservations)
})

test.run()
