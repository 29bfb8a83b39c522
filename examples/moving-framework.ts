/**
 * A framework that heeds maintenance: its service runs on some agent and, when that agent is asked for by
 * an inverse offer, moves to one that is not. Run it beside `meseta up --agents 2`, and
 * `meseta maintenance schedule HOST --in 1h` for the host that it names; it ends when it has moved:
 *
 *     npx tsx examples/moving-framework.ts [nats://127.0.0.1:4222]
 */
import type { InverseOffer, Offer } from '../protocol/index.ts'
import { connectScheduler, type Driver, Room } from '../src/index.ts'

const servers = process.argv[2]?.split(',')
const need = { cpus: 0.1, mem: 32 }
/** The agent that the service is on. */
let home: Offer | undefined
let launches = 0

function offers(all: readonly Offer[], driver: Driver): void {
  for (const offer of all) {
    // An agent with a window of maintenance ahead is no place to move to.
    const useful = offer.unavailability === undefined && new Room(offer).lacks(need).length === 0
    if (home !== undefined || !useful) {
      driver.decline([offer], { refuse_seconds: 1 })
      continue
    }
    home = offer
    const id = `service-${++launches}`
    const { agent_id } = offer
    const resources = new Room(offer).take(need)
    const command = { value: 'sleep 1000' }
    driver.launch([offer], [{ name: id, task_id: { value: id }, agent_id, resources, command }])
  }
}

function inverseOffers(all: readonly InverseOffer[], driver: Driver): void {
  // Accepting is a promise, for the operator to see; to keep it is the framework's own work.
  driver.acceptInverse(all)
  for (const { agent_id } of all) {
    if (agent_id?.value === home?.agent_id.value) driver.kill(`service-${launches}`)
  }
}

const { ended } = await connectScheduler({
  ...(servers && { servers }),
  framework: { name: 'moving', user: 'nobody', failover_timeout: 60 },
  callbacks: {
    offers,
    inverseOffers,
    update({ task_id, state }, driver) {
      console.log(`${task_id.value} ${state} on ${home?.hostname}`)
      if (state === 'TASK_KILLED') home = undefined
      if (state === 'TASK_RUNNING' && launches === 2) driver.teardown()
    },
  },
})
await ended
process.exit(0)
