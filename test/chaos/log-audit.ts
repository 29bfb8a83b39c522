/**
 * Compares the replicas of the registry's log, position by position, as an actor of a node of its own that
 * asks them. What two replicas have learned for one position must be the same (replicated-log.md §13).
 */
import { CatchUp, Positions, Read } from '../../protocol/log.ts'
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import { type Context, child, pid, startNode, table } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'

export interface LogAudit {
  /** Positions that at least two replicas have learned. */
  readonly compared: number
  /** Sentences about positions where replicas differ. */
  readonly differences: readonly string[]
}

/** A replica that was cut off until just now may have to ask the others again. */
const askMs = 30_000

export async function auditLog(
  servers: readonly string[],
  replicas: readonly string[],
): Promise<LogAudit> {
  let auditor: Context | undefined
  const node = await startNode({
    name: `auditor-${process.pid}`,
    ports: systemPorts({ transport: natsTransport({ servers }), log: { level: 'error' } }),
    children: [
      child({
        id: 'auditor',
        args: undefined,
        behaviour: table({
          label: 'auditor',
          messages: [],
          init(_args, cx) {
            auditor = cx
          },
          handlers: {},
        }),
      }),
    ],
  })
  const ask = <M extends Message>(replica: string, message: M, body: Payload<M>) =>
    new Promise<Reply<M>>((resolve, reject) => {
      const turn = () =>
        auditor!.ask(pid('log', replica), message, body, { timeoutMs: askMs }, (outcome) => {
          if (outcome.ok) resolve(outcome.value)
          else reject(new Error(`${replica}: ${outcome.error.message}`))
        })
      node.call(node.cell('auditor')!, turn)
    })
  try {
    // As far as any of them has come by now: masters that are alive go on writing meanwhile.
    const ends = replicas.map(async (name) => (await ask(name, Positions, {})).learned)
    const to = Math.max(...(await Promise.all(ends)))
    return compareReplicas(
      await Promise.all(replicas.map(async (name) => [name, await read(ask, name, to)])),
      to,
    )
  } finally {
    await node.stop()
  }
}

type Ask = <M extends Message>(replica: string, message: M, body: Payload<M>) => Promise<Reply<M>>

/** What a replica has learned. */
export interface Learned {
  readonly begin: number
  /** Appended data in hexadecimal by position; positions without are fillers and truncations. */
  readonly appended: ReadonlyMap<number, string>
}

/** Has a replica learn all up to there, and reads it. */
async function read(ask: Ask, replica: string, to: number): Promise<Learned> {
  await ask(replica, CatchUp, { to })
  const { begin } = await ask(replica, Positions, {})
  const appended = new Map<number, string>()
  for (let from = begin; from <= to; ) {
    const { entries, next } = await ask(replica, Read, { from, to })
    for (const { position, data } of entries) {
      appended.set(position, Buffer.from(data).toString('hex'))
    }
    from = next
  }
  return { begin, appended }
}

/** What replicas have all learned, up to that position, must be the same. */
export function compareReplicas(
  replicas: ReadonlyArray<readonly [name: string, learned: Learned]>,
  to: number,
): LogAudit {
  const differences: string[] = []
  const [first, ...others] = replicas
  let compared = 0
  for (const [name, { begin, appended }] of others) {
    for (let position = Math.max(begin, first![1].begin); position <= to; position++) {
      compared++
      if (appended.get(position) !== first![1].appended.get(position)) {
        differences.push(`position ${position} differs between ${first![0]} and ${name}`)
      }
    }
  }
  return { compared, differences }
}
