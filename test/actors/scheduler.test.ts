/** The SDK's scheduler against a master that does as it is told. */
import { decode, encode, subjects } from '../../protocol/index.ts'
import type { Offer } from '../../protocol/v1/offer.ts'
import {
  type CallError,
  type Driver,
  operations,
  type SchedulerOptions,
  scheduler,
  TaskRun,
} from '../../src/framework/index.ts'
import type { Connection } from '../../src/runtime/index.ts'
import { type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('scheduler')
const names = subjects('meseta')
const ID = 'f1'

// biome-ignore lint/suspicious/noExplicitAny: documents as a plain master sees them
type Document = any

/** A master by hand, on a connection of its own. */
class FakeMaster {
  readonly calls: Document[] = []
  readonly #connection: Connection
  readonly #world: World
  streams = 0
  epoch = 1
  refusal: { code: string; message: string } | undefined

  constructor(w: World, connection: Connection) {
    this.#world = w
    this.#connection = connection
  }

  /** Begins to listen, as a leader does. */
  async lead(): Promise<void> {
    this.#connection.subscribe(names.frameworkCalls, ({ data, reply }) => {
      const decoded = decode(data)
      const call: Document = decoded.ok ? decoded.value.value : {}
      this.calls.push(call)
      if (call.type !== 'SUBSCRIBE' || reply === undefined) return
      if (this.refusal) this.#connection.publish(reply, encode({ error: this.refusal }))
      else this.#admit(reply)
    })
    await this.#connection.flush()
    await this.#world.settle()
  }

  #admit(reply: string): void {
    this.streams++
    const framework_id = { value: ID }
    const subscribed = { framework_id, heartbeat_interval_seconds: 15 }
    // The event first: it must not be lost for coming before the answer.
    this.publish({ type: 'SUBSCRIBED', subscribed })
    const answer = {
      type: 'SUBSCRIBED',
      framework_id,
      stream_id: this.streamId,
      call_subject: names.frameworkCall(ID),
      event_subject: names.frameworkEvent(ID),
    }
    this.#connection.publish(reply, encode(answer))
  }

  get streamId(): string {
    return `s${this.streams}`
  }

  publish(event: Document): void {
    const whole = { epoch: this.epoch, stream_id: this.streamId, ...event }
    this.#connection.publish(names.frameworkEvent(ID), encode(whole))
  }

  /** Whether the broker finds anybody who listens to the framework's events. */
  async isHeard(): Promise<boolean> {
    let heard = true
    const inbox = this.#connection.subscribe('heard', ({ noResponders }) => {
      if (noResponders) heard = false
    })
    this.#connection.publish(names.frameworkEvent(ID), new Uint8Array(0), 'heard')
    await this.#world.settle()
    inbox.close()
    return heard
  }

  async say(event: Document): Promise<void> {
    this.publish(event)
    await this.#world.settle()
  }

  async announceLeader(epoch: number): Promise<void> {
    this.epoch = epoch
    const event = { type: 'LEADER_ELECTED', epoch }
    this.#connection.publish(names.event('leader', 'm2'), encode(event, 'json'))
    await this.#world.settle()
  }

  of(type: string): Document[] {
    return this.calls.filter((call) => call.type === type)
  }

  /** The answer of a master to RECONCILE: no uuid, so not to be acknowledged. */
  reconciled(id: string, state: string): Promise<void> {
    const status = { task_id: { value: id }, state, reason: 'REASON_RECONCILIATION' }
    return this.say({ type: 'UPDATE', update: { status: { ...status, source: 'SOURCE_MASTER' } } })
  }

  update(id: string, state: string, uuid = 1): Promise<void> {
    const status = {
      task_id: { value: id },
      agent_id: { value: 'a1' },
      state,
      uuid: new Uint8Array(16).fill(uuid),
    }
    return this.say({ type: 'UPDATE', update: { status } })
  }
}

async function setUp(options: Partial<SchedulerOptions> = {}, leads = true) {
  const w = world()
  const master = new FakeMaster(w, await w.broker.transport('master').connect({ name: 'master' }))
  if (leads) await master.lead()
  let driver: Driver | undefined
  const told: string[] = []
  const spec = scheduler(
    {
      framework: { name: 'test', user: 'root', id: { value: ID } },
      ...options,
      callbacks: {
        subscribed: () => void told.push('subscribed'),
        disconnected: (why) => void told.push(`disconnected: ${why}`),
        error: (error: CallError) => void told.push(`error: ${error.code}`),
        ...options.callbacks,
      },
    },
    (started) => {
      driver = started
    },
  )
  const node = await w.start('framework', { children: [spec] })
  const turn = async (run: (driver: Driver) => void) => {
    node.call(node.cell('scheduler')!, () => run(driver!))
    await w.settle()
  }
  return { w, master, told, turn }
}

function offer(id: string, cpus = 4): Offer {
  const scalar = (name: string, value: number) =>
    ({ name, type: 'SCALAR', scalar: { value } }) as const
  return {
    id: { value: id },
    framework_id: { value: ID },
    agent_id: { value: 'a1' },
    hostname: 'host',
    resources: [scalar('cpus', cpus), scalar('mem', 1024)],
  }
}

const offers = (...list: Offer[]) => ({ type: 'OFFERS', offers: { offers: list } })

test('subscribes under its own id; an event before the answer is not lost', async () => {
  const { w, master, told } = await setUp()
  await w.settle()
  assert.is(master.of('SUBSCRIBE')[0].framework_id.value, ID)
  assert.equal(told, ['subscribed'])
  await w.stop()
})

test('tries again, less and less often, while no master listens', async () => {
  const { w, master, told } = await setUp({ retryMs: 100, retryMsMax: 1000 }, false)
  await w.advance(5000)
  assert.equal(told, [])
  await master.lead()
  await w.advance(1000)
  assert.equal(told, ['subscribed'])
  await w.stop()
})

test('subscribes anew at once when another master leads, and after three silent heartbeats', async () => {
  const { w, master, told } = await setUp()
  await w.settle()
  await master.announceLeader(2)
  assert.is(master.of('SUBSCRIBE').length, 2)
  await w.advance(44_000)
  assert.is(master.of('SUBSCRIBE').length, 2)
  await w.advance(2000)
  assert.is(master.of('SUBSCRIBE').length, 3)
  assert.equal(told, [
    'subscribed',
    'disconnected: another master leads',
    'subscribed',
    'disconnected: the master is silent',
    'subscribed',
  ])
  await w.stop()
})

test('hears neither a deposed master nor the stream of another instance', async () => {
  const seen: string[] = []
  const { w, master } = await setUp({
    callbacks: { rescinded: (id) => void seen.push(id) },
  })
  await w.settle()
  master.epoch = 3
  await master.say({ type: 'RESCIND', rescind: { offer_id: { value: 'now' } } })
  await master.say({ type: 'RESCIND', epoch: 2, rescind: { offer_id: { value: 'old' } } })
  await master.say({ type: 'RESCIND', stream_id: 's9', rescind: { offer_id: { value: 'else' } } })
  assert.equal(seen, ['now'])
  await w.stop()
})

test('acknowledges a status when its author is done with it, and not if that failed', async () => {
  const settle: Array<{ resolve: () => void; reject: (error: Error) => void }> = []
  const { w, master } = await setUp({
    callbacks: {
      update: ({ task_id }) =>
        task_id.value === 'at once'
          ? undefined
          : new Promise<void>((resolve, reject) => settle.push({ resolve, reject })),
    },
  })
  await w.settle()
  await master.update('at once', 'TASK_RUNNING')
  assert.is(master.of('ACKNOWLEDGE').length, 1)
  await master.update('later', 'TASK_RUNNING')
  await master.update('never', 'TASK_RUNNING')
  assert.is(master.of('ACKNOWLEDGE').length, 1)
  settle[0]?.resolve()
  settle[1]?.reject(new Error('disk full'))
  await w.settle()
  const acknowledged = master.of('ACKNOWLEDGE').map(({ acknowledge }) => acknowledge.task_id.value)
  assert.equal(acknowledged, ['at once', 'later'])
  await w.stop()
})

test('asks about live tasks after each subscription, again until each is answered', async () => {
  const { w, master } = await setUp({ tasks: [{ taskId: 'former', agentId: 'a1' }] })
  await w.settle()
  const asked = () => master.of('RECONCILE').map(({ reconcile }) => reconcile.tasks.length)
  assert.equal(asked(), [1])
  await w.advance(3100)
  // After one second, then two.
  assert.equal(asked(), [1, 1, 1])
  await master.update('former', 'TASK_RUNNING')
  await w.advance(10_000)
  assert.equal(asked(), [1, 1, 1])
  await w.stop()
})

test('asks about all live tasks from time to time: a master says once that an agent is gone', async () => {
  const { w, master } = await setUp({
    tasks: [{ taskId: 'former', agentId: 'a1' }],
    reconcileEveryMs: 5000,
  })
  await w.settle()
  await master.update('former', 'TASK_RUNNING')
  await w.advance(4900)
  const asked = () => master.of('RECONCILE').length
  assert.is(asked(), 1)
  await w.advance(300)
  assert.is(asked(), 2)
  await w.stop()
})

test('asks about a great many tasks in parts that a broker takes', async () => {
  const tasks = Array.from({ length: 25_000 }, (_, index) => ({
    taskId: `task-of-a-large-framework-${index}`,
    agentId: 'b0eb51a5-5078-4d15-bccb-720c306be1ce-S1',
  }))
  const { w, master } = await setUp({ tasks })
  await w.settle()
  const asked = master.of('RECONCILE').flatMap(({ reconcile }) => reconcile.tasks)
  assert.equal(
    asked.map(({ task_id }: Document) => task_id.value),
    tasks.map(({ taskId }) => taskId),
  )
  await w.stop()
})

const operationStatus = (id: string, state: string, uuid?: number): Document => ({
  type: 'UPDATE_OPERATION_STATUS',
  update_operation_status: {
    status: {
      operation_id: { value: id },
      state,
      agent_id: { value: 'a1' },
      ...(uuid !== undefined && { uuid: { value: new Uint8Array(16).fill(uuid) } }),
    },
  },
})

test('tells its author of operations, acknowledges what has a uuid, asks about the others', async () => {
  const seen: string[] = []
  const { w, master, turn } = await setUp({
    callbacks: {
      operation: ({ operation_id, state }) => void seen.push(`${operation_id?.value} ${state}`),
    },
  })
  await w.settle()
  const cpus = operations.reserved('cpus', 1, 'eng')
  await turn((driver) =>
    driver.accept(
      [offer('o1')],
      [operations.reserve([cpus], 'r1'), operations.unreserve([cpus], 'r2')],
    ),
  )
  await master.say(operationStatus('r1', 'OPERATION_FINISHED', 7))
  const [{ acknowledge_operation_status: acknowledged }] = master.of('ACKNOWLEDGE_OPERATION_STATUS')
  assert.equal(acknowledged.operation_id, { value: 'r1' })
  assert.equal([...acknowledged.uuid], new Array(16).fill(7))
  await master.announceLeader(2)
  const asked = () =>
    master
      .of('RECONCILE_OPERATIONS')
      .map(({ reconcile_operations }) =>
        reconcile_operations.operations.map(({ operation_id }: Document) => operation_id.value),
      )
  assert.equal(asked(), [['r2']])
  await w.advance(1100)
  assert.equal(asked(), [['r2'], ['r2']])
  await master.say(operationStatus('r2', 'OPERATION_UNKNOWN'))
  await w.advance(10_000)
  assert.is(asked().length, 2)
  assert.is(master.of('ACKNOWLEDGE_OPERATION_STATUS').length, 1)
  assert.equal(seen, ['r1 OPERATION_FINISHED', 'r2 OPERATION_UNKNOWN'])
  await w.stop()
})

test('asks about an operation of which nothing is heard: its call may have been lost', async () => {
  const { w, master, turn } = await setUp({ silenceMs: 5000 })
  await w.settle()
  const cpus = operations.reserved('cpus', 1, 'eng')
  await turn((driver) => driver.accept([offer('o1')], [operations.reserve([cpus], 'r1')]))
  await w.advance(4900)
  await master.say(operationStatus('r1', 'OPERATION_UNREACHABLE'))
  assert.is(master.of('RECONCILE_OPERATIONS').length, 0)
  await w.advance(5200)
  assert.is(master.of('RECONCILE_OPERATIONS').length, 1, 'silent since it was unreachable')
  await master.say(operationStatus('r1', 'OPERATION_FINISHED', 7))
  await w.advance(10_000)
  assert.is(master.of('RECONCILE_OPERATIONS').length, 1)
  await w.stop()
})

test('ends when it is refused for good or replaced, and says nothing afterwards', async () => {
  const { w, master, told, turn } = await setUp()
  await w.settle()
  await master.say({ type: 'ERROR', error: { message: 'Framework failed over' } })
  assert.equal(told, ['subscribed', 'error: FRAMEWORK_FAILED_OVER'])
  const before = master.calls.length
  await turn((driver) => driver.revive())
  assert.is(master.calls.length, before)
  await w.stop()
})

test('ends when the master had to drop calls of it', async () => {
  const { w, master, told } = await setUp()
  await w.settle()
  assert.ok(await master.isHeard())
  const error = { message: '3 calls dropped: capacity(2) exceeded', code: 'RATE_LIMITED' }
  await master.say({ type: 'ERROR', error })
  assert.equal(told, ['subscribed', 'error: RATE_LIMITED'])
  assert.not.ok(await master.isHeard(), 'it is not connected any more')
  await w.stop()
})

test('runs a list of tasks: packs offers, rests when nothing waits, launches anew what was dropped', async () => {
  const ended: string[] = []
  const run = new TaskRun({
    tasks: [1, 2, 3].map((n) => ({ name: `t${n}`, command: 'true', cpus: 2, mem: 64 })),
    onDone: (all) => ended.push(...all.map(({ taskId, state }) => `${taskId} ${state}`)),
  })
  const { w, master } = await setUp({ callbacks: run.callbacks })
  await w.settle()
  const launched = () =>
    master
      .of('ACCEPT')
      .map(({ accept }) =>
        accept.operations[0].launch.task_infos.map((t: Document) => t.task_id.value),
      )
  await master.say(offers(offer('o1'), offer('o2', 1)))
  assert.equal(launched(), [['t1', 't2']])
  assert.equal(
    master.of('DECLINE').map(({ decline }) => decline.offer_ids),
    [[{ value: 'o2' }]],
  )
  assert.is(master.of('SUPPRESS').length, 0)
  await master.say(offers(offer('o3')))
  assert.equal(launched(), [['t1', 't2'], ['t3']])
  assert.is(master.of('SUPPRESS').length, 1)
  await master.update('t1', 'TASK_DROPPED')
  assert.is(master.of('REVIVE').length, 1)
  await master.say(offers(offer('o4')))
  assert.equal(launched().at(-1), ['t1.2'])
  await master.update('t1.2', 'TASK_FINISHED')
  await master.update('t2', 'TASK_FAILED')
  await master.update('t3', 'TASK_UNKNOWN')
  assert.equal(ended, ['t1.2 TASK_FINISHED', 't2 TASK_FAILED', 't3 TASK_UNKNOWN'])
  await w.stop()
})

test('launches anew what never reached its agent, and not what was lost after it had started', async () => {
  const ended: string[] = []
  const run = new TaskRun({
    tasks: [1, 2].map((n) => ({ name: `t${n}`, command: 'true', cpus: 2, mem: 64 })),
    onDone: (all) => ended.push(...all.map(({ taskId, state }) => `${taskId} ${state}`)),
  })
  const { w, master } = await setUp({ callbacks: run.callbacks })
  await w.settle()
  await master.say(offers(offer('o1')))
  await master.update('t2', 'TASK_RUNNING')
  // What a new master answers to a question about a task that the agent, back again, does not have.
  for (const id of ['t1', 't2']) await master.reconciled(id, 'TASK_GONE')
  await master.say(offers(offer('o2')))
  assert.equal(master.of('ACCEPT').at(-1)?.accept.operations[0].launch.task_infos[0].task_id, {
    value: 't1.2',
  })
  await master.update('t1.2', 'TASK_FINISHED')
  assert.equal(ended, ['t1.2 TASK_FINISHED', 't2 TASK_GONE'])
  await w.stop()
})

test.run()
