/** How long a framework of the SDK is without offers when the leader is killed, again and again. */
import { connectScheduler } from '../../src/framework/index.ts'
import type { BenchCluster } from './bench-cluster.ts'
import type { Masters } from './masters.ts'

/** Milliseconds from each kill on. */
export interface Interruptions {
  readonly electedMs: readonly number[]
  readonly subscribedMs: readonly number[]
  readonly offersMs: readonly number[]
}

/** Kills are spread over this time after the cluster is whole, as renewals of the lease are regular. */
const spreadMs = 1000

export async function interruptions(
  bench: BenchCluster,
  masters: Masters,
  kills: number,
): Promise<Interruptions> {
  const found = {
    electedMs: [] as number[],
    subscribedMs: [] as number[],
    offersMs: [] as number[],
  }
  const seen = { subscribedMs: 0, offersMs: 0 }
  let offered = () => {}
  const { driver, close } = await connectScheduler({
    servers: [bench.url],
    cluster: bench.cluster,
    framework: { name: 'interrupted', user: 'root', failover_timeout: 600 },
    callbacks: {
      subscribed() {
        seen.subscribedMs = performance.now()
      },
      offers(offers) {
        driver.decline(offers, { refuse_seconds: 0 })
        seen.offersMs = performance.now()
        offered()
      },
    },
  })
  const nextOffers = () =>
    new Promise<void>((resolve) => {
      offered = resolve
    })
  for (let index = 0; index < kills; index++) {
    await masters.whole()
    await nextOffers()
    await new Promise((resolve) => setTimeout(resolve, (index / kills) * spreadMs))
    const { name, killedMs, electedMs } = await masters.failOver()
    // An offer of the former leader may have come after the kill, none after the election.
    while (seen.offersMs < electedMs) await nextOffers()
    found.electedMs.push(electedMs - killedMs)
    found.subscribedMs.push(seen.subscribedMs - killedMs)
    found.offersMs.push(seen.offersMs - killedMs)
    await masters.restart(name)
  }
  await close()
  return found
}
