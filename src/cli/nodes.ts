/** The nodes of a cluster, as they make themselves known, and requests to their actors. */
import { encode } from '../../protocol/codec.ts'
import { type NodeInfo, nodeServiceName } from '../../protocol/node.ts'
import { type Ask, connectAsker } from '../framework/asking.ts'
import { CallError } from '../framework/driver.ts'
import { systemPorts } from '../runtime/ports/index.ts'
import { type ClusterClient, type ConnectionOptions, transportOf } from './connection.ts'
import { CommandError } from './errors.ts'

/** How long the first node is given to make itself known, each other one after the one before, and all, ms. */
const discovery = { first: 2000, next: 250, all: 5000 }
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

/** Names of the nodes of this cluster: whoever answers before it is quiet. */
async function discover({ connection, subjects }: ClusterClient): Promise<string[]> {
  const inbox = `_INBOX.actor.${crypto.randomUUID()}`
  const names = new Set<string>()
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(quiet)
      clearTimeout(last)
      subscription.close()
      resolve()
    }
    let quiet = setTimeout(end, discovery.first)
    const last = setTimeout(end, discovery.all)
    const subscription = connection.subscribe(inbox, ({ data, noResponders }) => {
      if (noResponders || names.size >= nodesMax) return end()
      clearTimeout(quiet)
      quiet = setTimeout(end, discovery.next)
      const { metadata } = JSON.parse(new TextDecoder().decode(data)) as {
        metadata?: { cluster?: string; node?: string }
      }
      if (metadata?.cluster === subjects.cluster && metadata.node !== undefined)
        names.add(metadata.node)
    })
    connection.publish(`$SRV.PING.${nodeServiceName}`, encode({}, 'json'), inbox)
  })
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

/**
 * Joins the cluster for as long as `use` runs: only nodes can ask actors.
 * @throws CommandError with what an actor, or the runtime, refused with
 */
export async function asNode<T>(
  options: ConnectionOptions,
  use: (ask: Ask) => Promise<T>,
): Promise<T> {
  const ports = systemPorts({ transport: transportOf(options), log: { level: 'fatal' } })
  const asker = await connectAsker(ports, options.cluster)
  const ask: Ask = async (to, message, body, timeoutMs = options.request_timeout_ms) => {
    try {
      return await asker.ask(to, message, body, timeoutMs)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      throw new CommandError(error.code, error.message, error.advice)
    }
  }
  try {
    return await use(ask)
  } finally {
    await asker.close()
    ports.processes.close()
  }
}
