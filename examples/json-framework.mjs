// A whole framework in plain JavaScript and JSON, with nothing but a NATS client:
//     node examples/json-framework.mjs [nats://127.0.0.1:4222]
import { randomUUID } from 'node:crypto'
import { connect, JSONCodec } from 'nats'

const json = JSONCodec()
const nc = await connect({ servers: process.argv[2] ?? 'nats://127.0.0.1:4222' })
const cluster = process.env.MESETA_CLUSTER ?? 'meseta'
const id = { value: randomUUID() }
const calls = `${cluster}.framework.${id.value}.call`
const call = (body) => nc.publish(calls, json.encode({ framework_id: id, ...body }))
let launched = false

nc.subscribe(`${cluster}.framework.${id.value}.event`, {
  callback: (_error, message) => {
    const event = json.decode(message.data)
    if (event.type === 'OFFERS') event.offers.offers.forEach(onOffer)
    if (event.type === 'UPDATE') onUpdate(event.update.status)
  },
})

const subscribe = { framework_info: { user: 'nobody', name: 'json', id } }
const reply = await nc.request(
  calls,
  json.encode({ type: 'SUBSCRIBE', framework_id: id, subscribe }),
)
console.log('subscribed', json.decode(reply.data).framework_id.value)

function onOffer(offer) {
  if (launched) {
    call({ type: 'DECLINE', decline: { offer_ids: [offer.id] } })
    return
  }
  launched = true
  const task = {
    name: 'json',
    task_id: { value: 'json-1' },
    agent_id: offer.agent_id,
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
    ],
    command: { value: 'echo hello from JSON' },
  }
  const operations = [{ type: 'LAUNCH', launch: { task_infos: [task] } }]
  call({ type: 'ACCEPT', accept: { offer_ids: [offer.id], operations } })
}

function onUpdate({ task_id, agent_id, state, uuid }) {
  console.log(task_id.value, state)
  if (uuid) call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id, task_id, uuid } })
  if (state === 'TASK_FINISHED') {
    call({ type: 'TEARDOWN' })
    nc.drain()
  }
}
