/**
 * Several nats-servers on this machine, each joined with all others by routes: what is published at one
 * reaches subscribers at all, and a client whose server is lost goes on at another. What a broker promises
 * holds across routes too: order from one publisher to one subscriber, at most once, and "no responders"
 * for a request that nobody at any server would hear. A subscription takes a moment to be known to the
 * other servers; what passes between two servers while one of them dies is lost without a word.
 */
import { type NatsServer, type NatsServerOptions, startNatsServer } from './nats-server.ts'

export interface NatsClusterOptions extends Omit<NatsServerOptions, 'routes'> {
  /** Number of servers; one has no routes. `port` is the first one's. */
  readonly count: number
}

/** Servers that were ready when one got this. */
export class NatsCluster {
  readonly #options: Omit<NatsServerOptions, 'port' | 'routes'>
  readonly #servers: NatsServer[]

  constructor(options: Omit<NatsServerOptions, 'port' | 'routes'>, servers: NatsServer[]) {
    this.#options = options
    this.#servers = servers
  }

  /** As they were started last; some may have ended. */
  get servers(): readonly NatsServer[] {
    return this.#servers
  }

  get urls(): string[] {
    return this.#servers.map(({ url }) => url)
  }

  /**
   * Starts the server with this index, which has ended, on its former ports.
   * @throws NatsServerError `START_FAILED`, for example if somebody else has taken a port
   */
  async restart(index: number): Promise<NatsServer> {
    const former = this.#servers[index]
    if (former === undefined) throw new RangeError(`there is no server ${index}`)
    const { port, routePort } = former
    const others = this.#servers.filter((other) => other !== former)
    const routes = routePort !== undefined && { port: routePort, to: others.map(routeOf) }
    const server = await startNatsServer({ ...this.#options, port, ...(routes && { routes }) })
    this.#servers[index] = server
    return server
  }

  /** Stops all. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()))
  }
}

/** Starts servers that know each other. @throws NatsServerError if one does not start; none is left then */
export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const { count, port, ...common } = options
  const servers: NatsServer[] = []
  try {
    for (let index = 0; index < count; index++) {
      servers.push(
        await startNatsServer({
          ...common,
          ...(index === 0 && port !== undefined && { port }),
          ...(count > 1 && { routes: { to: servers.map(routeOf) } }),
        }),
      )
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()))
    throw error
  }
  return new NatsCluster(common, servers)
}

function routeOf({ url, routePort }: NatsServer): string {
  return `nats-route://${new URL(url).hostname}:${routePort}`
}
