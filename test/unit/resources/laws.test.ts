/** Laws of the resource algebra, on generated collections. */
import fc from 'fast-check'
import type { OfferOperation } from '../../../protocol/v1/offer.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import {
  add,
  addQuantities,
  applyOperation,
  contains,
  containsQuantities,
  distinct,
  downgrade,
  equals,
  filter,
  find,
  formatFault,
  isIndivisible,
  isPersistentVolume,
  isShared,
  match,
  merge,
  none,
  quantitiesOf,
  type Resources,
  resources,
  stripVolume,
  subtract,
  sum,
  topReservation,
  toUnreserved,
  toWire,
  upgrade,
  validateResource,
  withStack,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  anyCollection,
  anyScalars,
  collect,
  dynamic,
  engDisk,
  must,
  shown,
  volume,
} from './support.ts'

const test = suite('laws')

const holds = (condition: boolean, ...parts: Resources[]) =>
  assert.ok(condition, parts.map((part) => shown(part).join('; ')).join(' | '))

/** The same collection with ports and items that no other generated collection has. */
const apart = (collection: Resources): Resources =>
  resources(
    collection.map((resource) => ({
      ...resource,
      ...(resource.ranges && {
        ranges: {
          range: (resource.ranges.range ?? []).map(({ begin, end }) => ({
            begin: begin + 1000,
            end: end + 1000,
          })),
        },
      }),
      ...(resource.set && {
        set: { item: (resource.set.item ?? []).map((item) => item.toUpperCase()) },
      }),
    })),
  )

test('addition is commutative and associative, with nothing as its zero', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection, anyCollection, (a, b, c) => {
      holds(equals(add(a, b), add(b, a)), a, b)
      holds(equals(add(add(a, b), c), add(a, add(b, c))), a, b, c)
      holds(equals(add(a, none), a), a)
      holds(equals(sum([a, b, c]), add(add(a, b), c)), a, b, c)
    }),
  )
})

test('what was added can be taken away again', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection.map(apart), (a, b) => {
      holds(equals(subtract(add(a, b), b), a), a, b)
      holds(equals(subtract(a, a), none), a)
    }),
  )
})

test('what is contained can be taken away and put back', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection, (a, b) => {
      const whole = add(a, b)
      holds(contains(whole, a), a, b)
      holds(contains(a, subtract(a, b)), a, b)
      if (contains(a, b)) holds(equals(add(subtract(a, b), b), a), a, b)
      holds(equals(add(subtract(whole, a), a), whole), a, b)
    }),
  )
})

test('containment is an order, and implies that of quantities', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection, anyCollection, (a, b, c) => {
      holds(contains(a, a), a)
      if (contains(a, b)) {
        holds(containsQuantities(quantitiesOf(a), quantitiesOf(b)), a, b)
        if (contains(b, a)) holds(equals(a, b), a, b)
        if (contains(b, c)) holds(contains(a, c), a, b, c)
      }
      const larger = add(add(a, b), c)
      holds(contains(larger, add(a, b)) && contains(larger, c), a, b, c)
    }),
  )
})

test('every result is a merged list of valid resources', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection, (a, b) => {
      for (const result of [add(a, b), subtract(a, b), toUnreserved(a)]) {
        for (const resource of result) assert.is(validateResource(resource), undefined)
        holds(resources(result).length === result.length, a, b)
      }
    }),
  )
})

test('the order of a list does not matter', () => {
  fc.assert(
    fc.property(
      anyCollection.chain((a) =>
        fc.tuple(fc.constant(a), fc.shuffledSubarray([...a], { minLength: a.length })),
      ),
      ([a, shuffled]) => holds(equals(resources(shuffled), a), a),
    ),
  )
})

test('scalars add up exactly', () => {
  fc.assert(
    fc.property(anyScalars, anyScalars, (a, b) => {
      assert.equal(quantitiesOf(add(a, b)), addQuantities(quantitiesOf(a), quantitiesOf(b)))
    }),
  )
})

test('JSON and every format that can say it lead back to the same collection', () => {
  fc.assert(
    fc.property(anyCollection, (a) => {
      holds(equals(resources(JSON.parse(JSON.stringify(a)) as Resource[]), a), a)
      for (const format of ['pre', 'post', 'endpoint'] as const) {
        for (const resource of a) {
          const written = downgrade(resource, format)
          if (written === undefined) {
            assert.is(format, 'pre')
            continue
          }
          assert.is(validateResource(written), undefined)
          assert.equal(upgrade(written), resource)
        }
      }
      assert.is(must(toWire(a, 'post')).length, distinct(a).length)
    }),
  )
})

test('what is found is there and amounts to what was wanted', () => {
  fc.assert(
    fc.property(anyCollection, anyCollection, (a, b) => {
      const all = filter(a, (resource) => !isShared(resource) && resource.type === 'SCALAR')
      const targets = filter(
        b,
        (resource) => !isIndivisible(resource) && resource.type === 'SCALAR',
      )
      const found = find(all, targets)
      if (found === undefined) return
      holds(contains(all, found), all, targets)
      holds(equals(toUnreserved(found), toUnreserved(targets)), all, targets)
    }),
  )
})

// --- Operations ---

/** An operation that some element of the collection may allow; `dice` chooses. */
function proposeOperation(have: Resources, dice: number, size: number): OfferOperation | undefined {
  const resource = have[dice % Math.max(1, have.length)]
  if (resource === undefined) return undefined
  const part =
    resource.type === 'SCALAR' && !isIndivisible(resource)
      ? { ...resource, scalar: { value: Math.min(size, resource.scalar?.value ?? 0) } }
      : resource
  const role = topReservation(resource)?.role
  const stack = resource.reservations ?? []
  const fresh = volume(`n${dice}`, part.scalar?.value ?? 0, role ?? 'eng')
  const created: Resource = {
    ...withStack(fresh, stack),
    disk: { ...resource.disk, ...fresh.disk },
    ...(dice % 2 === 0 && { shared: {} }),
  }
  const space = stripVolume(resource)
  const spaceLeft = match(have, space)?.scalar?.value ?? size
  const proposals: OfferOperation[] = [
    {
      type: 'RESERVE',
      reserve: {
        resources: [withStack(part, [...stack, dynamic(role === undefined ? 'eng' : `${role}/x`)])],
      },
    },
    { type: 'UNRESERVE', unreserve: { resources: [part] } },
    { type: 'CREATE', create: { volumes: [created] } },
    { type: 'DESTROY', destroy: { volumes: [resource] } },
    {
      type: 'GROW_VOLUME',
      grow_volume: {
        volume: resource,
        addition: { ...space, scalar: { value: Math.min(size, spaceLeft) } },
      },
    },
    { type: 'SHRINK_VOLUME', shrink_volume: { volume: resource, subtract: { value: size } } },
  ]
  return proposals[Math.floor(dice / 7) % proposals.length]
}

/** As agents have them: a shared volume, a port or an item of a set is there once. */
const asTotals = (collection: Resources): Resources => {
  const seen = new Set<string>()
  const first = (resource: Resource) =>
    resource.type === 'SCALAR' || (!seen.has(resource.type) && seen.add(resource.type))
  return merge(distinct(collection).filter(first))
}

/** What it amounts to, copies of shared volumes counted once; they share the space they stand on. */
const amounts = (collection: Resources) =>
  Object.fromEntries([...quantitiesOf(collection)].sort(([a], [b]) => a.localeCompare(b)))

test('operations never change how much there is, and say why they refuse', () => {
  const steps = fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 99_999 })), {
    maxLength: 30,
  })
  const applied = new Map<string, number>()
  fc.assert(
    fc.property(anyCollection, steps, (start, dice) => {
      let have = add(asTotals(start), collect(volume('v0', 64, 'eng'), engDisk(64)))
      const total = amounts(have)
      for (const [choice, millis] of dice) {
        const operation = proposeOperation(have, choice, millis / 1000)
        if (operation === undefined) break
        const result = applyOperation(have, operation)
        if (!result.ok) {
          assert.ok(formatFault(result.error).length > 0)
          continue
        }
        have = result.value
        assert.equal(amounts(have), total, `${operation.type}: ${shown(have).join('; ')}`)
        applied.set(operation.type ?? '', (applied.get(operation.type ?? '') ?? 0) + 1)
      }
    }),
    { numRuns: 300 },
  )
  assert.is(applied.size, 6, `all operations were applied at least once: ${[...applied.keys()]}`)
})

test('reserving and unreserving, creating and destroying undo each other', () => {
  fc.assert(
    fc.property(anyScalars, (start) => {
      for (const resource of start) {
        const stack = resource.reservations ?? []
        const role = topReservation(resource)?.role
        if (resource.revocable !== undefined) continue
        const reserved = withStack(resource, [...stack, dynamic(role ? `${role}/x` : 'eng')])
        const reserve: OfferOperation = { type: 'RESERVE', reserve: { resources: [reserved] } }
        const after = must(applyOperation(start, reserve))
        const unreserve: OfferOperation = {
          type: 'UNRESERVE',
          unreserve: { resources: [reserved] },
        }
        holds(equals(must(applyOperation(after, unreserve)), start), start)
        if (resource.name !== 'disk' || stack.length === 0) continue
        const made = withStack(volume('v', resource.scalar?.value ?? 0, 'eng'), stack)
        const with_ = must(applyOperation(start, { type: 'CREATE', create: { volumes: [made] } }))
        holds(filter(with_, isPersistentVolume).length === 1, start)
        const without = applyOperation(with_, { type: 'DESTROY', destroy: { volumes: [made] } })
        holds(equals(must(without), start), start)
      }
    }),
  )
})

test.run()
