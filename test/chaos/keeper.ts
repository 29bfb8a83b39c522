/** Keeps the members of a cluster running: whichever ends is started again after a moment. */
import type { TestCluster } from '../support/cluster.ts'

const pauseMs = 500

export class Keeper {
  /** How often each member has ended. */
  readonly ends = new Map<string, number>()
  /** Process ids of all that ever ran. */
  readonly pids: number[] = []
  /** Rejects when a member cannot be started again. */
  readonly failed: Promise<never>
  readonly #cluster: TestCluster
  /** What must be over before a member is started again. */
  readonly #holds = new Map<string, Promise<void>>()
  readonly #stopping: Promise<void>
  #stop: () => void = () => {}
  readonly #watches: readonly Promise<void>[]

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
    this.#stopping = new Promise((resolve) => {
      this.#stop = resolve
    })
    let fail: (error: Error) => void = () => {}
    this.failed = new Promise((_, reject) => {
      fail = reject
    })
    // Who does not wait for it must not be ended by it.
    this.failed.catch(() => {})
    this.#watches = cluster.names.map((name) => this.#watch(name).catch(fail))
  }

  async #watch(name: string): Promise<void> {
    for (;;) {
      this.pids.push(this.#cluster.pid(name))
      const ended = this.#cluster.ended(name).then(() => 'ended')
      if ((await Promise.race([ended, this.#stopping])) !== 'ended') return
      this.ends.set(name, (this.ends.get(name) ?? 0) + 1)
      await this.#holds.get(name)
      await Promise.race([new Promise((resolve) => setTimeout(resolve, pauseMs)), this.#stopping])
      await this.#cluster.start(name)
    }
  }

  /** Kills a member, and does something before it is started again. Resolves when that is done. */
  async kill(name: string, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    const done = this.#cluster.kill(name).then(meanwhile)
    this.#holds.set(
      name,
      done.catch(() => {}),
    )
    await done
  }

  /** Starts nobody again from now on; resolves when no start is under way. */
  async stop(): Promise<void> {
    this.#stop()
    await Promise.all(this.#watches)
  }
}
