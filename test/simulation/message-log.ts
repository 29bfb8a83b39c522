/**
 * The message log: what actors are sent, as they get it, handed to whoever watches. Nodes are watched from
 * their start on; what the runtime does for itself is left out, but for answers. Spec: simulation.md §8.
 */
import type { Envelope } from '../../src/runtime/envelope.ts'
import type { Node } from '../../src/runtime/index.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'

/** Called before the actor gets the message; `body` is only to be read. */
export type Watcher = (host: SimulatedHost, envelope: Envelope) => void

/** How the runtime calls an answer, whose body is an `Outcome`. */
export const answer = '@reply'

export class MessageLog {
  readonly #cluster: Cluster
  readonly #watchers: ReadonlyMap<string, Watcher>
  readonly #watched = new Map<SimulatedHost, Node>()

  /** Watchers by type of message. What one throws is the cluster's trouble. */
  constructor(cluster: Cluster, watchers: ReadonlyMap<string, Watcher>) {
    this.#cluster = cluster
    this.#watchers = watchers
  }

  /** Finds hosts that have begun another life; to be called at each step. */
  attach(): void {
    for (const host of this.#cluster.hosts.values()) {
      const { node } = host
      if (node === undefined || this.#watched.get(host) === node) continue
      this.#watched.set(host, node)
      node.intercept((envelope) => {
        try {
          this.#watchers.get(envelope.type)?.(host, envelope)
        } catch (error) {
          this.#cluster.trouble ??= error as Error
        }
        return 'deliver'
      })
    }
  }
}
