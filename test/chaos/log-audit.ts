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

const askMs = 10_000

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
    return compareReplicas(
      await Promise.all(replicas.map(async (name) => [name, await read(ask, name)])),
    )
  } finally {
    await node.stop()
  }
}

type Ask = <M extends Message>(replica: string, message: M, body: Payload<M>) => Promise<Reply<M>>

/** What a replica has learned. */
export interface Learned {
  readonly begin: number
  readonly end: number
  /** Appended data in hexadecimal by position; positions without are fillers and truncations. */
  readonly appended: ReadonlyMap<number, string>
}

/** Has a replica learn all that there is, and reads it. */
async function read(ask: Ask, replica: string): Promise<Learned> {
  await ask(replica, CatchUp, {})
  const { begin, learned: end } = await ask(replica, Positions, {})
  const appended = new Map<number, string>()
  for (let from = begin; from <= end; ) {
    const { entries, next } = await ask(replica, Read, { from, to: end })
    for (const { position, data } of entries) {
      appended.set(position, Buffer.from(data).toString('hex'))
    }
    from = next
  }
  return { begin, end, appended }
}

/** What two replicas have both learned must be the same. */
export function compareReplicas(
  replicas: ReadonlyArray<readonly [name: string, learned: Learned]>,
): LogAudit {
  const differences: string[] = []
  const [first, ...others] = replicas
  let compared = 0
  for (const [name, { begin, end, appended }] of others) {
    if (end !== first![1].end) {
      differences.push(`${first![0]} has learned all up to ${first![1].end}, ${name} up to ${end}`)
    }
    const common = { from: Math.max(begin, first![1].begin), to: Math.min(end, first![1].end) }
    for (let position = common.from; position <= common.to; position++) {
      compared++
      if (appended.get(position) !== first![1].appended.get(position)) {
        differences.push(`position ${position} differs between ${first![0]} and ${name}`)
      }
    }
  }
  return { compared, differences }
}
