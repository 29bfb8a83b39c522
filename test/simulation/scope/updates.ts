/** The update journal: two statuses of a task, stored, forwarded and acknowledged. Spec: agent.md §7. */
import { updates } from '../../../actors/updates/index.ts'
import type { Payload } from '../../../protocol/message.ts'
import {
  AcknowledgeStream,
  type ForwardUpdate,
  ResumeUpdates,
  StoreUpdate,
  type StreamAcknowledged,
  type StreamsRecovered,
  type UpdateStored,
} from '../../../protocol/updates.ts'
import type { TaskStatus } from '../../../protocol/v1/status.ts'
import { child, pid } from '../../../src/runtime/index.ts'
import { type Probe, world } from '../../support/nodes.ts'
import { assert } from '../../support/suite.ts'
import type { Choose } from './explore.ts'
import { MortalHost } from './mortal-host.ts'

const path = '/meta'
const to = pid('updates', 'a')
const framework_id = { value: 'F' }
const task_id = { value: 'T' }
const statuses: readonly TaskStatus[] = [
  { task_id, state: 'TASK_RUNNING', uuid: new Uint8Array(16).fill(1) },
  { task_id, state: 'TASK_FINISHED', uuid: new Uint8Array(16).fill(2) },
]

/**
 * What is stored is found again, in order, until it is acknowledged; what is forwarded is on disk; nothing is
 * forwarded before its turn, nor after its acknowledgement; at last nothing is left.
 */
export async function updateJournal(choose: Choose): Promise<void> {
  const w = world()
  const node = await w.start('b')
  const probe = await w.probe(node, 'owner')
  const host = new MortalHost({
    name: 'a',
    clock: w.clock,
    broker: w.broker,
    choose,
    deaths: ['kill'],
    deathsMax: 2,
    async program({ storage }) {
      const store = await storage.open(path)
      const retry = { retryMinMs: 5000, retryMaxMs: 5000 }
      const owner = pid('owner', 'b')
      return [child(updates({ owner, store, ...retry, forget: () => [] }))]
    },
  })
  const owner = new Owner(probe, (uuid) => {
    const values = [...host.storage.contents(path).values()]
    return values.some((value) => Buffer.from(value).includes(Buffer.from(uuid)))
  })
  host.start()
  for (let steps = 0; !owner.isDone; steps++) {
    assert.ok(steps < 100, 'the statuses are never acknowledged')
    await w.advance(200)
    await owner.hear()
  }
  await w.advance(20_000)
  await owner.hear()
  assert.is(host.storage.contents(path).size, 0, 'the stream stays on disk')
  await host.stop()
  await w.stop()
}

/** Stands for the agent, and outlives it: it knows what it was told. */
class Owner {
  readonly #probe: Probe
  readonly #isOnDisk: (uuid: Uint8Array) => boolean
  /** Numbers of statuses: told to be stored; acknowledged by us; whose acknowledgement is told durable. */
  readonly #stored = new Set<number>()
  readonly #confirmed = new Set<number>()
  readonly #settled = new Set<number>()

  constructor(probe: Probe, isOnDisk: (uuid: Uint8Array) => boolean) {
    this.#probe = probe
    this.#isOnDisk = isOnDisk
  }

  get isDone(): boolean {
    return this.#settled.has(1) || (this.#confirmed.has(1) && this.#lost)
  }
  /** The last acknowledgement took effect, and the word of it was lost with the process. */
  #lost = false

  async hear(): Promise<void> {
    for (const { type, body } of this.#probe.take()) {
      if (type === 'STREAMS_RECOVERED')
        await this.#recovered(body as Payload<typeof StreamsRecovered>)
      else if (type === 'UPDATE_STORED')
        this.#stored.add(numberOf((body as Payload<typeof UpdateStored>).uuid))
      else if (type === 'FORWARD_UPDATE')
        await this.#forwarded(body as Payload<typeof ForwardUpdate>)
      else if (type === 'STREAM_ACKNOWLEDGED') {
        const { closed } = body as Payload<typeof StreamAcknowledged>
        this.#settled.add(closed ? 1 : 0)
      }
    }
  }

  async #recovered({ streams }: Payload<typeof StreamsRecovered>): Promise<void> {
    const found = (streams[0]?.statuses ?? []).map(({ uuid }) => numberOf(uuid))
    const pending = found.slice(found.length - (streams[0]?.pending ?? 0))
    assert.equal(found, [0, 1].slice(0, found.length), 'statuses are found in another order')
    if (found.length === 0 && this.#confirmed.has(1)) this.#lost = true
    else
      for (const number of this.#stored)
        assert.ok(found.includes(number), `status ${number} was stored, and is not found again`)
    for (const number of this.#settled)
      assert.not.ok(pending.includes(number), `status ${number} is pending again`)
    for (const number of this.#confirmed.size > 0 ? [] : found)
      assert.ok(pending.includes(number), `status ${number} is taken for acknowledged`)
    await this.#probe.send(to, ResumeUpdates, {})
    // As an executor does that is subscribed anew: it tells again what nobody has confirmed.
    for (const [number, status] of statuses.entries())
      if (!this.#stored.has(number) && !this.#confirmed.has(1))
        await this.#probe.send(to, StoreUpdate, { framework_id, status })
  }

  async #forwarded({ status: { uuid } }: Payload<typeof ForwardUpdate>): Promise<void> {
    const number = numberOf(uuid)
    assert.ok(number === 0 || this.#confirmed.has(0), 'the end is forwarded before its turn')
    assert.not.ok(this.#settled.has(number), `status ${number} is forwarded once more`)
    assert.ok(this.#isOnDisk(uuid as Uint8Array), `status ${number} is not on disk`)
    this.#confirmed.add(number)
    await this.#probe.send(to, AcknowledgeStream, {
      framework_id,
      task_id,
      uuid: uuid as Uint8Array,
    })
  }
}

/** Which of the statuses it is. */
function numberOf(uuid: Uint8Array | undefined): number {
  return (uuid?.[0] ?? 0) - 1
}
