/**
 * The message log: what actors are sent, as they get it, handed to whoever watches. Nodes are watched from
 * their start on; what the runtime does for itself is left out, but for answers. Spec: simulation.md §8.
 */
import { isDeepStrictEqual } from 'node:util'
import { encode, unpack } from '../../protocol/codec.ts'
import type { Envelope } from '../../src/runtime/envelope.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import type { SimulatedHost } from './host.ts'

/** Called before the actor gets the message; `body` is only to be read. */
export type Watcher = (host: SimulatedHost, envelope: Envelope) => void

/** How the runtime calls an answer, whose body is an `Outcome`. */
export const answer = '@reply'

/** Of so many messages between nodes one is looked at (S6). */
const sampledOf = 50

/** S6: a message is the same after another way over the wire. */
export function checkCodec({ type, body }: Pick<Envelope, 'type' | 'body'>): void {
  if (!isDeepStrictEqual(unpack(encode(body)), body))
    throw new Violation('S6', `${type} is changed by the codec: ${JSON.stringify(body)}`)
}

export class MessageLog {
  readonly #cluster: Cluster
  readonly #watchers: ReadonlyMap<string, Watcher>
  /** Messages of other nodes so far. */
  #remote = 0

  /** Watchers by type of message. What one throws is the cluster's trouble. No host may be up yet. */
  constructor(cluster: Cluster, watchers: ReadonlyMap<string, Watcher>) {
    this.#cluster = cluster
    this.#watchers = watchers
    cluster.onLife((host) => this.#attach(host))
  }

  #attach(host: SimulatedHost): void {
    host.node?.intercept((envelope) => {
      try {
        if (envelope.remote && ++this.#remote % sampledOf === 0) checkCodec(envelope)
        this.#watchers.get(envelope.type)?.(host, envelope)
      } catch (error) {
        this.#cluster.trouble ??= error as Error
      }
      return 'deliver'
    })
  }
}
