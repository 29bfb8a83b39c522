/**
 * A framework that uses nothing but a NATS client and MessagePack: what the SDK does, by hand.
 *
 *     npx tsx examples/plain-framework.ts [nats://127.0.0.1:4222]
 */
import { randomUUID } from 'node:crypto'
import { Packr } from 'msgpackr'
import { connect } from 'nats'

const packr = new Packr({ useRecords: false })
const nc = await connect({ servers: process.argv[2] ?? 'nats://127.0.0.1:4222' })
const cluster = process.env.MESETA_CLUSTER ?? 'meseta'

// A framework may pick its own id. Listening before subscribing, it misses nothing.
const framework_id = { value: randomUUID() }
const callSubject = `${cluster}.framework.${framework_id.value}.call`
const call = (body: object) => nc.publish(callSubject, packr.pack({ framework_id, ...body }))

let launched = false
nc.subscribe(`${cluster}.framework.${framework_id.value}.event`, {
  callback: (_error, message) => {
    const event = packr.unpack(message.data)
    if (event.type === 'OFFERS') for (const offer of event.offers.offers) onOffer(offer)
    if (event.type === 'UPDATE') onUpdate(event.update.status)
    if (event.type === 'ERROR') throw new Error(event.error.message)
  },
})

const answer = await nc.request(
  callSubject,
  packr.pack({
    type: 'SUBSCRIBE',
    framework_id,
    subscribe: { framework_info: { user: 'nobody', name: 'plain', id: framework_id } },
  }),
)
const reply = packr.unpack(answer.data)
if (reply.error) throw new Error(`${reply.error.code}: ${reply.error.message}`)
console.log(`framework ${reply.framework_id.value}`)

// biome-ignore lint/suspicious/noExplicitAny: a plain client sees plain documents
function onOffer(offer: any): void {
  if (launched) {
    call({ type: 'DECLINE', decline: { offer_ids: [offer.id], filters: { refuse_seconds: 60 } } })
    return
  }
  launched = true
  const scalar = (name: string, value: number) => ({ name, type: 'SCALAR', scalar: { value } })
  const task = {
    name: 'plain',
    task_id: { value: 'plain-1' },
    agent_id: offer.agent_id,
    resources: [scalar('cpus', 0.1), scalar('mem', 32)],
    command: { value: 'echo plain words' },
  }
  const operations = [{ type: 'LAUNCH', launch: { task_infos: [task] } }]
  call({ type: 'ACCEPT', accept: { offer_ids: [offer.id], operations } })
}

// biome-ignore lint/suspicious/noExplicitAny: a plain client sees plain documents
function onUpdate({ task_id, agent_id, state, uuid }: any): void {
  console.log(`${task_id.value} ${state}`)
  // The next status of a task comes only after this one is acknowledged.
  if (uuid) call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id, task_id, uuid } })
  if (state === 'TASK_FINISHED') {
    call({ type: 'TEARDOWN' })
    void nc.drain()
  }
}
