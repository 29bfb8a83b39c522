/** A process that publishes payloads of one size as fast as the broker takes them, until it is killed. */
import { connect } from 'nats'

const [url = '', subject = '', bytes = '0'] = process.argv.slice(2)
const payload = new Uint8Array(Number(bytes))
/** Published between two confirmations of the broker, in bytes: enough to keep the pipe full. */
const batch = Math.max(1, Math.ceil(2 ** 20 / (payload.length + 64)))

const nats = await connect({ servers: url, noAsyncTraces: true })
// Gone with its parent, however that ends.
process.on('disconnect', () => process.exit())
let confirmed = Promise.resolve()
for (;;) {
  for (let i = 0; i < batch; i++) nats.publish(subject, payload)
  // One batch is on its way while the next one is made.
  await confirmed
  confirmed = nats.flush()
}
