/**
 * A chaos run: three masters, three brokers and three agents as real processes, a framework with a steady
 * stream of tasks, and every so often something real that happens to one of them. At the end all must be
 * as if nothing had (spec/failover.md §3).
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stream } from '../../src/runtime/ports/seeded-random.ts'
import { startCluster, type TestCluster } from '../support/cluster.ts'
import { type Host, hubAddress, Network } from '../support/network.ts'
import { until } from '../support/wait.ts'
import {
  admittedAgents,
  auditEpochs,
  auditRegistry,
  auditTasks,
  type EpochAudit,
  type TaskAudit,
} from './audit.ts'
import { type FaultName, faultNames, faults, schedule } from './faults.ts'
import { Keeper } from './keeper.ts'
import { leaderOf } from './leader.ts'
import { auditLog, type LogAudit } from './log-audit.ts'
import { Workload } from './workload.ts'

export interface RunOptions {
  readonly seconds: number
  /** From one fault to the next, if the cluster is whole again by then. */
  readonly everySeconds: number
  readonly tasksPerSecond: number
  readonly seed: string
  /** Whether this process is in a network of its own, whose hosts can be cut off. */
  readonly network: boolean
  /** Told of everything that happens, with milliseconds since the first task. */
  readonly onEvent: (atMs: number, what: string) => void
  /** Ends the run early: it rejects. */
  readonly signal: AbortSignal
}

export interface RunResult {
  /** How often each fault happened. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>
  /** From each fault to the next offers, ms, where they were interrupted. */
  readonly outagesMs: readonly number[]
  /** How often each member ended, killed or not. */
  readonly ends: Readonly<Record<string, number>>
  readonly launched: number
  readonly tasks: TaskAudit
  readonly epochs: EpochAudit
  readonly log: LogAudit
  readonly agents: number
  /** Sentences about everything that must not be; none if all is well. */
  readonly violations: readonly string[]
}

const leaseMs = 2000
/** Longest time until a leader, all replicas and all agents are back after a fault. */
const wholeTimeoutMs = 60_000
/** Longest time until every task has ended, after the last fault. */
const drainTimeoutMs = 90_000
const masters = ['master-1', 'master-2', 'master-3']
const agents = 3

/** Runs to the end. Nothing of it is left when this settles. */
export async function run(options: RunOptions): Promise<RunResult> {
  const undo: Array<() => unknown> = []
  const aborted = new Promise<never>((_, reject) => {
    options.signal.addEventListener('abort', () => reject(options.signal.reason))
  })
  try {
    return await Promise.race([perform(options, undo), aborted])
  } finally {
    for (const each of undo.reverse()) await each()
  }
}

async function perform(options: RunOptions, undo: Array<() => unknown>): Promise<RunResult> {
  const hosts = new Map<string, Host>()
  if (options.network) {
    const network = new Network()
    undo.push(() => network.close())
    for (const name of masters) hosts.set(name, await network.addHost())
  }
  const cluster = await startCluster({
    masters: masters.length,
    brokers: 3,
    agents,
    resources: 'cpus:16;mem:4096',
    logLevel: 'debug',
    launcher: (name) => hosts.get(name)?.launcher ?? [],
    ...(options.network && { brokerHost: hubAddress }),
    masterFlags: { 'lease-ms': leaseMs, 'agent-ping-timeout-ms': 15_000 },
  })
  const keeper = new Keeper(cluster)
  undo.push(async () => {
    await keeper.stop()
    resume(cluster)
    for (const host of hosts.values()) host.heal()
    await cluster.stop()
  })
  const chaos = new Chaos(options, cluster, keeper, hosts)
  undo.push(() => chaos.workload.close())
  return Promise.race([chaos.run(), keeper.failed])
}

/** Lets everybody go on who was stopped. */
function resume(cluster: TestCluster): void {
  for (const name of cluster.names) process.kill(cluster.pid(name), 'SIGCONT')
}

class Chaos {
  readonly workload: Workload
  readonly #options: RunOptions
  readonly #cluster: TestCluster
  readonly #keeper: Keeper
  readonly #hosts: ReadonlyMap<string, Host>
  readonly #ran: string
  readonly #counts: Partial<Record<FaultName, number>> = {}
  readonly #outagesMs: number[] = []
  /** When the last fault began; undefined once offers have come again. */
  #faultMs: number | undefined
  #startMs = 0

  constructor(
    options: RunOptions,
    cluster: TestCluster,
    keeper: Keeper,
    hosts: ReadonlyMap<string, Host>,
  ) {
    this.#options = options
    this.#cluster = cluster
    this.#keeper = keeper
    this.#hosts = hosts
    this.#ran = join(cluster.directory, 'ran')
    this.workload = new Workload({
      servers: cluster.servers,
      perSecond: options.tasksPerSecond,
      ran: this.#ran,
      onOffers: () => this.#offersAgain(),
    })
  }

  async run(): Promise<RunResult> {
    const { seconds, everySeconds, seed, signal } = this.#options
    const before = await admittedAgents(this.#cluster.client)
    this.#startMs = performance.now()
    await this.workload.start()
    const endMs = this.#startMs + seconds * 1000
    const names = this.#options.network
      ? faultNames
      : faultNames.filter((name) => name !== 'cut leader off')
    const random = stream(seed, 'faults')
    for (const [index, name] of enumerate(schedule(random, names))) {
      const atMs = this.#startMs + (index + 1) * everySeconds * 1000
      if (atMs >= endMs) break
      await sleep(Math.max(0, atMs - performance.now()), undefined, { signal })
      await this.#whole()
      signal.throwIfAborted()
      this.#counts[name] = (this.#counts[name] ?? 0) + 1
      this.#faultMs = performance.now()
      await faults[name]({
        cluster: this.#cluster,
        keeper: this.#keeper,
        random,
        leaseMs,
        hosts: this.#hosts,
        leader: () => leaderOf(this.#cluster.client, { timeoutMs: wholeTimeoutMs }),
        tell: (what) => this.#tell(what),
        signal,
      })
    }
    await sleep(Math.max(0, endMs - performance.now()), undefined, { signal })
    return this.#conclude(before)
  }

  /** Resolves when a leader leads, all replicas vote and all agents are active: it can bear a fault. */
  async #whole(): Promise<void> {
    const what = 'the cluster to be whole again'
    const look = async () => {
      await leaderOf(this.#cluster.client, { timeoutMs: wholeTimeoutMs })
      await this.#cluster.replicasVoting()
      await this.#cluster.agentsActive(agents)
      return true
    }
    await until(look, { what, timeoutMs: wholeTimeoutMs })
  }

  #offersAgain(): void {
    if (this.#faultMs === undefined) return
    const outageMs = performance.now() - this.#faultMs
    this.#faultMs = undefined
    this.#outagesMs.push(outageMs)
    this.#tell(`offers again, ${Math.round(outageMs)} ms after the fault`)
  }

  async #conclude(before: ReadonlyMap<string, string>): Promise<RunResult> {
    const violations: string[] = []
    this.workload.stop()
    await this.#whole()
    const idle = () => this.workload.waiting === 0 && this.workload.open === 0
    await until(idle, { what: 'all tasks to end', timeoutMs: drainTimeoutMs }).catch(() => {})
    const { servers, client, log, masters: replicas } = this.#cluster
    const tasks = auditTasks(this.workload.tasks, this.#ran)
    const epochs = auditEpochs([1, 2, 3].map((n) => log.call(this.#cluster, `agent-${n}`)))
    const positions = await auditLog(servers, replicas)
    const after = await admittedAgents(client)
    violations.push(
      ...tasks.problems,
      ...tasks.doubles.map((id) => `the command of ${id} ran more than once`),
      ...tasks.endless.map((id) => `${id} has no terminal state`),
      ...auditRegistry(before, after),
      ...epochs.problems,
      ...positions.differences,
    )
    return {
      faults: this.#counts,
      outagesMs: this.#outagesMs,
      ends: Object.fromEntries(this.#keeper.ends),
      launched: this.workload.tasks.size,
      tasks,
      epochs,
      log: positions,
      agents: after.size,
      violations,
    }
  }

  #tell(what: string): void {
    this.#options.onEvent(performance.now() - this.#startMs, what)
  }
}

function* enumerate<T>(values: Iterable<T>): Generator<readonly [index: number, value: T]> {
  let index = 0
  for (const value of values) yield [index++, value]
}
