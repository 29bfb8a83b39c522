/** Fair sharing over whole agents. Spec: allocator.md §13, §14 "Allocator, fairness". */

import { documents, told, books } from '../../support/allocation.ts'
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

test.run()
