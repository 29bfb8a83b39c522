import { encode } from '../../protocol/codec.ts'
import type { Offer, Resource, Task, TaskStatus } from '../../protocol/v1/index.ts'
import { assert, suite } from '../support/suite.ts'
import { broken } from './broken.ts'
import { CallHistory } from './call-rules.ts'
import { rivalsIn, unfair } from './fairness.ts'
import { notOffered } from './flow-rules.ts'
import { History } from './history.ts'
import { checkOver, InstanceHistory } from './instance-rules.ts'
import { checkCodec } from './message-log.ts'
import {
  checkHands,
  checkReserved,
  type Hand,
  type Holdings,
  type Offered,
  RoleLimits,
} from './offer-rules.ts'
import { Refusals } from './refusal-rules.ts'
import { ReignHistory } from './reign-rules.ts'
import { checkAtRest, checkQuiet, keptMax } from './rest-rules.ts'
import { UpdateHistory } from './update-rules.ts'

const test = suite('rules of the simulation')

test('statuses are on disk, and come in turn, whatever acknowledgement is invented', () => {
  const updates = new UpdateHistory()
  updates.forwarded('a', 'T', '01', 1)
  updates.forwarded('a', 'T', '01', 1)
  assert.is(
    broken(() => updates.forwarded('a', 'T', '02', 1)),
    'T3',
  )
  updates.acknowledged('T', '02')
  assert.is(
    broken(() => updates.forwarded('a', 'T', '02', 1)),
    'T3',
  )
  updates.acknowledged('T', '01')
  updates.forwarded('a', 'T', '02', 1)
  assert.is(
    broken(() => updates.forwarded('a', 'T', '01', 1)),
    'T3',
  )
  assert.is(
    broken(() => updates.forwarded('a', 'U', '04', 0)),
    'T4',
  )
  assert.is(
    broken(() => updates.forwarded('a', 'V', '05', 2)),
    'T4',
  )
})

test('a stream that was given up with its framework begins anew, on this agent only', () => {
  const updates = new UpdateHistory()
  updates.forwarded('a', 'F/t', '01', 1)
  updates.forwarded('b', 'F/u', '02', 1)
  updates.abandoned('a', 'F')
  updates.forwarded('a', 'F/t', '03', 1)
  assert.is(
    broken(() => updates.forwarded('b', 'F/u', '04', 1)),
    'T3',
  )
})

test('a master does not forget that a task has ended', () => {
  const updates = new UpdateHistory()
  const task = { task_id: { value: 'T' }, state: 'TASK_RUNNING' } as Task
  updates.known([task])
  Object.assign(task, { state: 'TASK_FINISHED' })
  updates.known([task])
  Object.assign(task, { state: 'TASK_RUNNING' })
  assert.is(
    broken(() => updates.known([task])),
    'T5',
  )
})

test('an agent is given up by who has led for the time of its pings', () => {
  const reigns = new ReignHistory()
  reigns.leases(['m'], 1000)
  assert.is(
    broken(() => reigns.givesUp('m', 'a', 3999, 3000)),
    'E3',
  )
  reigns.givesUp('m', 'a', 4000, 3000)
  reigns.leases([], 4000)
  reigns.leases(['m'], 4001)
  assert.is(
    broken(() => reigns.givesUp('m', 'a', 5000, 3000)),
    'E3',
  )
})

test('an agent takes nothing from a leader of the past', () => {
  const reigns = new ReignHistory()
  reigns.launched('a', ['t'], { epoch: 1, known: 2 })
  reigns.holds('a', ['other'])
  assert.is(
    broken(() => reigns.holds('a', ['t'])),
    'E2',
  )
  // Launched again, by the one that leads.
  reigns.launched('a', ['t'], { epoch: 2, known: 2 })
  reigns.holds('a', ['t'])
})

test('an agent does nothing that a leader of the past has said', () => {
  const reigns = new ReignHistory()
  reigns.ordered('a', 'kill t', { epoch: 1, known: 2 })
  reigns.done('a', 'kill another')
  assert.is(
    broken(() => reigns.done('a', 'kill t')),
    'E2',
  )
  // The one that leads says it, too.
  reigns.ordered('a', 'kill t', { epoch: 2, known: 2 })
  reigns.ordered('a', 'kill t', { epoch: 1, known: 2 })
  reigns.done('a', 'kill t')
})

const cpus = (value: number, role?: string): Resource => ({
  name: 'cpus',
  type: 'SCALAR',
  scalar: { value },
  ...(role !== undefined && { reservations: [{ type: 'DYNAMIC', role }] }),
})
const ports = (begin: number, end: number): Resource => ({
  name: 'ports',
  type: 'RANGES',
  ranges: { range: [{ begin, end }] },
})
const hand = (...resources: Resource[]): Hand => ({ what: 'O', role: 'eng', resources })

test('no more is held of an agent than there is, and no port twice', () => {
  const total = [cpus(1), cpus(1, 'eng'), ports(1, 4)]
  const hands = (...all: Hand[]) => broken(() => checkHands('a', total, all))
  assert.is(hands(hand(cpus(1), ports(1, 2)), hand(cpus(1, 'eng'), ports(3, 4))), undefined)
  assert.is(hands(hand(cpus(1)), hand(cpus(1.001))), 'A1')
  assert.is(hands(hand(ports(1, 2)), hand(ports(2, 3))), 'A2')
})

test('what is reserved is held by its role, or one below it', () => {
  const held = (role: string) => broken(() => checkReserved('a', { ...hand(cpus(1, 'eng')), role }))
  assert.equal(['eng', 'eng/web', 'ops', '*'].map(held), [undefined, undefined, 'A7', 'A7'])
})

test('no offer takes a role above its limit, or is made to one that is above', () => {
  const offer = (createdMs: number): Offered => ({ ...hand(cpus(1)), role: 'eng/web', createdMs })
  const leader = {}
  const common = { leader, limits: new Map([['eng', { cpus: { value: 2 } }]]), registrations: 'A' }
  const within = { ...common, used: [hand(cpus(1))], offered: [offer(0)] }
  const above = { ...common, used: [hand(cpus(3))] }
  const looks = (...all: ReadonlyArray<Omit<Holdings, 'nowMs'>>) => {
    const rule = new RoleLimits()
    return broken(() => {
      for (const [i, look] of all.entries()) rule.check({ ...look, nowMs: 9000 * (i + 1) })
    })
  }
  assert.is(looks(within, within), undefined)
  const crossing = { ...common, used: [hand(cpus(1), cpus(1))], offered: [offer(17_000)] }
  assert.is(looks(within, crossing), 'A5')
  // It had more when the limit was set; an agent has come back with tasks; another leads.
  assert.is(looks({ ...above, offered: [offer(8000)] }), undefined)
  assert.is(looks(within, { ...crossing, registrations: 'A, B' }), undefined)
  assert.is(looks(within, { ...crossing, leader: {} }), undefined)
  assert.is(looks({ ...above, offered: [offer(0)] }, { ...above, offered: [offer(17_000)] }), 'A5')
})

test('only itself, or an operator, ends a framework', () => {
  const calls = new CallHistory()
  const teardown = (framework_id: string) =>
    encode({ type: 'TEARDOWN', framework_id: { value: framework_id } })
  // As if it were another: the subject counts.
  calls.heard({ subject: 'meseta.framework.F.call', data: teardown('G') })
  calls.removed('F')
  assert.is(
    broken(() => calls.removed('G')),
    'X1',
  )
  const asked = { type: 'TEARDOWN', teardown: { framework_id: { value: 'G' } } }
  calls.heard({ subject: 'meseta.master.call', data: encode(asked) })
  calls.removed('G')
})

test('only its own framework has a task killed', () => {
  const calls = new CallHistory()
  const call = (framework_id: string, task: string) =>
    encode({
      type: 'KILL',
      framework_id: { value: framework_id },
      kill: { task_id: { value: task } },
    })
  calls.heard({ subject: 'meseta.framework.F.call', data: call('F', 'f') })
  calls.killed('F', 'f')
  calls.heard({ subject: 'meseta.framework.G.call', data: call('F', 'other') })
  assert.is(
    broken(() => calls.killed('F', 'other')),
    'X1',
  )
})

test('events go to the newest stream, offers to one instance, and who is over stays so', () => {
  const streams = new InstanceHistory()
  const event = (stream_id: string) => encode({ type: 'HEARTBEAT', epoch: 1, stream_id })
  streams.said('F', event('1-9'))
  streams.said('F', event('1-10'))
  streams.said('F', event('2-1'))
  // Held back on its way until another led; who gets it passes it over.
  streams.said('F', event('1-10'))
  streams.said('F', event('2-2'))
  assert.is(
    broken(() => streams.said('F', event('2-1'))),
    'M2',
  )
  const history = new History(() => undefined)
  const [one, other] = [{}, {}]
  const offer = { id: { value: 'O' } } as Offer
  history.offered('F', one, [offer])
  history.offered('F', one, [offer])
  assert.is(
    broken(() => history.offered('F', other, [offer])),
    'M2',
  )
  checkOver(new Map([['F', {}]]), ['G'])
  assert.is(
    broken(() => checkOver(new Map([['F', {}]]), ['F'])),
    'M3',
  )
})

test('a task has one end, of which a former instance may not have heard', () => {
  const [former, present] = [{}, {}]
  const task = { id: 'T', framework: 'F', agentId: 'a', cpus: 1, mem: 1, port: undefined }
  const uuid = new Uint8Array(16)
  const gone = { task_id: { value: 'T' }, state: 'TASK_GONE_BY_OPERATOR' } as TaskStatus
  const finished = { task_id: { value: 'T' }, state: 'TASK_FINISHED', uuid } as TaskStatus
  const hears = (...statuses: ReadonlyArray<readonly [object, TaskStatus]>) => {
    const history = new History(() => undefined)
    for (const each of [former, present]) history.begins(each)
    history.launched(task)
    history.started('T', 'host')
    return broken(() => {
      for (const [to, status] of statuses) history.told('F', to, status)
    })
  }
  assert.is(hears([present, gone], [former, finished]), undefined)
  assert.is(hears([present, gone], [present, finished]), 'T2')
  assert.is(hears([former, gone], [present, finished]), 'T2')
})

test('what was refused or suppressed is not offered', () => {
  const share = (value: number) => ({
    framework_id: 'F',
    role: 'eng',
    agent_id: 'a',
    resources: [cpus(value)],
  })
  const refusals = new Refusals()
  refusals.refused(share(2), 5000, 0)
  // Made before the refusal was heard; more than was refused; to others; and after its end.
  refusals.allocated(share(2), 500)
  refusals.allocated(share(3), 2000)
  refusals.allocated({ ...share(1), framework_id: 'G' }, 2000)
  refusals.allocated(share(2), 5000)
  assert.is(
    broken(() => refusals.allocated(share(1), 2000)),
    'A6',
  )
  refusals.revived('F')
  refusals.allocated(share(1), 2000)
  refusals.suppressed('F', [], 2000)
  refusals.allocated(share(1), 2500)
  assert.is(
    broken(() => refusals.allocated(share(1), 4000)),
    'A6',
  )
})

test('a message is the same after another way over the wire', () => {
  checkCodec({ type: 'GOOD', body: { list: [1, 'two', null, new Uint8Array(3)] } })
  assert.is(
    broken(() => checkCodec({ type: 'BAD', body: { names: new Map([['a', 1]]) } })),
    'S6',
  )
})

test('S3, S4: what is left when nothing is to be done is little', () => {
  checkAtRest('agent-1', keptMax)
  for (const [what, rule] of [
    ['timers', 'S4'],
    ['requests', 'S4'],
    ['records', 'S3'],
  ] as const)
    assert.is(
      broken(() => checkAtRest('agent-1', { ...keptMax, [what]: keptMax[what] + 1 })),
      rule,
    )
})

test('L: a cluster with nothing to do does not say more than when it started', () => {
  checkQuiet(150, 100)
  assert.is(
    broken(() => checkQuiet(151, 100)),
    'L it is quiet at the end',
  )
})

test('L: all that is free is on offer, or with quotas what is guaranteed', () => {
  const cpus = (value: number, role?: string) => ({
    name: 'cpus',
    type: 'SCALAR' as const,
    scalar: { value },
    ...(role !== undefined && { reservations: [{ type: 'DYNAMIC' as const, role }] }),
  })
  const agent = (id: string, total: object[], offers: Array<readonly [string, number]> = []) => ({
    id,
    connected: true,
    info: { hostname: id },
    total,
    offers: offers.map(([role, amount]) => ({ share: { role, resources: [cpus(amount)] } })),
  })
  const look = (
    agents: Array<ReturnType<typeof agent>>,
    guaranteed = 0,
    out: string[] = [],
    phase = 'connected',
  ) =>
    notOffered({
      agents: new Map(agents.map((each) => [each.id, { ...each, offers: new Set(each.offers) }])),
      deactivated: new Set(out),
      frameworks: new Map([['f', { roles: ['web'], phase }]]),
      quotas: new Map(
        guaranteed > 0
          ? [['web', { role: 'web', guarantees: { cpus: { value: guaranteed } } }]]
          : [],
      ),
    } as unknown as Parameters<typeof notOffered>[0])
  const busy = agent('a', [cpus(4)], [['db', 4]])
  assert.is(look([busy]), undefined)
  assert.is(look([busy, agent('b', [cpus(1)])]), 'nothing of b is on offer')
  assert.is(look([busy, agent('b', [cpus(1, 'db')])]), undefined, 'it is reserved')
  assert.is(look([busy, agent('b', [cpus(1)])], 0, ['b']), undefined, 'it is out of service')
  assert.is(look([agent('b', [cpus(1)])], 0, [], 'disconnected'), undefined, 'nobody wants it')
  assert.is(look([busy], 5), undefined, 'more than there is')
  assert.is(look([busy], 2), '2 cpus are guaranteed to web, which has 0 and is offered 0')
  assert.is(look([agent('a', [cpus(4), cpus(1, 'web')], [['web', 1]])], 2), undefined)
})

test('L: nobody has more on offer than another by more than the largest agent, or a tenth of all', () => {
  const look = (largest: number, ...shares: Array<[share: number, weight?: number]>) =>
    unfair(
      shares.map(([share, weight = 1], index) => ({ name: `role${index}`, weight, share })),
      largest,
    ) ?? 'fair'
  assert.is(look(0.25, [0.5], [0.25], [0.25]), 'fair')
  assert.is(look(0.02, [0.4], [0.31]), 'fair')
  assert.is(
    look(0.25, [0.25], [0.6]),
    'role1 has 60 % at weight 1, role0 has 25 % at weight 1, and the largest agent is 25 %',
  )
  assert.match(look(0.02, [0.45], [0.31]), 'role0 has 45 %')
  assert.match(look(0.5, [1], [0]), 'role1 has 0 %', 'whole agents are no excuse for two of them')
  // Before its last agent one of weight 2 had no more than twice as much.
  assert.is(look(0.1, [0.7, 2], [0.3]), 'fair')
  assert.match(look(0.1, [0.8, 2], [0.2]), 'role0 has 80 % at weight 2')
  assert.match(look(0.1, [0.3, 2], [0.7]), 'role1 has 70 % at weight 1')
})

test('shares are those of roles where there are several, and else of frameworks', () => {
  const cpus = (value: number) => ({ name: 'cpus', type: 'SCALAR', scalar: { value } })
  const look = (...frameworks: Array<[id: string, role: string, cpus: number]>) => {
    const offers = frameworks.map(([id, role, amount]) => ({
      framework: { id },
      share: { role, resources: [cpus(amount)] },
    }))
    return rivalsIn({
      agents: new Map([['a', { total: [cpus(10)], offers: new Set(offers) }]]),
      frameworks: new Map(
        frameworks.map(([id, role]) => [id, { id, roles: [role], phase: 'connected' }]),
      ),
      weights: new Map([['web', 2]]),
    } as unknown as Parameters<typeof rivalsIn>[0])
  }
  assert.equal(look(['f', 'web', 2], ['g', 'db', 3], ['h', 'web', 5]), [
    { name: 'web', weight: 2, share: 0.7 },
    { name: 'db', weight: 1, share: 0.3 },
  ])
  assert.equal(look(['f', 'web', 2], ['g', 'web', 8]), [
    { name: 'f', weight: 1, share: 0.2 },
    { name: 'g', weight: 1, share: 0.8 },
  ])
})

test.run()
