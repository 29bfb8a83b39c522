/** The limit of the machine for what travels by NATS: a bare client's publish to another one's callback. */
import { spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NatsConnection } from 'nats'
import { inWindows } from './statistics.ts'

const publisher = fileURLToPath(
  new URL(`./raw-publisher${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
)
const subject = 'raw.benchmark'

/** Payloads of `bytes` a second from a process of its own to this one, in each of some windows. */
export async function rawThroughput(
  nats: NatsConnection,
  url: string,
  bytes: number,
  windows: { readonly count: number; readonly ms: number },
): Promise<number[]> {
  let received = 0
  let begin = () => {}
  const first = new Promise<void>((resolve) => {
    begin = resolve
  })
  const subscription = nats.subscribe(subject, {
    callback() {
      if (received++ === 0) begin()
    },
  })
  await nats.flush()
  const args = [publisher, url, subject, String(bytes)]
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    await first
    return await inWindows(windows, () => received)
  } finally {
    child.kill('SIGKILL')
    subscription.unsubscribe()
  }
}
