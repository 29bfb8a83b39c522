/**
 * The brokers of `meseta up`: one nats-server on loopback, or several joined by routes. One that dies is
 * started again on its ports, with back-off; clients go on at another meanwhile.
 */
import { type NatsCluster, startNatsCluster } from '../../transport/nats-cluster.ts'
import { type NatsServer, NatsServerError } from '../../transport/nats-server.ts'

export interface BrokersOptions {
  readonly count: number
  /** Port of the first; another if it is taken. 0: any. */
  readonly port: number
  /** Told of each end and each restart to come. */
  readonly onChange: (line: string) => void
}

const backoffMinMs = 200
const backoffMaxMs = 5000
/** Answers to operators are not cut into pieces: room for the tasks of a busy day. */
const maxPayload = 8 * 1024 * 1024

export class Brokers {
  /** Addresses of all, separated by commas. */
  readonly url: string
  readonly #cluster: NatsCluster
  readonly #onChange: (line: string) => void
  /** Those that are starting again. */
  readonly #down = new Set<number>()
  #stopped = false

  private constructor(cluster: NatsCluster, onChange: (line: string) => void) {
    this.#cluster = cluster
    this.#onChange = onChange
    this.url = cluster.urls.join(',')
    for (const [index, server] of cluster.servers.entries()) void this.#watch(index, server)
  }

  /** @throws NatsServerError NOT_FOUND, START_FAILED */
  static async start({ count, port, onChange }: BrokersOptions): Promise<Brokers> {
    const options = { count, maxPayload }
    if (port === 0) return new Brokers(await startNatsCluster(options), onChange)
    try {
      return new Brokers(await startNatsCluster({ ...options, port }), onChange)
    } catch (error) {
      if (!(error instanceof NatsServerError) || error.code === 'NOT_FOUND') throw error
      return new Brokers(await startNatsCluster(options), onChange)
    }
  }

  /** Process ids by name, without those that are down. */
  get pids(): ReadonlyArray<readonly [name: string, pid: number]> {
    return this.#cluster.servers.flatMap(({ pid }, index) =>
      this.#down.has(index) ? [] : [[this.#name(index), pid] as const],
    )
  }

  #name(index: number): string {
    return this.#cluster.servers.length === 1 ? 'nats-server' : `nats-server-${index + 1}`
  }

  async #watch(index: number, first: NatsServer): Promise<void> {
    let waitMs = backoffMinMs
    let current: NatsServer | undefined = first
    for (;;) {
      if (current !== undefined) {
        await current.exited
        this.#down.add(index)
        waitMs = backoffMinMs
      }
      if (this.#stopped) return
      this.#onChange(`${this.#name(index)} ended; it starts again in ${waitMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      if (this.#stopped) return
      current = await this.#cluster.restart(index).catch(() => undefined)
      if (current !== undefined) this.#down.delete(index)
      waitMs = Math.min(waitMs * 2, backoffMaxMs)
      // Stopped while it was starting: nobody else would end it.
      if (this.#stopped) await current?.stop()
    }
  }

  /** Stops all; none is left when it resolves. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#cluster.stop()
  }

  /** Ends all at once. */
  kill(): void {
    this.#stopped = true
    for (const server of this.#cluster.servers) void server.kill()
  }
}
