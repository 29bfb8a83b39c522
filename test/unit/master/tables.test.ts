import fc from 'fast-check'
import { noEntries, withEntry, withoutEntry } from '../../../actors/master/tables.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('tables')

test('tables are maps, of which the empty one is shared and stays empty', () => {
  const step = fc.record({
    add: fc.boolean(),
    key: fc.constantFrom('a', 'b', 'c'),
    value: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let table: ReadonlyMap<string, number> = noEntries
      const expected = new Map<string, number>()
      for (const { add, key, value } of steps) {
        if (add) expected.set(key, value)
        else expected.delete(key)
        table = add ? withEntry(table, key, value) : withoutEntry(table, key)
        assert.equal([...table], [...expected])
        assert.is(table === noEntries, expected.size === 0)
        assert.is(noEntries.size, 0)
      }
    }),
  )
})

test.run()
