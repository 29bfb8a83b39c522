import fc from 'fast-check'
import { assert, suite } from '../../support/suite.ts'
import { Walk } from './ensemble.ts'

const test = suite('log: invariants L1-L14 (replicated-log.md §13)')

for (const size of [1, 3, 5]) {
  for (const wipes of [false, true]) {
    const title = `${size} replicas${wipes ? ' whose disks vanish' : ''} agree, whatever the network does`
    test(title, { timeoutMs: 60_000 }, async () => {
      const seen: Record<string, number> = {}
      await fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const walk = new Walk({ size, seed, steps: 1200, wipes })
          await walk.run()
          for (const [what, count] of Object.entries(walk.seen)) {
            seen[what] = (seen[what] ?? 0) + count
          }
        }),
        { numRuns: 150 },
      )
      const expected = ['elected', 'appends chosen', 'positions filled', 'crashes']
      if (wipes && size > 1) expected.push('disks lost', 'recovered')
      for (const what of expected) assert.ok((seen[what] ?? 0) > 0, `never seen: ${what}`)
    })
  }
}

test.run()
