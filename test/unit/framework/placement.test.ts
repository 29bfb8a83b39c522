import type { Offer } from '../../../protocol/v1/offer.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { KnownTasks } from '../../../src/framework/known-tasks.ts'
import { Room } from '../../../src/framework/placement.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('framework: placement and known tasks')

function scalar(name: string, value: number, more: Partial<Resource> = {}): Resource {
  return { name, type: 'SCALAR', scalar: { value }, ...more }
}

function offer(...resources: Resource[]): Offer {
  return {
    id: { value: 'o1' },
    framework_id: { value: 'f1' },
    agent_id: { value: 'a1' },
    hostname: 'host',
    resources,
  }
}

test('thirty tasks of a tenth fit into three processors, a thirty-first does not', () => {
  const room = new Room(offer(scalar('cpus', 3), scalar('mem', 3000)))
  const need = { cpus: 0.1, mem: 10 }
  for (let count = 0; count < 30; count++) {
    assert.equal(room.lacks(need), [])
    room.take(need)
  }
  assert.equal(room.lacks(need), ['cpus'])
})

test('what is too little is named, all of it', () => {
  const room = new Room(offer(scalar('cpus', 1), scalar('mem', 64)))
  assert.equal(room.lacks({ cpus: 2, mem: 128, disk: 1 }), ['cpus', 'mem', 'disk'])
})

test('revocable and persistent resources are left alone', () => {
  const room = new Room(
    offer(
      scalar('cpus', 8, { revocable: {} }),
      scalar('disk', 100, { disk: { persistence: { id: 'p' } } }),
      scalar('cpus', 1),
      scalar('mem', 100),
    ),
  )
  assert.equal(room.lacks({ cpus: 1, mem: 100 }), [])
  assert.equal(room.lacks({ cpus: 2, mem: 100, disk: 1 }), ['cpus', 'disk'])
})

test('what is reserved is used before what anyone may have, and both together', () => {
  const reservations = [{ type: 'DYNAMIC' as const, role: 'db' }]
  const kept = scalar('cpus', 1, { reservations })
  const room = new Room(offer(scalar('cpus', 2), kept))
  assert.equal(room.take({ cpus: 0.5, mem: 0 }), [scalar('cpus', 0.5, { reservations })])
  assert.equal(room.take({ cpus: 1, mem: 0 }), [
    scalar('cpus', 0.5, { reservations }),
    scalar('cpus', 0.5),
  ])
  assert.equal(room.lacks({ cpus: 2, mem: 0 }), ['cpus'])
})

test('who may be killed at any time gets what is lent, or else what is not', () => {
  const lent = scalar('cpus', 1, { revocable: {} })
  const room = new Room(offer(scalar('cpus', 2), lent, scalar('mem', 64)))
  const request = { cpus: 0.75, mem: 32, revocable: true }
  assert.equal(room.take(request), [scalar('cpus', 0.75, { revocable: {} }), scalar('mem', 32)])
  assert.equal(room.lacks(request), [])
  assert.equal(room.take(request), [scalar('cpus', 0.75), scalar('mem', 32)])
  assert.equal(room.lacks({ cpus: 1.5, mem: 0 }), ['cpus'])
})

test('a volume is for one task, a shared one for any number', () => {
  const volume = (id: string, more: Partial<Resource> = {}) =>
    scalar('disk', 100, {
      disk: { persistence: { id }, volume: { mode: 'RW', container_path: 'data' } },
      ...more,
    })
  const room = new Room(offer(volume('own'), volume('common', { shared: {} })))
  const own = { cpus: 0, mem: 0, volumes: [{ id: 'own' }] }
  const common = { cpus: 0, mem: 0, volumes: [{ id: 'common', path: 'shared' }] }
  assert.equal(room.take(own), [volume('own')])
  assert.equal(room.lacks(own), ['volume own'])
  for (let count = 0; count < 3; count++) {
    assert.equal(room.lacks(common), [])
    const [taken] = room.take(common)
    assert.is(taken?.disk?.volume?.container_path, 'shared')
  }
})

test("a task's resources bear the role of the offer", () => {
  const room = new Room({ ...offer(scalar('cpus', 1)), allocation_info: { role: 'web' } })
  assert.equal(room.take({ cpus: 0.5, mem: 0 }), [
    scalar('cpus', 0.5, { allocation_info: { role: 'web' } }),
  ])
})

const status = (id: string, state: 'TASK_RUNNING' | 'TASK_FINISHED') => ({
  task_id: { value: id },
  agent_id: { value: 'a1' },
  state,
})

test('after a doubt every live task is asked about until a word of it comes', () => {
  const tasks = new KnownTasks()
  tasks.launched('t1', 'a1', 0)
  tasks.launched('t2', 'a1', 0)
  tasks.launched('t3', 'a1', 0)
  tasks.heard(status('t3', 'TASK_FINISHED'), 1)
  assert.equal(tasks.doubtful(), [])
  tasks.doubtAll()
  assert.equal(
    tasks.doubtful().map(({ task_id }) => task_id.value),
    ['t1', 't2'],
  )
  tasks.heard(status('t1', 'TASK_RUNNING'), 2)
  assert.equal(tasks.doubtful(), [{ task_id: { value: 't2' }, agent_id: { value: 'a1' } }])
})

test('only a task that should be starting is doubted for its silence', () => {
  const tasks = new KnownTasks()
  tasks.launched('silent', 'a1', 0)
  tasks.launched('running', 'a1', 0)
  tasks.heard(status('running', 'TASK_RUNNING'), 10)
  tasks.doubtSilent(29_999, 30_000)
  assert.equal(tasks.doubtful(), [])
  tasks.doubtSilent(30_000, 30_000)
  assert.equal(
    tasks.doubtful().map(({ task_id }) => task_id.value),
    ['silent'],
  )
})

test.run()
