/** Starts a scheduler on a node of its own: all that a framework's program needs. */
import { defaultCluster } from '../../protocol/subjects.ts'
import { type Ports, startNode } from '../runtime/index.ts'
import { systemPorts } from '../runtime/ports/index.ts'
import { natsTransport } from '../transport/nats.ts'
import type { CallError, Driver } from './driver.ts'
import { SCHEDULER_ID, type SchedulerOptions, scheduler } from './scheduler.ts'

/** Where the cluster is. */
export interface ClusterOptions {
  /** Broker addresses. Default: `MESETA_NATS_URL` (comma-separated), else `nats://127.0.0.1:4222`. */
  readonly servers?: readonly string[]
  /** Default: `MESETA_CLUSTER`, else `meseta`. */
  readonly cluster?: string
  /** Other ports than the real ones, for tests and simulation. */
  readonly ports?: Ports
}

export interface SchedulerConnectOptions extends SchedulerOptions, ClusterOptions {}

/** A running framework. */
export interface Connected {
  readonly driver: Driver
  readonly frameworkId: string
  /**
   * Resolves when the framework was torn down or closed; rejects with a CallError when the master ended
   * it, or with what a callback threw.
   */
  readonly ended: Promise<void>
  /** Leaves without teardown: tasks run on, and another instance may take over under the same id. */
  close(): Promise<void>
}

/**
 * Connects to the broker and subscribes; keeps trying while there is no master.
 * Rejects if the broker cannot be reached.
 *
 * @example
 * const { driver, ended } = await connectScheduler({
 *   framework: { name: 'hello', user: 'root' },
 *   callbacks: {
 *     offers: (offers, driver) => driver.decline(offers),
 *   },
 * })
 */
export async function connectScheduler(options: SchedulerConnectOptions): Promise<Connected> {
  const { ports, cluster } = clusterOf(options)
  let settle: { resolve(): void; reject(error: Error): void } | undefined
  const ended = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Who does not look at it must not be ended by it.
  ended.catch(() => {})
  let driver: Driver | undefined
  const spec = scheduler(options, (started) => {
    driver = started
  })
  const node = await startNode({
    name: `framework-${ports.random.uuid().slice(0, 8)}`,
    cluster,
    ports,
    children: [spec],
    // A scheduler that crashed has forgotten its tasks; its author must know, not find it restarted.
    supervision: { intensity: 0 },
    onFailure: ({ detail, kind }) =>
      settle?.reject(new Error(`the scheduler crashed: ${detail ?? kind}`)),
  })
  if (driver === undefined) throw new Error('the scheduler did not start')
  const enter = (run: () => void) => {
    const cell = node.cell(SCHEDULER_ID)
    if (cell !== undefined) node.call(cell, run)
  }
  driver.attach(enter, (error: CallError | undefined) =>
    error ? settle?.reject(error) : settle?.resolve(),
  )
  const close = async () => {
    // Calls made just before are turns that still wait; stopping throws away what waits.
    if (node.cell(SCHEDULER_ID) !== undefined) await new Promise<void>((resolve) => enter(resolve))
    await node.stop()
    settle?.resolve()
  }
  return { driver, frameworkId: driver.frameworkId, ended, close }
}

/** The options with their defaults. */
export function clusterOf({ servers, cluster, ports: given }: ClusterOptions): {
  readonly ports: Ports
  readonly cluster: string
} {
  const ports = given ?? realPorts(servers)
  return { ports, cluster: cluster ?? ports.host.env().MESETA_CLUSTER ?? defaultCluster }
}

function realPorts(servers: readonly string[] | undefined): Ports {
  const log = { level: 'warn' } as const
  const ports = systemPorts({ transport: natsTransport({ servers: servers ?? [] }), log })
  if (servers !== undefined) return ports
  const url = ports.host.env().MESETA_NATS_URL ?? 'nats://127.0.0.1:4222'
  return { ...ports, transport: natsTransport({ servers: url.split(',') }) }
}
