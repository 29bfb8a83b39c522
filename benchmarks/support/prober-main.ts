/** The process of a prober (prober.ts). It answers the subject `probe.echo` itself, as a bare client does. */
import { connect } from 'nats'
import type { Question } from './prober.ts'

const timeoutMs = 60_000
const pauseMs = 2

const [url = ''] = process.argv.slice(2)
const nats = await connect({ servers: url, noAsyncTraces: true })
const echo = await connect({ servers: url, noAsyncTraces: true })
echo.subscribe('probe.echo', { callback: (_error, message) => message.respond(message.data) })
await echo.flush()

let running = false
let asking: Promise<readonly (readonly [string, number[]])[]> = Promise.resolve([])

async function ask({ subject, call }: Question): Promise<number[]> {
  const latencies: number[] = []
  const payload = JSON.stringify(call)
  while (running) {
    const at = performance.now()
    const answer = await nats.request(subject, payload, { timeout: timeoutMs })
    latencies.push(performance.now() - at)
    const { error } = answer.json<{ error?: { message: string } }>()
    if (error !== undefined) throw new Error(`${subject}: ${error.message}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  return latencies
}

process.on('message', async (message: 'end' | Record<string, Question>) => {
  if (message === 'end') {
    running = false
    process.send?.(Object.fromEntries(await asking))
    return
  }
  running = true
  const questions = Object.entries(message)
  asking = Promise.all(questions.map(async ([name, each]) => [name, await ask(each)] as const))
})
// Gone with its parent, however that ends.
process.on('disconnect', () => process.exit())
process.send?.('ready')
