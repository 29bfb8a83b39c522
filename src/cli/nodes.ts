/** The nodes of a cluster, as they make themselves known, and requests to their actors. */
import { encode } from '../../protocol/codec.ts'
import { advice, type Details } from '../../protocol/errors.ts'
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import { type NodeInfo, nodeServiceName } from '../../protocol/node.ts'
import { type Context, child, type Pid, startNode, table } from '../runtime/index.ts'
import { systemPorts } from '../runtime/ports/index.ts'
import { type ClusterClient, type ConnectionOptions, transportOf } from './connection.ts'
import { CommandError } from './errors.ts'

/** How long nodes are given to make themselves known. */
const discoveryMs = 250
/** Nodes that one command asks. */
const nodesMax = 1000

/** All nodes of the cluster that answer, by name. */
export async function nodesOf(client: ClusterClient): Promise<NodeInfo[]> {
  const names = await discover(client)
  const answers = await Promise.allSettled(
    names.map((name) => client.request(client.subjects.nodeActors(name), {})),
  )
  // A node may end between its two answers.
  return answers.flatMap((answer) =>
    answer.status === 'fulfilled' ? [answer.value as NodeInfo] : [],
  )
}

/** Names of the nodes of this cluster: whoever answers in time. */
async function discover({ connection, subjects }: ClusterClient): Promise<string[]> {
  const inbox = `_INBOX.actor.${crypto.randomUUID()}`
  const names = new Set<string>()
  const subscription = connection.subscribe(inbox, ({ data, noResponders }) => {
    if (noResponders || names.size >= nodesMax) return
    const { metadata } = JSON.parse(new TextDecoder().decode(data)) as {
      metadata?: { cluster?: string; node?: string }
    }
    if (metadata?.cluster === subjects.cluster && metadata.node !== undefined)
      names.add(metadata.node)
  })
  connection.publish(`$SRV.PING.${nodeServiceName}`, encode({}, 'json'), inbox)
  await new Promise((resolve) => setTimeout(resolve, discoveryMs))
  subscription.close()
  return [...names].sort()
}

/** Names of the nodes that have an actor of this id. @throws CommandError NOT_FOUND if there is none */
export async function nodesWith(client: ClusterClient, actor: string): Promise<string[]> {
  const nodes = (await nodesOf(client)).filter(({ actors }) =>
    actors.some(({ id }) => id === actor),
  )
  if (nodes.length > 0) return nodes.map(({ node }) => node)
  throw new CommandError(
    'NOT_FOUND',
    `no node of the cluster ${client.subjects.cluster} has an actor called ${actor}`,
    'See what there is with: meseta actor tree',
  )
}

/** Asks an actor. @throws CommandError with what it, or the runtime, refused with */
export type Ask = <M extends Message>(
  to: Pid,
  message: M,
  body: Payload<M>,
  timeoutMs?: number,
) => Promise<Reply<M>>

/** Joins the cluster as a node of its own for as long as `use` runs: only nodes can ask actors. */
export async function asNode<T>(
  options: ConnectionOptions,
  use: (ask: Ask) => Promise<T>,
): Promise<T> {
  const ports = systemPorts({ transport: transportOf(options), log: { level: 'fatal' } })
  let context: Context | undefined
  const asker = child({
    id: 'command',
    args: undefined,
    behaviour: table<undefined, []>({
      label: 'command',
      messages: [],
      init: (_args, cx) => {
        context = cx
        return undefined
      },
      handlers: {},
      exited() {},
    }),
  })
  const name = `command-${ports.random.uuid().slice(0, 8)}`
  const node = await startNode({ name, cluster: options.cluster, ports, children: [asker] })
  const ask: Ask = (to, message, body, timeoutMs = options.request_timeout_ms) =>
    new Promise((resolve, reject) => {
      const cell = node.cell('command')
      if (cell === undefined) throw new Error('the node has no actor to ask with')
      node.call(cell, () =>
        context?.ask(to, message, body, { timeoutMs }, (outcome) => {
          if (outcome.ok) resolve(outcome.value)
          else {
            const { code, message: why, details } = outcome.error
            reject(new CommandError(code, why, advice(code, details as Details)))
          }
        }),
      )
    })
  try {
    return await use(ask)
  } finally {
    await node.stop()
    ports.processes.close()
  }
}
