/** Reservations and volumes as people name them. */
import type { Resource } from '../../../protocol/v1/resources.ts'
import type { AgentState } from '../../../protocol/v1/state.ts'
import { amountsOf, amountsText, share } from '../../../src/cli/amounts.ts'
import type { CommandError } from '../../../src/cli/errors.ts'
import {
  partOf,
  reservationsOf,
  spaceFor,
  volumesOf,
  withReservation,
} from '../../../src/cli/reserved.ts'
import { formatResources, resources } from '../../../src/resources/index.ts'
import { reserved, volume } from '../../support/operations.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli: reservations and volumes')

function agent(total: Resource[], allocated: Resource[] = []): AgentState {
  return {
    agent_info: { hostname: 'h1', id: { value: 'a1' } },
    active: true,
    version: '1',
    total_resources: total,
    allocated_resources: allocated,
  }
}

function plain(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value } }
}

const text = (list: readonly Resource[]) => formatResources(resources([...list]))

function refusal(run: () => unknown): CommandError {
  try {
    run()
  } catch (error) {
    return error as CommandError
  }
  throw new Error('it must be refused')
}

test('reservations are grouped by agent and by how they are reserved', () => {
  const refined = {
    ...plain('cpus', 1),
    reservations: [
      { type: 'STATIC' as const, role: 'eng' },
      { type: 'DYNAMIC' as const, role: 'eng/web' },
    ],
  }
  const total = [plain('cpus', 2), reserved('mem', 10), refined, reserved('cpus', 3, 'ads')]
  const found = reservationsOf([agent(total)])
  assert.equal(
    found.map(({ role, stack, resources: list }) => `${role} ${stack.length} ${text(list)}`),
    [
      'ads 1 cpus(reservations: [(DYNAMIC,ads)]):3',
      'eng 1 mem(reservations: [(DYNAMIC,eng)]):10',
      'eng/web 2 cpus(reservations: [(STATIC,eng),(DYNAMIC,eng/web)]):1',
    ],
  )
})

test('a part of a reservation is what a text names; without one all that is no volume', () => {
  const [all] = reservationsOf([
    agent([reserved('cpus', 3), reserved('disk', 50), volume('v', 20)]),
  ])
  assert.is(
    text(partOf(all!, [])),
    'cpus(reservations: [(DYNAMIC,eng)]):3; disk(reservations: [(DYNAMIC,eng)]):50',
  )
  assert.is(text(partOf(all!, [plain('cpus', 1)])), 'cpus(reservations: [(DYNAMIC,eng)]):1')
  for (const wanted of [plain('cpus', 4), plain('disk', 51), plain('mem', 1)]) {
    assert.is(refusal(() => partOf(all!, [wanted])).code, 'NOT_AVAILABLE')
  }
})

test('volumes say whether somebody has them', () => {
  const found = volumesOf([
    agent([volume('v1', 20), volume('v2', 20, 'ads'), plain('disk', 5)], [volume('v2', 20, 'ads')]),
  ])
  assert.equal(
    found.map(({ id, role, used }) => [id, role, used]),
    [
      ['v1', 'eng', false],
      ['v2', 'ads', true],
    ],
  )
})

test('a volume is made of space of its role, on the disk that is named', () => {
  const ssd = {
    ...reserved('disk', 500),
    disk: { source: { type: 'PATH' as const, path: { root: '/ssd' } } },
  }
  const host = agent([plain('disk', 900), reserved('disk', 100), ssd])
  assert.is(spaceFor(host, 'eng', 80, undefined).disk, undefined)
  assert.equal(spaceFor(host, 'eng', 80, '/ssd').disk, ssd.disk)
  assert.is(spaceFor(host, 'eng', 80, undefined).scalar?.value, 80)
  const error = refusal(() => spaceFor(host, 'eng', 101, undefined))
  assert.match(error.message, 'meseta reservation create h1 disk:101 --role eng')
  assert.is(refusal(() => spaceFor(host, 'ads', 1, undefined)).code, 'NOT_AVAILABLE')
})

test('the role of a reservation is said once', () => {
  const top = { type: 'DYNAMIC' as const, role: 'eng' }
  assert.equal(withReservation([plain('cpus', 1)], [], top), [reserved('cpus', 1)])
  assert.is(refusal(() => withReservation([reserved('cpus', 1)], [], top)).code, 'USAGE')
})

test('what is lent is told apart from what there is', () => {
  const lent = { ...plain('cpus', 2), revocable: {} }
  assert.is(amountsText([plain('cpus', 1), lent]), 'cpus:1; lent: cpus:2')
  assert.is(amountsText([lent]), 'lent: cpus:2')
  assert.is(amountsText([]), '-')
  assert.is(share(amountsOf([lent]), amountsOf([plain('cpus', 1), lent]), 'cpus'), '0/1')
})

test.run()
