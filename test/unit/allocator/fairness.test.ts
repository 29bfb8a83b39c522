/** Fair sharing over whole agents. Spec: allocator.md §13, §14 "Allocator, fairness". */

import type { Policy } from '../../../actors/allocator/policies.ts'
import { books, documents, told } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator fairness')

test('each new agent goes whole to the role, then framework, with the least dominant share', () => {
  const w = books()
  const near = (role: string, share: number) => assert.ok(Math.abs(w.share(role) - share) < 0.01)

  w.framework('f1', ['role1'])
  w.agent('a1', 'cpus:2;mem:1024')
  assert.equal(told(w.run()), ['f1 a1 cpus:2 mem:1024'])
  near('role1', 1)

  w.framework('f2', ['role2'])
  w.agent('a2', 'cpus:1;mem:512')
  assert.equal(told(w.run()), ['f2 a2 cpus:1 mem:512'])
  near('role1', 0.67)
  near('role2', 0.33)

  w.agent('a3', 'cpus:3;mem:2048')
  near('role1', 0.33)
  near('role2', 0.16)
  assert.equal(told(w.run()), ['f2 a3 cpus:3 mem:2048'])
  near('role2', 0.71)

  w.framework('f3', ['role1'])
  w.agent('a4', 'cpus:4;mem:4096')
  near('role1', 0.2)
  near('role2', 0.4)
  assert.equal(told(w.run()), ['f3 a4 cpus:4 mem:4096'])
  near('role1', 0.67)

  w.framework('f4', ['role1'])
  w.agent('a5', 'cpus:1;mem:512')
  assert.equal(told(w.run()), ['f2 a5 cpus:1 mem:512'])
})

test('the paper of dominant resource fairness: 3 and 2 tasks, both at two thirds', () => {
  const w = books({ minAllocatableResources: '' })
  w.agent('a', 'cpus:9;mem:18')
  w.framework('A')
  w.framework('B')
  const tasks = { A: 'cpus:1;mem:4', B: 'cpus:3;mem:1' }
  const launched = { A: 0, B: 0 }
  // Whoever is offered the agent takes one task and gives the rest back.
  for (let [share] = w.run(); share !== undefined; [share] = w.run()) {
    const id = share.framework_id as 'A' | 'B'
    const task = documents(tasks[id])
    const fits = task.every((need) => {
      const has = share.resources.find(({ name }) => name === need.name)
      return (has?.scalar?.value ?? 0) >= (need.scalar?.value ?? 0)
    })
    if (!fits) break
    launched[id]++
    const left = share.resources.map((resource) => {
      const need = task.find(({ name }) => name === resource.name)
      const value = (resource.scalar?.value ?? 0) - (need?.scalar?.value ?? 0)
      return { ...resource, scalar: { value } }
    })
    w.recover([{ ...share, resources: left.filter(({ scalar }) => scalar.value > 0) }])
  }
  assert.equal(launched, { A: 3, B: 2 })
  assert.ok(Math.abs(w.share('*', 'A') - 2 / 3) < 1e-9)
  assert.ok(Math.abs(w.share('*', 'B') - 2 / 3) < 1e-9)
})

test('two agents and two frameworks: one agent each', () => {
  const b = books()
  b.framework('f1')
  b.framework('f2')
  b.agent('a1', 'cpus:2;mem:1024')
  b.agent('a2', 'cpus:2;mem:1024')
  assert.equal(told(b.run()), ['f1 a1 cpus:2 mem:1024', 'f2 a2 cpus:2 mem:1024'])
})

test('at equal shares everyone is served equally often over time', () => {
  const b = books()
  for (const id of ['f1', 'f2', 'f3']) b.framework(id)
  b.agent('a', 'cpus:2;mem:1024')
  const served = new Map<string, number>()
  for (let round = 0; round < 30; round++) {
    const shares = b.run()
    for (const { framework_id: id } of shares) served.set(id, (served.get(id) ?? 0) + 1)
    b.recover(shares)
  }
  assert.equal([...served.values()], [10, 10, 10])
})

test('agents are split in proportion to weights, also to new ones', () => {
  const b = books()
  b.framework('f1', ['r1'])
  b.framework('f2', ['r2'])
  for (let i = 0; i < 6; i++) b.agent(`a${i}`, 'cpus:2;mem:1024')
  const split = () => {
    const shares = b.run()
    b.recover(shares)
    return ['f1', 'f2'].map((id) => shares.filter((share) => share.framework_id === id).length)
  }
  assert.equal(split(), [3, 3])
  b.cluster.roles.setWeight('r2', 2)
  assert.equal(split(), [2, 4])
  b.cluster.roles.setWeight('r1', 4)
  assert.equal(split(), [4, 2])
})

test('roles below one share what that one gets', () => {
  const b = books()
  b.framework('f1', ['a'])
  b.framework('f2', ['b/c'])
  b.framework('f3', ['b/d'])
  for (let i = 0; i < 8; i++) b.agent(`a${i}`, 'cpus:2;mem:1024')
  const shares = b.run()
  const count = (id: string) => shares.filter((share) => share.framework_id === id).length
  assert.equal(['f1', 'f2', 'f3'].map(count), [4, 2, 2])
})

test('frameworks in several roles are served for each of them', () => {
  const b = books()
  b.framework('f', ['r1', 'r2'])
  b.agent('a1', 'cpus:2;mem:1024')
  b.agent('a2', 'cpus:2;mem:1024')
  assert.equal(
    b.run().map(({ role }) => role),
    ['r1', 'r2'],
  )
})

test('a policy of ones own decides by share and weight', () => {
  const hoard: Policy = { name: 'hoard', order: 'ranked', rank: (share) => -share }
  // Frameworks get poorer only by giving back, upon which everything is sorted anew.
  const b = books({ policy: hoard })
  b.framework('f1')
  b.framework('f2')
  b.agent('a1', 'cpus:1;mem:64')
  b.agent('a2', 'cpus:1;mem:64', {
    used: [{ framework_id: 'f2', role: '*', agent_id: 'a2', resources: documents('cpus:0.5') }],
  })
  assert.equal(told(b.run(['a1'])), ['f2 a1 cpus:1 mem:64'])
})

test.run()
