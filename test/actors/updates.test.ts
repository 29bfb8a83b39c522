/** The status-update manager: agent.md §7, and the invariants 1, 2 and 8 of its §15. */

import { updates } from '../../actors/updates/index.ts'
import {
  AcknowledgeStream,
  PauseUpdates,
  ResumeUpdates,
  StoreUpdate,
} from '../../protocol/updates.ts'
import type { TaskState } from '../../protocol/v1/status.ts'
import { child, type Node, type Pid, pid, type Store } from '../../src/runtime/index.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('status-update manager')
const UPDATES = pid('updates', 'agent')
const framework_id = { value: 'f1' }

interface Life {
  readonly node: Node
  readonly probe: Probe
  readonly store: Store
}

/** Starts the manager (again) on the host's disk; the probe is its agent. */
async function start(w: World): Promise<Life> {
  const store = await w.run(w.ports('agent').storage.open('/agent/meta'))
  const node = await w.start('agent')
  const probe = await w.probe(node, 'owner')
  const args = {
    owner: pid('owner', 'agent') as Pid,
    store,
    retryMinMs: 10_000,
    retryMaxMs: 40_000,
    forget: () => [],
  }
  node.registry.start(child(updates(args)), node.cell('root'))
  await w.advance(5)
  return { node, probe, store }
}

const uuidOf = (number: number) => new Uint8Array(16).fill(number)

async function store(w: World, probe: Probe, state: TaskState, uuid: number, task = 't1') {
  const status = { task_id: { value: task }, state, uuid: uuidOf(uuid) }
  await probe.send(UPDATES, StoreUpdate, { framework_id, status })
  await w.advance(5)
}

async function acknowledge(w: World, probe: Probe, uuid: number, task = 't1') {
  const body = { framework_id, task_id: { value: task }, uuid: uuidOf(uuid) }
  await probe.send(UPDATES, AcknowledgeStream, body)
  await w.advance(5)
}

async function resume(w: World, probe: Probe) {
  await probe.send(UPDATES, ResumeUpdates, {})
  await w.advance(1)
}

/** States that were forwarded since the last look. */
function forwarded(probe: Probe): TaskState[] {
  return probe
    .take('FORWARD_UPDATE')
    .map(({ body }) => (body as { status: { state: TaskState } }).status.state)
}

test('a status is on disk before anybody hears of it, and forwarded only after', async () => {
  const w = world()
  const { probe, store: disk } = await start(w)
  await resume(w, probe)
  await store(w, probe, 'TASK_RUNNING', 1)
  const entries = await w.run(disk.range('stream/', 'stream0'))
  assert.is(entries.length, 1)
  const order = probe.received.map(({ type }) => type)
  assert.equal(order, ['STREAMS_RECOVERED', 'UPDATE_STORED', 'FORWARD_UPDATE'])
  await w.stop()
})

test('the next status of a task comes only after the acknowledgement of the one before', async () => {
  const w = world()
  const { probe } = await start(w)
  await resume(w, probe)
  await store(w, probe, 'TASK_STARTING', 1)
  await store(w, probe, 'TASK_RUNNING', 2)
  await store(w, probe, 'TASK_RUNNING', 9, 't2')
  assert.equal(forwarded(probe), ['TASK_STARTING', 'TASK_RUNNING'])
  await acknowledge(w, probe, 2)
  assert.equal(forwarded(probe), [], 'a wrong uuid changes nothing')
  await acknowledge(w, probe, 1)
  assert.equal(forwarded(probe), ['TASK_RUNNING'])
  await w.stop()
})

test('an unacknowledged status is sent again, with doubled waits up to the longest', async () => {
  const w = world()
  const { probe } = await start(w)
  await resume(w, probe)
  await store(w, probe, 'TASK_RUNNING', 1)
  const counts: number[] = []
  // At 0, 10, 30, 70, 110, 150 seconds.
  for (const seconds of [9, 2, 18, 2, 38, 2, 38, 2, 38, 2]) {
    forwarded(probe)
    await w.advance(seconds * 1000)
    counts.push(forwarded(probe).length)
  }
  assert.equal(counts, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
  await w.stop()
})

test('a repeated uuid is answered and not forwarded again', async () => {
  const w = world()
  const { probe } = await start(w)
  await resume(w, probe)
  await store(w, probe, 'TASK_RUNNING', 1)
  forwarded(probe)
  await store(w, probe, 'TASK_RUNNING', 1)
  assert.is(probe.take('UPDATE_STORED').length, 2)
  assert.equal(forwarded(probe), [])
  await w.stop()
})

test('nothing is forwarded while paused; after resume the first of every stream is', async () => {
  const w = world()
  const { probe } = await start(w)
  await store(w, probe, 'TASK_RUNNING', 1, 't1')
  await store(w, probe, 'TASK_FAILED', 2, 't2')
  assert.equal(forwarded(probe), [])
  await resume(w, probe)
  assert.equal(forwarded(probe).sort(), ['TASK_FAILED', 'TASK_RUNNING'])
  await probe.send(UPDATES, PauseUpdates, {})
  await w.advance(60_000)
  assert.equal(forwarded(probe), [])
  await w.stop()
})

test('after a crash what is not acknowledged comes again, in order, and what is does not', async () => {
  const w = world()
  const first = await start(w)
  await resume(w, first.probe)
  await store(w, first.probe, 'TASK_STARTING', 1)
  await store(w, first.probe, 'TASK_RUNNING', 2)
  await store(w, first.probe, 'TASK_FINISHED', 3)
  await store(w, first.probe, 'TASK_FINISHED', 4, 'over')
  await acknowledge(w, first.probe, 1)
  await acknowledge(w, first.probe, 4, 'over')
  await w.crash(first.node)
  const { probe } = await start(w)
  const [recovered] = probe.take('STREAMS_RECOVERED')
  const { streams } = recovered!.body as {
    streams: Array<{ task_id: { value: string }; pending: number }>
  }
  assert.equal(
    streams.map(({ task_id, pending }) => [task_id.value, pending]),
    [['t1', 2]],
  )
  await resume(w, probe)
  assert.equal(forwarded(probe), ['TASK_RUNNING'])
  await acknowledge(w, probe, 2)
  await acknowledge(w, probe, 3)
  assert.equal(forwarded(probe), ['TASK_FINISHED'])
  await w.advance(100_000)
  assert.equal(forwarded(probe), [])
  await w.stop()
})

test.run()
