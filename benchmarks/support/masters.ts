/** Three masters of a benchmark's cluster, one of which leads. */
import { subjects } from '../../protocol/subjects.ts'
import type { BenchCluster, BenchNode } from './bench-cluster.ts'

/** Times are those of `performance.now()`. */
export interface FailOver {
  /** Of the master that was killed. */
  readonly name: string
  readonly killedMs: number
  /** When its successor said that it leads. */
  readonly electedMs: number
}

const names = ['m1', 'm2', 'm3']
/** Who leads a large cluster may be busy. */
const askMs = 5000
const pauseMs = 20
/** Longest time until the masters are what is awaited. */
const limitMs = 60_000

export class Masters {
  /** The default. */
  readonly leaseMs = 2000
  readonly #bench: BenchCluster
  readonly #flags: readonly string[]
  readonly #nodes = new Map<string, BenchNode>()
  readonly #directories = new Map<string, string>()

  private constructor(bench: BenchCluster, flags: readonly string[]) {
    this.#bench = bench
    this.#flags = flags
    for (const name of names) this.#directories.set(name, bench.directory())
  }

  /** Resolves when one leads and all replicas vote. What `flags` do not set is as it is by default. */
  static async start(bench: BenchCluster, flags: readonly string[] = []): Promise<Masters> {
    const masters = new Masters(bench, flags)
    await Promise.all(names.map((name) => masters.restart(name)))
    await masters.whole()
    return masters
  }

  /** Starts a master that was killed, on its directory. */
  async restart(name: string): Promise<void> {
    const own = ['--work-dir', this.#directories.get(name)!, '--replicas', names.join(',')]
    const node = await this.#bench.start('master', [...own, ...this.#flags], { name })
    this.#nodes.set(name, node)
  }

  /** Kills the leader with SIGKILL; resolves when another one leads. */
  async failOver(): Promise<FailOver> {
    const { nats, cluster } = this.#bench
    const name = await this.#leader()
    const electedMs = new Promise<number>((resolve) =>
      nats.subscribe(subjects(cluster).events('leader'), {
        max: 1,
        callback: () => resolve(performance.now()),
      }),
    )
    await nats.flush()
    const killedMs = performance.now()
    await this.#nodes.get(name)?.kill()
    return { name, killedMs, electedMs: await electedMs }
  }

  /** The process of the one that leads. */
  async leader(): Promise<BenchNode> {
    return this.#nodes.get(await this.#leader())!
  }

  /** Resolves when one leads and all replicas vote. */
  async whole(): Promise<void> {
    const deadline = performance.now() + limitMs
    while (!(await this.#isWhole())) {
      if (performance.now() > deadline) throw new Error(`no three masters after ${limitMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  async #isWhole(): Promise<boolean> {
    try {
      await this.#leader()
      return (await Promise.all(names.map((name) => this.#votes(name)))).every(Boolean)
    } catch {
      // Nobody there, or too busy to answer.
      return false
    }
  }

  async #leader(): Promise<string> {
    const { pid } = await this.#ask<{ pid: string }>(this.#subjects.leader)
    return /@([^~]+)/.exec(pid)![1]!
  }

  async #votes(name: string): Promise<boolean> {
    const { actors } = await this.#ask<{ actors: Array<{ id: string; state?: string }> }>(
      this.#subjects.nodeActors(name),
    )
    return actors.find(({ id }) => id === 'log')?.state === 'voting'
  }

  get #subjects() {
    return subjects(this.#bench.cluster)
  }

  async #ask<T>(subject: string): Promise<T> {
    return (await this.#bench.nats.request(subject, '{}', { timeout: askMs })).json<T>()
  }
}
