/** Orders of the share tree. Sequences of allocator.md §13; names of §14, "Sorter". */
import fc from 'fast-check'
import { ResourceNames } from '../../../actors/allocator/bundle.ts'
import { drf, type Policy, priority, random } from '../../../actors/allocator/policies.ts'
import { Quotas } from '../../../actors/allocator/quota.ts'
import { Roles } from '../../../actors/allocator/roles.ts'
import { LEAVE, NEXT, ShareTree } from '../../../actors/allocator/share-tree.ts'
import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('share tree')

/** One that has a look at everybody. */
const all = { selective: false, ignores: () => false }

const vector = (cpus: number, mem: number) => Float64Array.of(cpus * 1000, mem * 1000)

/** A tree with one client in each role, as Mesos' sorters have it. */
function sorter(policy: Policy = drf, excluded: readonly string[] = []) {
  const names = new ResourceNames()
  for (const name of ['cpus', 'mem']) names.number(name)
  const tree = new ShareTree({ names, policy, random: stream(1), excluded })
  const roles = new Roles(tree, new Quotas(names, []))
  const leaves = new Map<string, number>()
  const leaf = (role: string) => leaves.get(role)!
  return {
    tree,
    roles,
    add(role: string, cpus = 0, mem = 0) {
      leaves.set(role, roles.join(role, 'f'))
      tree.activate(leaf(role))
      if (cpus + mem > 0) tree.allocated(leaf(role), vector(cpus, mem))
    },
    remove(role: string, cpus = 0, mem = 0) {
      tree.released(leaf(role), vector(cpus, mem))
      roles.leave(role, leaf(role))
      leaves.delete(role)
    },
    allocated: (role: string, cpus: number, mem: number) =>
      tree.allocated(leaf(role), vector(cpus, mem)),
    released: (role: string, cpus: number, mem: number) =>
      tree.released(leaf(role), vector(cpus, mem)),
    total: (cpus: number, mem: number) => tree.changeTotals(vector(cpus, mem), 1),
    deactivate: (role: string) => tree.deactivate(leaf(role)),
    activate: (role: string) => tree.activate(leaf(role)),
    order() {
      const seen: string[] = []
      tree.walk({
        ...all,
        enter(node) {
          const role = roles.atMembers(node)
          if (role !== undefined) seen.push(role.path)
          return true
        },
        visit: () => NEXT,
      })
      return seen
    },
  }
}

test('the order is that of dominant shares through additions, removals and changes of the total', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a', 5, 5)
  s.add('b', 6, 6)
  assert.equal(s.order(), ['a', 'b'])
  s.add('c', 1, 1)
  s.add('d', 3, 1)
  assert.equal(s.order(), ['c', 'd', 'a', 'b'])
  s.remove('a', 5, 5)
  s.released('b', 4, 4)
  assert.equal(s.order(), ['c', 'b', 'd'])
  s.add('e', 1, 5)
  s.total(-50, 0)
  assert.equal(s.order(), ['c', 'b', 'e', 'd'])
  s.total(0, 100)
  s.add('f', 5, 1)
  s.allocated('c', 0, 15)
  assert.equal(s.order(), ['e', 'b', 'd', 'c', 'f'])
  s.deactivate('d')
  assert.equal(s.order(), ['e', 'b', 'c', 'f'])
  s.activate('d')
  assert.equal(s.order(), ['e', 'b', 'd', 'c', 'f'])
})

test('shares are divided by weights', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a', 5, 5)
  s.roles.setWeight('b', 2)
  s.add('b', 6, 6)
  assert.equal(s.order(), ['b', 'a'])
  s.add('c', 4, 4)
  assert.equal(s.order(), ['b', 'c', 'a'])
  s.add('d', 10, 20)
  s.roles.setWeight('d', 10)
  assert.equal(s.order(), ['d', 'b', 'c', 'a'])
  s.remove('b', 6, 6)
  assert.equal(s.order(), ['d', 'c', 'a'])
  s.allocated('d', 10, 25)
  assert.equal(s.order(), ['c', 'd', 'a'])
  s.roles.setWeight('e', 0.1)
  s.add('e', 1, 1)
  assert.equal(s.order(), ['c', 'd', 'a', 'e'])
})

test('a role competes with its siblings as one with all below it', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a', 6, 6)
  s.add('b/c', 4, 4)
  s.add('b/d', 3, 3)
  assert.equal(s.order(), ['a', 'b/d', 'b/c'])
  s.allocated('a', 2, 2)
  assert.equal(s.order(), ['b/d', 'b/c', 'a'])
  s.add('b/e/f')
  assert.equal(s.order(), ['b/e/f', 'b/d', 'b/c', 'a'])
  s.allocated('b/e/f', 3.5, 3.5)
  assert.equal(s.order(), ['a', 'b/d', 'b/e/f', 'b/c'])
})

test('a role that has frameworks and roles below it weighs the two as siblings', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a', 3, 3)
  s.add('a/b', 2, 2)
  assert.equal(s.order(), ['a/b', 'a'])
  s.allocated('a/b', 2, 2)
  assert.equal(s.order(), ['a', 'a/b'])
  // The weight of `a` is that of the subtree, not of its own frameworks.
  s.roles.setWeight('a', 100)
  assert.equal(s.order(), ['a', 'a/b'])
})

test('the weight of a subtree moves it as a whole', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a', 4, 4)
  s.add('b/c', 3, 3)
  s.add('b/d', 3, 3)
  assert.equal(s.order(), ['a', 'b/c', 'b/d'])
  s.roles.setWeight('b', 2)
  assert.equal(s.order(), ['b/c', 'b/d', 'a'])
})

test('a role disappears with its last framework, and so do roles above it that have none', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a/b/c')
  s.add('a')
  s.remove('a/b/c')
  assert.is(s.roles.find('a/b/c'), undefined)
  assert.is(s.roles.find('a/b'), undefined)
  assert.equal(s.order(), ['a'])
  s.remove('a')
  assert.is(s.roles.find('a'), undefined)
  assert.equal(s.order(), [])
})

test('at equal shares whoever was allocated to less often is first, then the lesser name', () => {
  const s = sorter()
  s.total(100, 100)
  for (const role of ['c', 'b', 'a']) s.add(role)
  assert.equal(s.order(), ['a', 'b', 'c'])
  s.allocated('a', 1, 1)
  s.released('a', 1, 1)
  assert.equal(s.order(), ['b', 'c', 'a'])
  s.allocated('b', 1, 1)
  s.released('b', 1, 1)
  assert.equal(s.order(), ['c', 'a', 'b'])
})

test('excluded resource names do not change the order', () => {
  const s = sorter(drf, ['mem'])
  s.total(100, 100)
  s.add('a', 1, 90)
  s.add('b', 2, 1)
  assert.equal(s.order(), ['a', 'b'])
})

test('resource names that turn up later count from then on', () => {
  const names = new ResourceNames()
  const tree = new ShareTree({ names, policy: drf, random: stream(1), excluded: [] })
  const roles = new Roles(tree, new Quotas(names, []))
  const a = roles.join('a', 'f')
  const b = roles.join('b', 'f')
  for (let i = 0; i < 20; i++) {
    const many = new Float64Array(names.number(`name-${i}`) + 1)
    many[i] = 10
    tree.changeTotals(many, 1)
    tree.allocated(
      a,
      many.map((millis) => millis / 10),
    )
  }
  tree.allocated(b, new Float64Array(20).fill(2))
  assert.ok(Math.abs(tree.dominantShare(a) - 0.1) < 1e-9)
  assert.ok(Math.abs(tree.dominantShare(b) - 0.2) < 1e-9)
})

test('what a hidden client holds still counts for its ancestors', () => {
  const s = sorter()
  s.total(100, 100)
  s.add('a/b', 10, 10)
  s.add('a/c')
  s.add('d', 5, 5)
  s.deactivate('a/b')
  assert.equal(s.order(), ['d', 'a/c'])
})

test('priority serves the larger weight first whatever it holds, and shares among equals', () => {
  const s = sorter(priority)
  s.total(100, 100)
  s.roles.setWeight('high', 10)
  s.add('high', 90, 90)
  s.add('low', 1, 1)
  s.add('lower', 2, 2)
  assert.equal(s.order(), ['high', 'low', 'lower'])
  s.allocated('low', 5, 5)
  assert.equal(s.order(), ['high', 'lower', 'low'])
})

test('leaving a role goes on with the next one', () => {
  const s = sorter()
  s.total(100, 100)
  for (const role of ['a', 'b']) {
    s.tree.activate(s.roles.join(role, 'f1'))
    s.tree.activate(s.roles.join(role, 'f2'))
  }
  let visits = 0
  s.tree.walk({
    ...all,
    enter: () => true,
    visit() {
      visits++
      return LEAVE
    },
  })
  assert.is(visits, 2)
})

test('random puts each first in proportion to its weight', () => {
  const s = sorter(random)
  s.total(100, 100)
  const weights: Record<string, number> = { a: 1, b: 2, c: 3, d: 4, e: 5 }
  for (const [role, weight] of Object.entries(weights)) {
    s.roles.setWeight(role, weight)
    s.add(role)
  }
  const first = frequencies(s, 10_000)
  const expected = { a: 0.07, b: 0.13, c: 0.2, d: 0.27, e: 0.33 }
  for (const [role, share] of Object.entries(expected)) near(first[role] ?? 0, share)
})

test('random weighs a subtree by its own weight, whatever is below it', () => {
  const s = sorter(random)
  s.total(100, 100)
  for (const [role, weight] of [
    ['a', 1],
    ['a/b', 2],
    ['c', 2],
    ['c/e', 2],
  ] as const) {
    s.roles.setWeight(role, weight)
  }
  for (const role of ['a', 'a/b', 'c/d', 'c/e']) s.add(role)
  const first = frequencies(s, 10_000)
  const expected = { a: 0.11, 'a/b': 0.22, 'c/d': 0.22, 'c/e': 0.44 }
  for (const [role, share] of Object.entries(expected)) near(first[role] ?? 0, share)
})

test('moving one node into place gives the same order as sorting everything', () => {
  const step = fc.record({
    role: fc.constantFrom('a', 'b', 'c', 'd/x', 'd/y', 'd', 'e/x/y'),
    act: fc.constantFrom('allocate', 'release', 'activate', 'deactivate', 'weigh', 'grow'),
    cpus: fc.integer({ min: 0, max: 9 }),
    mem: fc.integer({ min: 0, max: 9 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const roles = ['a', 'b', 'c', 'd/x', 'd/y', 'd', 'e/x/y']
      const incremental = sorter()
      const resorted = sorter()
      for (const s of [incremental, resorted]) {
        s.total(100, 100)
        for (const role of roles) s.add(role)
      }
      for (const { role, act, cpus, mem } of steps) {
        for (const s of [incremental, resorted]) {
          if (act === 'allocate') s.allocated(role, cpus, mem)
          else if (act === 'release') s.released(role, cpus, mem)
          else if (act === 'weigh') s.roles.setWeight(role, cpus + 1)
          else if (act === 'grow') s.total(cpus, mem)
          else s[act as 'activate' | 'deactivate'](role)
        }
        // A changed total makes the whole order stale.
        resorted.total(0, 0)
        assert.equal(incremental.order(), resorted.order())
      }
    }),
  )
})

function frequencies(s: ReturnType<typeof sorter>, rounds: number): Record<string, number> {
  const first: Record<string, number> = {}
  for (let i = 0; i < rounds; i++) {
    const [role] = s.order() as [string]
    first[role] = (first[role] ?? 0) + 1 / rounds
  }
  return first
}

function near(value: number, expected: number): void {
  assert.ok(Math.abs(value - expected) < 0.02, `${value} is not near ${expected}`)
}

test.run()
