/** What a look at the whole cluster finds, against sums that are made the long way. */
import fc from 'fast-check'
import { accountsOf } from '../../../actors/master/roles.ts'
import type { MasterState } from '../../../actors/master/state.ts'
import { type Asker, measureUsage, survey, type Usage } from '../../../actors/master/usage.ts'
import type { Resource } from '../../../protocol/v1/index.ts'
import { ancestorsOf } from '../../../src/resources/index.ts'
import { world } from '../../support/nodes.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('master: usage')

const roles = ['*', 'eng', 'eng/web', 'eng/web/front', 'ops'] as const

const scalar = (name: string, value: number, role: string): Resource => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  allocation_info: { role },
})

/** Few lists, each for many: as after interning. */
const lists = roles.flatMap((role) => [
  [scalar('cpus', 1.5, role), scalar('mem', 32, role)],
  [scalar('cpus', 0.001, role)],
])

const someTask = fc.record({
  framework: fc.constantFrom('f1', 'f2', 'f3'),
  resources: fc.constantFrom(...lists),
  state: fc.constantFrom('TASK_RUNNING', 'TASK_STAGING', 'TASK_FINISHED'),
})
const someOffer = fc.record({
  framework: fc.constantFrom('f1', 'f2'),
  role: fc.constantFrom(...roles),
})
const someAgent = fc.record({
  connected: fc.boolean(),
  tasks: fc.array(someTask, { maxLength: 12 }),
  executors: fc.array(someTask, { maxLength: 3 }),
  offers: fc.array(someOffer, { maxLength: 3 }),
})
type SomeAgent = typeof someAgent extends fc.Arbitrary<infer T> ? T : never

const offered: readonly Resource[] = [{ name: 'cpus', type: 'SCALAR', scalar: { value: 2 } }]
const total: readonly Resource[] = [
  { name: 'cpus', type: 'SCALAR', scalar: { value: 8 } },
  {
    name: 'cpus',
    type: 'SCALAR',
    scalar: { value: 1 },
    reservations: [{ type: 'STATIC', role: 'eng/web' }],
  },
]

/** As much of a master's books as is looked at. */
function books(agents: readonly SomeAgent[]): MasterState {
  const of = (list: SomeAgent['executors']) =>
    new Map(
      list.map(({ framework, resources }) => [framework, new Map([['executor', { resources }]])]),
    )
  const state = {
    frameworks: new Map([['f1', { id: 'f1', roles: ['eng/web'] }]]),
    surveys: { underWay: false, waiting: [] },
    agents: new Map(
      agents.map(({ connected, tasks, executors, offers }, index) => [
        `a${index}`,
        {
          connected,
          total,
          tasks: new Set(
            tasks.map(({ framework, resources, state }) => ({
              framework_id: { value: framework },
              resources,
              state,
            })),
          ),
          executors: of(executors),
          offers: new Set(
            offers.map(({ framework, role }) => ({
              framework: { id: framework },
              share: { role, resources: offered },
            })),
          ),
        },
      ]),
    ),
  }
  return state as unknown as MasterState
}

function finish<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

test('sums by role are those of all tasks, executors and offers', () => {
  fc.assert(
    fc.property(fc.array(someAgent, { maxLength: 8 }), (agents) => {
      const state = books(agents)
      const usage = finish(measureUsage(state))
      const accounts = finish(accountsOf(state, usage))
      const expected = new Map<string, number>()
      const charge = (kind: string, role: string, resources: readonly Resource[]) => {
        for (const { name, scalar } of resources) {
          for (const each of [role, ...ancestorsOf(role)]) {
            const key = `${kind} ${each} ${name}`
            expected.set(key, (expected.get(key) ?? 0) + Math.round((scalar?.value ?? 0) * 1000))
          }
        }
      }
      for (const { tasks, executors, offers } of agents) {
        const running = tasks.filter((task) => task.state !== 'TASK_FINISHED')
        // One of the same name replaces the other.
        const alive = new Map(executors.map((executor) => [executor.framework, executor]))
        for (const { resources } of [...running, ...alive.values()]) {
          const role = resources[0]!.allocation_info!.role!
          charge('allocated', role, resources)
          charge('consumed', role, resources)
        }
        for (const { role } of offers) charge('offered', role, offered)
        charge('reserved', 'eng/web', [total[1]!])
        charge('consumed', 'eng/web', [total[1]!])
      }
      const found = new Map<string, number>()
      for (const { name, ...account } of accounts.values()) {
        for (const kind of ['allocated', 'offered', 'reserved', 'consumed'] as const) {
          for (const [resource, millis] of account[kind]) {
            found.set(`${kind} ${name} ${resource}`, millis)
          }
        }
      }
      assert.equal([...found].sort(), [...expected].sort())
      assert.is(usage.agents, agents.length)
      assert.is(usage.connectedAgents, agents.filter(({ connected }) => connected).length)
      const finished = agents
        .flatMap(({ tasks }) => tasks)
        .filter((task) => task.state === 'TASK_FINISHED')
      assert.is(usage.tasks.get('TASK_FINISHED') ?? 0, finished.length)
    }),
  )
})

test('who asks during a look is told what the next one finds, which all such askers share', async () => {
  const w = world()
  const probe = await w.probe(await w.start('a'))
  const idle = { connected: true, tasks: [], executors: [], offers: [] }
  // More than one slice looks at.
  const state = books(Array.from({ length: 10_000 }, () => idle))
  const told: Array<readonly [string, Usage]> = []
  const asker =
    (name: string): Asker =>
    (usage) => {
      told.push([name, usage])
      return [].values()
    }
  await probe.turn((cx) => {
    survey(state, asker('first'), cx)
    // It was passed already.
    state.agents.get('a0')!.connected = false
    survey(state, asker('second'), cx)
    survey(state, asker('third'), cx)
    assert.equal(told, [])
  })
  await w.until(() => told.length === 3)
  assert.equal(
    told.map(([name, { connectedAgents }]) => [name, connectedAgents]),
    [
      ['first', 10_000],
      ['second', 9999],
      ['third', 9999],
    ],
  )
  assert.is(told[1]![1], told[2]![1])
  assert.equal(state.surveys, { underWay: false, waiting: [] })
  await w.stop()
})

test.run()
