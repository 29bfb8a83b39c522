/**
 * A scheduler with nothing but `nats` and `msgpackr`: as little work as a framework can do, so that a
 * benchmark measures the cluster and not the framework. Many share one connection.
 */
import { Packr, Unpackr } from 'msgpackr'
import type { NatsConnection } from 'nats'
import type { SubscribeReply } from '../../protocol/scheduler.ts'
import { subjects } from '../../protocol/subjects.ts'
import type { Offer, OfferOperation } from '../../protocol/v1/offer.ts'
import type { TaskStatus } from '../../protocol/v1/status.ts'

export interface LightEvents {
  /** The event's size in bytes is given for comparison with other ways to send as much. */
  readonly offers?: (offers: readonly Offer[], scheduler: LightScheduler, bytes: number) => void
  /** Acknowledged afterwards. */
  readonly update?: (status: TaskStatus, scheduler: LightScheduler) => void
}

export interface LightScheduler {
  readonly id: string
  /** Gives offers back. */
  decline(offers: readonly Offer[], refuseSeconds: number): void
  accept(
    offers: readonly Offer[],
    operations: readonly OfferOperation[],
    refuseSeconds: number,
  ): void
  suppress(): void
  revive(): void
  /** Ends the framework; resolves when the master has taken the call. */
  teardown(): Promise<void>
}

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
const replyTimeoutMs = 10_000

/** Subscribes a framework under an id of its own. It listens before, so that it misses no event. */
export async function lightScheduler(
  nats: NatsConnection,
  cluster: string,
  id: string,
  events: LightEvents,
  role = 'bench',
): Promise<LightScheduler> {
  const names = subjects(cluster)
  const callSubject = names.frameworkCall(id)
  const framework_id = { value: id }
  let streamId: string | undefined
  const call = (type: string, fields: object) =>
    packr.pack({ type, framework_id, ...(streamId && { stream_id: streamId }), ...fields })
  const publish = (type: string, fields: object) => nats.publish(callSubject, call(type, fields))
  const request = async (type: string, fields: object) => {
    const message = await nats.request(callSubject, call(type, fields), {
      timeout: replyTimeoutMs,
    })
    const reply = unpackr.unpack(message.data)
    if (reply.error !== undefined) throw new Error(`${type}: ${reply.error.message}`)
    return reply
  }
  const withOffers = (offers: readonly Offer[], refuse_seconds: number) => ({
    offer_ids: offers.map((offer) => offer.id),
    filters: { refuse_seconds },
  })
  const scheduler: LightScheduler = {
    id,
    decline: (offers, refuseSeconds) =>
      publish('DECLINE', { decline: withOffers(offers, refuseSeconds) }),
    accept: (offers, operations, refuseSeconds) =>
      publish('ACCEPT', { accept: { ...withOffers(offers, refuseSeconds), operations } }),
    suppress: () => publish('SUPPRESS', { suppress: {} }),
    revive: () => publish('REVIVE', { revive: {} }),
    async teardown() {
      await request('TEARDOWN', {})
      subscription.unsubscribe()
    },
  }
  const subscription = nats.subscribe(names.frameworkEvent(id), {
    callback(_error, { data }) {
      const event = unpackr.unpack(data)
      if (event.type === 'OFFERS') events.offers?.(event.offers.offers, scheduler, data.length)
      else if (event.type === 'UPDATE') {
        const { status } = event.update
        events.update?.(status, scheduler)
        const { agent_id, task_id, uuid } = status
        if (uuid !== undefined) publish('ACKNOWLEDGE', { acknowledge: { agent_id, task_id, uuid } })
      } else if (event.type === 'ERROR') throw new Error(`${id}: ${event.error.message}`)
    },
  })
  await nats.flush()
  const subscribe = {
    framework_info: {
      id: framework_id,
      user: 'root',
      name: id,
      roles: [role],
      capabilities: [{ type: 'MULTI_ROLE' }, { type: 'RESERVATION_REFINEMENT' }],
    },
  }
  const reply: SubscribeReply = await request('SUBSCRIBE', { subscribe })
  streamId = reply.stream_id
  return scheduler
}
