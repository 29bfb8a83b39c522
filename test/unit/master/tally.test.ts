/** Calls by principal. Spec: scheduler-api.md §10. */
import {
  join,
  leave,
  metricsOf,
  NAME_MAX,
  noTallies,
  PRINCIPALS_MAX,
} from '../../../actors/master/tally.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('master: tally')

test('a framework that subscribes again counts once, and its numbers go on', () => {
  const tallies = noTallies()
  join(tallies, 'f1', 'shop')
  tallies.bySubject.get('f1')!.received = 7
  join(tallies, 'f1', 'shop')
  assert.equal(metricsOf(tallies), [
    { name: 'frameworks/shop/messages_processed', value: 0 },
    { name: 'frameworks/shop/messages_received', value: 7 },
  ])
  leave(tallies, 'f1')
  leave(tallies, 'f1')
  assert.equal([tallies.byPrincipal.size, tallies.bySubject.size], [0, 0])
})

test('frameworks without a principal, or with one too long, are not counted', () => {
  const tallies = noTallies()
  join(tallies, 'f1', undefined)
  join(tallies, 'f2', 'x'.repeat(NAME_MAX + 1))
  assert.equal([tallies.byPrincipal.size, tallies.bySubject.size], [0, 0])
  join(tallies, 'f3', 'x'.repeat(NAME_MAX))
  assert.is(tallies.byPrincipal.size, 1)
})

test('beyond the bound others are not counted until a principal has left', () => {
  const tallies = noTallies()
  for (let i = 0; i < PRINCIPALS_MAX; i++) join(tallies, `f${i}`, `p${i}`)
  join(tallies, 'late', 'late')
  join(tallies, 'second', 'p0')
  assert.equal(
    [tallies.bySubject.has('late'), tallies.byPrincipal.get('p0')?.frameworks],
    [false, 2],
  )
  leave(tallies, 'f1')
  join(tallies, 'late', 'late')
  assert.equal([tallies.bySubject.has('late'), tallies.byPrincipal.size], [true, PRINCIPALS_MAX])
})

test.run()
