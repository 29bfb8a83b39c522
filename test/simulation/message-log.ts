/**
 * The message log: what actors are sent, as they get it, handed to whoever watches. Nodes are watched from
 * their start on; what the runtime does for itself is left out, but for answers. Spec: simulation.md §8.
 */
import { isDeepStrictEqual } from 'node:util'
import { encode, unpack } from '../../protocol/codec.ts'
import { type Envelope, type Outcome, REPLY } from '../../src/runtime/envelope.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import type { SimulatedHost } from './host.ts'

/**
 * Called before the actor gets the message; `body` is only to be read. What it returns is called with the
 * answer when that comes, unless it is a refusal.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: most watchers return nothing
export type Watcher = (host: SimulatedHost, envelope: Envelope) => Awaiting | void
export type Awaiting = (value: unknown) => void

/** Of so many messages between nodes one is looked at (S6). */
const sampledOf = 50

/** S6: a message is the same after another way over the wire. */
export function checkCodec({ type, body }: Pick<Envelope, 'type' | 'body'>): void {
  if (!isDeepStrictEqual(unpack(encode(body)), body))
    throw new Violation('S6', `${type} is changed by the codec: ${JSON.stringify(body)}`)
}

export class MessageLog {
  readonly #cluster: Cluster
  readonly #watchers = new Map<string, readonly Watcher[]>()
  /** Who waits for an answer, by who asked. */
  readonly #awaited = new Map<string, Awaiting>()
  /** Messages of other nodes so far. */
  #remote = 0

  /** Watchers by type of message. What one throws is the cluster's trouble. No host may be up yet. */
  constructor(cluster: Cluster, watchers: Iterable<readonly [type: string, watcher: Watcher]>) {
    this.#cluster = cluster
    for (const [type, watcher] of watchers)
      this.#watchers.set(type, [...(this.#watchers.get(type) ?? []), watcher])
    cluster.onLife((host) => this.#attach(host))
  }

  #attach(host: SimulatedHost): void {
    host.node?.intercept((envelope) => {
      try {
        if (envelope.remote && ++this.#remote % sampledOf === 0) checkCodec(envelope)
        if (envelope.type === REPLY) this.#answered(envelope)
        for (const watcher of this.#watchers.get(envelope.type) ?? []) {
          const awaiting = watcher(host, envelope)
          if (awaiting) this.#awaited.set(`${envelope.from} ${envelope.ask}`, awaiting)
        }
      } catch (error) {
        this.#cluster.trouble ??= error as Error
      }
      return 'deliver'
    })
  }
  #answered({ to, ask, body }: Envelope): void {
    const key = `${to} ${ask}`
    const awaiting = this.#awaited.get(key)
    if (awaiting === undefined) return
    this.#awaited.delete(key)
    const outcome = body as Outcome<unknown>
    if (outcome.ok) awaiting(outcome.value)
  }
}
