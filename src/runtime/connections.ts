/**
 * A node's connections to the broker. What goes by one waits for nothing that goes by another: a flood of
 * calls from outside holds up no message between actors, and a crowd of nodes not the word of the few on
 * which a lease hangs.
 */
import type { Connection, ConnectionStatus, Transport } from './ports.ts'

export interface ConnectionOptions {
  /**
   * Names of connections to the broker for raw subjects, on which anybody may publish: a flood on one lane
   * holds up neither messages between actors nor the other lanes. What names no lane of the node takes the
   * first. Default none: raw subjects share the actors' connection.
   */
  readonly lanes?: readonly string[]
  /**
   * Names of other nodes with which messages have a connection to the broker of their own: whatever those
   * say, such as the word that extends a lease, waits behind no crowd. Each of them must name this node too.
   */
  readonly near?: readonly string[]
}

export class Connections {
  /** For messages between actors. */
  readonly actors: Connection
  /** For messages between this node and its near ones, if they have their own. */
  readonly near: Connection | undefined
  readonly #lanes: ReadonlyMap<string, Connection>
  readonly #nearNodes: ReadonlySet<string>
  /** For raw subjects that name no lane. */
  readonly #firstLane: Connection

  private constructor(
    actors: Connection,
    lanes: ReadonlyMap<string, Connection>,
    near: Connection | undefined,
    nearNodes: readonly string[],
  ) {
    const [firstLane = actors] = lanes.values()
    this.actors = actors
    this.near = near
    this.#lanes = lanes
    this.#firstLane = firstLane
    this.#nearNodes = new Set(nearNodes)
  }

  /** Rejects if the broker cannot be reached; then none is left open. */
  static async open(
    transport: Transport,
    node: string,
    { lanes = [], near = [] }: ConnectionOptions,
  ): Promise<Connections> {
    const opened: Connection[] = []
    const connect = async (...purpose: readonly string[]) => {
      const connection = await transport.connect({ name: ['meseta', node, ...purpose].join(' ') })
      opened.push(connection)
      return connection
    }
    try {
      const actors = await connect()
      const own = new Map<string, Connection>()
      for (const lane of lanes) own.set(lane, await connect(lane))
      return new Connections(actors, own, near.length > 0 ? await connect('near') : undefined, near)
    } catch (error) {
      for (const each of opened) await each.close()
      throw error
    }
  }

  /** For raw subjects of that lane. */
  lane(name?: string): Connection {
    return (name !== undefined && this.#lanes.get(name)) || this.#firstLane
  }

  /** For messages to that node if it is a near one. */
  nearTo(node: string): Connection | undefined {
    return this.#nearNodes.has(node) ? this.near : undefined
  }

  onStatus(listener: (which: string, status: ConnectionStatus) => void): void {
    this.actors.onStatus((status) => listener('broker connection', status))
    this.near?.onStatus((status) => listener('broker connection among near nodes', status))
    for (const [lane, connection] of this.#lanes) {
      connection.onStatus((status) => listener(`broker connection for ${lane}`, status))
    }
  }

  async flush(): Promise<void> {
    await Promise.all(this.#all().map((each) => each.flush()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#all().map((each) => each.close()))
  }

  #all(): Connection[] {
    return [this.actors, ...(this.near ? [this.near] : []), ...this.#lanes.values()]
  }
}
