import {
  addQuantities,
  containsQuantities,
  formatQuantities,
  itemsNamed,
  parseQuantities,
  quantitiesOf,
  rangesNamed,
  scalarMillis,
  strippedScalars,
  subtractQuantities,
  sum,
  wholeMegabytes,
  withinLimits,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { collect, must, parse, refused, same, scalar, sharedVolume } from './support.ts'

const test = suite('quantities')

const amounts = (text: string) => must(parseQuantities(text))

test('amounts add up over roles; ranges and sets count their members', () => {
  const quantities = quantitiesOf(parse('cpus:1;cpus(eng):2.5;ports:[1-10,20-20];z:{a,b}'))
  assert.equal(
    quantities,
    new Map([
      ['cpus', 3500],
      ['ports', 11_000],
      ['z', 2000],
    ]),
  )
})

test('a shared resource counts once however many copies there are', () => {
  const volume = collect(sharedVolume('v1', 64, 'eng'))
  assert.is(quantitiesOf(sum([volume, volume, volume])).get('disk'), 64_000)
  assert.is(scalarMillis(sum([volume, volume]), 'disk'), 64_000)
  same(strippedScalars(sum([volume, volume])), parse('disk:64'))
})

test('an absent name is nothing, and subtraction stops there', () => {
  assert.ok(containsQuantities(amounts('cpus:1'), amounts('')))
  assert.not(containsQuantities(amounts('cpus:1'), amounts('mem:1')))
  assert.ok(containsQuantities(amounts('cpus:1;mem:2'), amounts('cpus:1')))
  const rest = subtractQuantities(amounts('cpus:1;mem:2'), amounts('cpus:3;mem:1;disk:1'))
  assert.equal(rest, amounts('mem:1'))
  assert.equal(addQuantities(amounts('cpus:1'), amounts('cpus:1;mem:2')), amounts('cpus:2;mem:2'))
})

test('reserved and unreserved amounts together contain what no element does', () => {
  const quantities = quantitiesOf(parse('cpus:2;cpus(eng):2'))
  assert.ok(containsQuantities(quantities, amounts('cpus:4')))
  assert.not(containsQuantities(quantities, amounts('cpus:4.001')))
})

test('a name without a limit is free', () => {
  const limits = amounts('cpus:4')
  assert.ok(withinLimits(limits, amounts('cpus:4;mem:1000')))
  assert.not(withinLimits(limits, amounts('cpus:4.001')))
  assert.not(withinLimits(amounts('cpus:0'), amounts('cpus:1')), 'a limit of 0 is a limit')
})

test('text gives amounts, twice the same name adds up', () => {
  assert.equal(
    amounts('cpus:1; mem : 2.5;cpus:1'),
    new Map([
      ['cpus', 2000],
      ['mem', 2500],
    ]),
  )
  assert.is(formatQuantities(amounts('cpus:1;mem:2.5')), 'cpus:1; mem:2.5')
  for (const text of ['cpus', 'cpus:', ':1', 'cpus:a', 'cpus:-1', 'ports:[1-2]', 'a:1:2']) {
    refused(parseQuantities(text), 'PARSE')
  }
})

test('values of one name come from all elements', () => {
  const all = parse('ports:[1-3];ports(eng):[4-5];z:{a};z(eng):{b};mem:31.9')
  assert.equal(rangesNamed(all, 'ports'), [{ begin: 1, end: 5 }])
  assert.equal(itemsNamed(all, 'z'), ['a', 'b'])
  assert.is(wholeMegabytes(all, 'mem'), 31)
  assert.is(rangesNamed(all, 'mem'), undefined)
  assert.is(itemsNamed(all, 'mem'), undefined)
  assert.is(scalarMillis(all, 'cpus'), undefined)
  assert.is(wholeMegabytes(all, 'disk'), undefined)
})

test('stripping keeps names and amounts of scalars only', () => {
  const revocable = scalar('cpus', 1, { revocable: {} })
  same(
    strippedScalars(collect(...parse('cpus:1;mem(eng):2;ports:[1-2]'), revocable)),
    parse('cpus:2;mem:2'),
  )
})

test.run()
