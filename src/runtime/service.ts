/**
 * A node as ONE NATS micro service (ADR-32), so that the NATS tools and `meseta actor` see it: it answers
 * `$SRV.PING|INFO|STATS`, bare, by name and by id, and lists its actors on its endpoint. It reads cells
 * from outside their turns, which is safe: reading changes nothing.
 */
import { decode, encode } from '../../protocol/codec.ts'
import {
  type ActorInfo,
  type NodeInfo,
  nodeServiceName,
  nodeServiceVersion,
} from '../../protocol/node.ts'
import type { Cell } from './cell.ts'
import type { Node } from './node.ts'
import type { Delivery, Subscription } from './ports.ts'

/** Actors that one answer lists; of the others it tells how many there are. */
const ACTORS_MAX = 10_000
const ENDPOINT = 'actors'

interface EndpointStats {
  requests: number
  processingMs: number
}

/** Starts answering. The subscriptions end when they are closed. */
export function openService(node: Node): Subscription[] {
  const stats: EndpointStats = { requests: 0, processingMs: 0 }
  const identity = {
    name: nodeServiceName,
    id: node.incarnation,
    version: nodeServiceVersion,
    metadata: { cluster: node.cluster, node: node.name },
  }
  const endpoint = { name: ENDPOINT, subject: node.subjects.nodeActors(node.name), queue_group: '' }
  const answers: Record<string, () => object> = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...identity,
      description: 'a node of actors',
      endpoints: [endpoint],
    }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...identity,
      started: new Date(node.ports.clock.now() - ageMs(node)).toISOString(),
      endpoints: [
        {
          ...endpoint,
          num_requests: stats.requests,
          num_errors: 0,
          last_error: '',
          processing_time: Math.round(stats.processingMs * 1e6),
          average_processing_time: Math.round(
            (stats.processingMs * 1e6) / Math.max(1, stats.requests),
          ),
        },
      ],
    }),
  }
  const subscriptions = Object.entries(answers).flatMap(([verb, answer]) => {
    const subjects = [
      `$SRV.${verb}`,
      `$SRV.${verb}.${identity.name}`,
      `$SRV.${verb}.${identity.name}.${identity.id}`,
    ]
    return subjects.map((subject) =>
      node.connections
        .lane()
        .subscribe(subject, (delivery) => respond(node, delivery, answer(), 'json')),
    )
  })
  subscriptions.push(
    node.connections.lane().subscribe(endpoint.subject, (delivery) => {
      const before = node.ports.clock.monotonic()
      const decoded = decode(delivery.data)
      // Any payload asks the same; an empty one, as tools send it, is answered as JSON.
      respondListing(node, delivery, decoded.ok ? decoded.value.format : 'json')
      stats.requests++
      stats.processingMs += node.ports.clock.monotonic() - before
    }),
  )
  return subscriptions
}

function respond(
  node: Node,
  { reply }: Delivery,
  answer: object,
  format: 'json' | 'msgpack',
): void {
  if (reply !== undefined) node.connections.lane().publish(reply, encode(answer, format))
}

/** Lists as many actors as one message of the broker holds. */
function respondListing(node: Node, { reply }: Delivery, format: 'json' | 'msgpack'): void {
  if (reply === undefined) return
  const clients = node.connections.lane()
  let actorsMax = ACTORS_MAX
  let bytes = encode(describeNode(node, actorsMax), format)
  while (bytes.length > clients.maxPayload && actorsMax > 1) {
    actorsMax = Math.floor(Math.min(actorsMax, node.registry.size) / 2)
    bytes = encode(describeNode(node, actorsMax), format)
  }
  clients.publish(reply, bytes)
}

/** The node and at most so many of its actors, parents before their children. */
export function describeNode(node: Node, actorsMax: number = ACTORS_MAX): NodeInfo {
  const actors: ActorInfo[] = []
  for (const cell of node.cells()) {
    if (actors.length === actorsMax) break
    actors.push(describeCell(node, cell))
  }
  const { gaps, breaks, malformed } = node.peers
  return {
    node: node.name,
    cluster: node.cluster,
    incarnation: node.incarnation,
    age_seconds: ageMs(node) / 1000,
    backlog: node.backlog,
    dead_letters: {
      count: node.deadLetters.count,
      last: node.deadLetters.last.map((letter) => ({ ...letter })),
    },
    gaps,
    breaks,
    malformed,
    actors,
    truncated: node.registry.size - actors.length,
  }
}

function describeCell(node: Node, cell: Cell): ActorInfo {
  const nowMs = node.ports.clock.monotonic()
  const { rate, busy } = cell.meter.read(nowMs)
  const state = stateOf(cell)
  return {
    id: cell.id,
    pid: cell.self,
    label: cell.spec.behaviour.label,
    ...(cell.parent && { parent: cell.parent.id }),
    phase: cell.phase,
    ...(state !== undefined && { state }),
    mailbox: cell.mailbox.size,
    mailbox_max: cell.mailboxMax,
    handled: cell.handled,
    rate,
    busy,
    restarts: cell.restarts,
    timers: cell.timers,
    subscriptions: cell.subscriptions,
    links: cell.links.size,
    age_seconds: (nowMs - cell.startedMs) / 1000,
  }
}

/** `leading`, `a.b`, `(a, b)` for parallel states; undefined for a handler table. */
function stateOf(cell: Cell): string | undefined {
  const value = (cell.snapshot as { value?: unknown } | undefined)?.value
  return value === undefined ? undefined : stateText(value)
}

function stateText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const parts = Object.entries(value).map(([name, inner]) => `${name}.${stateText(inner)}`)
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(', ')})`
}

function ageMs(node: Node): number {
  return node.ports.clock.monotonic() - node.startedMs
}
