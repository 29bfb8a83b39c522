/**
 * What befalls the cluster of a chaos run. Each fault is over, and undone, when it resolves; one that is
 * aborted leaves a master stopped or cut off.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../src/runtime/ports.ts'
import type { TestCluster } from '../support/cluster.ts'
import type { Host } from '../support/network.ts'
import type { Keeper } from './keeper.ts'
import type { Leader } from './leader.ts'

export const faultNames = [
  'kill leader',
  'kill follower',
  'pause leader',
  'kill broker',
  'cut leader off',
  'lose disk',
] as const
export type FaultName = (typeof faultNames)[number]

export interface FaultContext {
  readonly cluster: TestCluster
  readonly keeper: Keeper
  readonly random: Random
  readonly leaseMs: number
  /** By the name of the master that runs on it. */
  readonly hosts: ReadonlyMap<string, Host>
  /** Who leads now. */
  readonly leader: () => Promise<Leader>
  /** Tells what is done, when it is done. */
  readonly tell: (what: string) => void
  readonly signal: AbortSignal
}

type Fault = (context: FaultContext) => Promise<void>

/** In leases: longer than one, so that another leads meanwhile. */
const pauseLeases = 2
const cutLeases = 3

export const faults: Readonly<Record<FaultName, Fault>> = {
  async 'kill leader'({ keeper, leader, tell }) {
    const { name, epoch } = await leader()
    tell(`kill -9 the leader, ${name} (epoch ${epoch})`)
    await keeper.kill(name)
  },

  async 'kill follower'(context) {
    const name = await follower(context)
    context.tell(`kill -9 a follower, ${name}`)
    await context.keeper.kill(name)
  },

  async 'pause leader'({ cluster, leader, leaseMs, tell, signal }) {
    const { name, epoch } = await leader()
    const pauseMs = pauseLeases * leaseMs
    tell(`SIGSTOP the leader, ${name} (epoch ${epoch}), for ${pauseMs} ms`)
    const pid = cluster.pid(name)
    process.kill(pid, 'SIGSTOP')
    await sleep(pauseMs, undefined, { signal })
    process.kill(pid, 'SIGCONT')
    tell(`SIGCONT ${name}`)
  },

  async 'kill broker'({ cluster, keeper, random, tell }) {
    const name = pick(
      random,
      cluster.names.filter((each) => each.startsWith('nats-server')),
    )
    tell(`kill -9 a broker, ${name}`)
    await keeper.kill(name)
  },

  async 'cut leader off'({ hosts, leader, leaseMs, tell, signal }) {
    const { name, epoch } = await leader()
    const cutMs = cutLeases * leaseMs
    tell(`cut the leader, ${name} (epoch ${epoch}), off for ${cutMs} ms`)
    const host = hosts.get(name)
    host?.cut()
    await sleep(cutMs, undefined, { signal })
    host?.heal()
    tell(`heal ${name}`)
  },

  async 'lose disk'(context) {
    const { cluster, keeper, tell } = context
    const name = await follower(context)
    tell(`kill -9 a follower, ${name}, and delete its disk`)
    await keeper.kill(name, () => rm(join(cluster.directory, name, 'log'), { recursive: true }))
  },
}

/** A master that does not lead. */
async function follower({ cluster, leader, random }: FaultContext): Promise<string> {
  const { name } = await leader()
  return pick(
    random,
    cluster.masters.filter((each) => each !== name),
  )
}

/**
 * The order of faults: all in random order, again and again, so that even a short run has most of them.
 */
export function* schedule(random: Random, names: readonly FaultName[]): Generator<FaultName> {
  for (;;) {
    const deck = [...names]
    while (deck.length > 0) yield deck.splice(random.int(deck.length), 1)[0]!
  }
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.int(values.length)]!
}
